"""Kigen's orchestration: what runs the dbt project, guards the purge, and shows both in Dagster.

`defs/` holds what exists, the modules beside it hold how it works. The list of tables,
proofs and stages is dbt's manifest; no second list stands here.
"""
