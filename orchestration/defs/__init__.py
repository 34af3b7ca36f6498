"""What exists in Dagster: one module per stage of a run, and what starts runs."""
