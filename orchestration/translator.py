"""How a dbt node looks in Dagster: the group is the stage, the columns carry their category."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject

from orchestration.known_columns import Known, last_known
from orchestration.settings import Settings
from orchestration.warehouse import DELIVERY_SOURCE, MEMORY_SCHEMA, TAGS_SOURCE, is_own_source

RAW_GROUP: Final = "raw"
POLICY_GROUP: Final = "policy"

RAW_TABLES: Final = dg.AssetKey(["raw", "raw_tables"])
"""The step that sees whether the raw tables are there, before anything else is done."""

SCAN_FINDINGS: Final = dg.AssetKey([TAGS_SOURCE, "scan_findings"])
"""The step that looks at names and values of the columns of the sources."""

COLUMN_LINEAGE: Final = dg.AssetKey([TAGS_SOURCE, "column_lineage"])
INHERITED_COLUMNS: Final = dg.AssetKey([TAGS_SOURCE, "inherited_columns"])
"""What the step writes that follows every column through the models, back to a raw one."""

LINEAGE_PAGE: Final = dg.AssetKey([TAGS_SOURCE, "lineage_page"])
"""The step that writes the page of the column graph."""

DOCUMENTS: Final = dg.AssetKey([TAGS_SOURCE, "documents"])
"""The step that writes what is for people to read and publish."""

DISCLOSURE: Final = dg.AssetKey([DELIVERY_SOURCE, "disclosure"])
"""The step that writes what is held on one person, for that person."""

EXPIRED_DISCLOSURES: Final = dg.AssetKey([DELIVERY_SOURCE, "expired_disclosures"])
"""The step that takes away the files of disclosures whose time is up."""

EXPIRED_LEASES: Final = dg.AssetKey([DELIVERY_SOURCE, "expired_leases"])
"""The step that takes away the files of leases whose time is up."""

LEASES: Final = dg.AssetKey([DELIVERY_SOURCE, "leases"])
"""The step that looks after what was handed over."""

BREACH: Final = dg.AssetKey([DELIVERY_SOURCE, "breach"])
"""The step that answers what a regulator asks after a leak."""

FILE_COPIES: Final = dg.AssetKey([DELIVERY_SOURCE, "file_copies"])
"""The step that reads files for copies of who is gone."""

LAST_RUN: Final = dg.AssetKey(["purge", "last_run"])
"""The step that notes what a purge left behind, for the next to be compared with."""

ERASED_FILE: Final = dg.AssetKey(["purge", "erased_file"])
"""The step that rewrites the file without what was deleted."""

CERTIFICATE: Final = dg.AssetKey(["purge", "certificate"])
"""The step that writes what a run did, and how we know."""

_STAGE: Final = re.compile(r"\d+_(\w+)")


class KigenTranslator(DagsterDbtTranslator):
    """Translates dbt's sources, seeds and models into assets, and its tests into checks."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Return [source, table] of a source, [schema, name] of anything else."""
        props = dbt_resource_props
        if props["resource_type"] == "source":
            return dg.AssetKey([props["source_name"], props["name"]])
        return dg.AssetKey([props["config"].get("schema") or props["schema"], props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the stage: the folder of a model without its number."""
        return group_of(dbt_resource_props)

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the description, or the header of the statement, which says what a row is."""
        props = dbt_resource_props
        code = props.get("raw_code") or ""
        parts = [props.get("description") or header_of(code)]
        if code and props["resource_type"] == "model":
            parts.append(f"```sql\n{code}\n```")
        return "\n\n".join(part for part in parts if part)

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str] | None:
        """Return who answers for it, from `meta.owner`."""
        owner = meta_of(dbt_resource_props).get("owner")
        return [str(owner)] if owner else None

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> dict[str, Any]:
        """Return the default metadata, with what the last run knew of each column."""
        props = dbt_resource_props
        place = (str(props["schema"]), str(props.get("identifier") or props.get("alias")))
        known = {
            column: each
            for (*table, column), each in last_known(Settings.from_env()).items()
            if (*table,) == place
        }
        metadata = dict(super().get_metadata(props))
        described = [
            described_column(name, column.get("data_type") or "", column, known.get(name))
            for name, column in props["columns"].items()
        ]
        described += [
            described_column(name, "", {}, each)
            for name, each in known.items()
            if name not in props["columns"]
        ]
        if described:
            metadata["dagster/column_schema"] = table_schema(described)
        return metadata

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """Return the spec, with the two ties dbt does not know, and without one it does.

        Nothing is loaded before the raw tables were looked at and scanned, and a proof of
        `gate: after` waits until the file has been rewritten.
        """
        spec = super().get_asset_spec(manifest, unique_id, project)
        props = self.get_resource_props(manifest, unique_id)
        if props["resource_type"] == "model":
            spec = spec.merge_attributes(kinds={str(props["config"]["materialized"])})
        if props["config"].get("materialized") == "view" and gate_of(props) is None:
            # It reads the leases when it is read; what looks after them waits for the stages.
            deps = [dep for dep in spec.deps if dep.asset_key != LEASES]
            spec = spec.replace_attributes(deps=deps)
        before = None
        if props["resource_type"] == "seed":
            before = SCAN_FINDINGS
        elif gate_of(props) == "after":
            before = ERASED_FILE
        if before is None or any(dep.asset_key == before for dep in spec.deps):
            return spec
        return spec.merge_attributes(deps=[before])

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        """Return the check of a dbt test; the test of a proof blocks nothing by itself.

        A red proof must not hide behind a failed build: the guard counts it, says so and
        stops the purge.
        """
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None or not is_proof_test(manifest, unique_id):
            return spec
        return spec._replace(blocking=False)


def meta_of(props: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the `meta` of a node or column, wherever this version of dbt keeps it."""
    meta: Mapping[str, Any] = props.get("config", {}).get("meta") or props.get("meta") or {}
    return meta


def kigen_of(props: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a node declares under `meta.kigen`."""
    declared: Mapping[str, Any] = meta_of(props).get("kigen") or {}
    return declared


def gate_of(props: Mapping[str, Any]) -> str | None:
    """Return the gate of a proof; None for anything else."""
    gate = kigen_of(props).get("gate")
    return str(gate) if gate else None


def is_proof_test(manifest: Mapping[str, Any], test_id: str) -> bool:
    """Return whether a dbt test tests a proof."""
    attached = manifest["nodes"][test_id].get("attached_node")
    return bool(attached) and gate_of(manifest["nodes"].get(attached, {})) is not None


def group_of(props: Mapping[str, Any]) -> str:
    """Return the asset group of a node."""
    if props["resource_type"] == "source":
        if not is_own_source(props):
            return RAW_GROUP
        return MEMORY_SCHEMA if props["schema"] == MEMORY_SCHEMA else str(props["source_name"])
    if props["resource_type"] == "seed":
        return POLICY_GROUP
    for part in props["fqn"]:
        if stage := _STAGE.fullmatch(part):
            return stage.group(1)
    return str(props["schema"])


def header_of(code: str) -> str:
    """Return the comment a statement begins with, as one paragraph."""
    lines = []
    for line in code.splitlines():
        if not line.startswith("-- "):
            break
        lines.append(line.removeprefix("-- ").strip())
    return " ".join(lines)


def column_tags(column: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a declared column: dbt's own, and `data_category` where it is personal."""
    tags = {
        str(tag): "" for tag in column.get("tags") or column.get("config", {}).get("tags") or ()
    }
    category = meta_of(column).get("pii")
    if category and category != "none":
        tags["data_category"] = str(category)
    return tags


def described_column(
    name: str, kind: str, declared: Mapping[str, Any], known: Known | None
) -> tuple[str, str, str, dict[str, str]]:
    """Return name, type, description and tags of a column, as Dagster shows it."""
    texts = (declared.get("description") or "", known.text if known else "")
    tags = {**(known.tags if known else {}), **column_tags(declared)}
    return name, kind, " ".join(filter(None, texts)), tags


def table_schema(columns: Iterable[tuple[str, str, str, dict[str, str]]]) -> dg.TableSchema:
    """Return the schema Dagster shows, of (name, type, description, tags) a column."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name=name, type=kind or "?", description=text or None, tags=tags)
            for name, kind, text, tags in columns
        ]
    )
