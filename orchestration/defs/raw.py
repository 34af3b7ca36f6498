"""The tables upstream and the memory of purges: not built here, shown with what is personal."""

import dagster as dg

from orchestration.project import current
from orchestration.translator import RAW_GROUP, RAW_TABLES, KigenTranslator, group_of
from orchestration.warehouse import DELIVERY_SOURCE, TAGS_SOURCE

PROJECT = current()


@dg.definitions
def raw() -> dg.Definitions:
    """Return an external asset per source table, with its columns and their categories."""
    translator = KigenTranslator()
    manifest = PROJECT.manifest
    specs = []
    for unique_id, source in manifest["sources"].items():
        spec = translator.get_asset_spec(manifest, unique_id, PROJECT.dbt_project)
        if group_of(source) in (TAGS_SOURCE, DELIVERY_SOURCE):
            # Assets of their own: the scan, the lineage and the deliveries write them.
            continue
        is_raw = group_of(source) == RAW_GROUP
        specs.append(
            dg.AssetSpec(
                key=spec.key,
                deps=[RAW_TABLES] if is_raw else [],
                description=spec.description,
                group_name=spec.group_name,
                owners=spec.owners,
                tags={tag: value for tag, value in spec.tags.items() if "/kind/" not in tag},
                kinds={"duckdb", "table"},
                metadata={
                    name: value
                    for name, value in spec.metadata.items()
                    if name in ("dagster/column_schema", "dagster/table_name")
                },
            )
        )
    return dg.Definitions(assets=specs)
