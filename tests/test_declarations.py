"""Bad declarations fail at load, and the message says where, what and what to do.

The manifests here are made by hand, small and valid; each test breaks one thing.
"""

import copy
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fideslang.default_taxonomy import DEFAULT_TAXONOMY

from orchestration import fideslang_keys
from orchestration.declarations import (
    DeclarationError,
    Declarations,
    Period,
    PolicyError,
    load,
    parse_period,
)
from orchestration.limits import Limit, Limits

YAML = "models/1_staging/_sources.yml"
CLASSES = "../seeds/policy/policy_deletion_classes.csv"
PURPOSES = "../seeds/policy/policy_purposes.csv"
SETTINGS = "../seeds/policy/policy_settings.csv"
LIMITS = "../seeds/policy/policy_purge_limits.csv"
CATEGORIES = "../seeds/policy/policy_data_categories.csv"
MEANINGS = "../seeds/policy/policy_flag_meanings.csv"

CLASS_HEADER = "deletion_class,table_name,period,notice,notice_waiver,action,floor,legal_basis"
SEEDS = {
    "policy_deletion_classes": [
        CLASS_HEADER,
        "idle,club.people,P3Y,P7D,mailbox_left,delete,no,law",
        "left,club.people,P30D,,,delete,no,law",
        "old,club.visits,P1Y6M,,,anonymise,no,law",
        "books,club.visits,P7Y,,,delete,yes,law",
        "log,club.mails,P2W,,,delete,no,law",
        "remembered,memory.acts,,,,keep,no,law",
    ],
    "policy_purposes": [
        "purpose,message_class,needs_consent",
        "marketing.communications.email,marketing,yes",
        "essential.legal_obligation,legal_notice,no",
    ],
    "policy_flag_meanings": [
        "system,column_name,value,meaning",
        "club,people.wants_mail,1,wants",
        "club,people.wants_mail,,refuses",
    ],
    "policy_purge_limits": [
        "table_name,max_share_percent,max_rows,max_share_percent_of_small,small_table_rows,reason",
        "*,5,500,50,20,why",
        "club.visits,12.5,10,100,0,why",
    ],
    "policy_data_categories": [
        "data_category,sensitivity,legal_basis,snowflake_semantic_category,"
        "snowflake_privacy_category,dpv",
        "user,ordinary,,,,",
        "user.health_and_medical,special,GDPR art. 9(1),,,pd:HealthRecord",
    ],
    "policy_settings": [
        "setting,value,legal_basis",
        "business_time_zone,Asia/Tokyo,law",
        "fiscal_year_first_month,4,law",
        "fiscal_filing_period,P2M,law",
        "order_open_after_delivery,P30D,law",
        "order_open_undelivered,P90D,law",
        "our_own_setting,anything,law",
        "acting_purpose,marketing.communications.email,law",
    ],
}


def source(
    name: str, columns: dict[str, str | None], kigen: dict[str, Any] | None
) -> dict[str, Any]:
    """A source as dbt writes it: the current form of meta, under config."""
    schema, identifier = name.split(".")
    return {
        "unique_id": f"source.club.{name}",
        "resource_type": "source",
        "source_name": schema,
        "name": identifier,
        "schema": schema,
        "identifier": identifier,
        "relation_name": f'"warehouse"."{schema}"."{identifier}"',
        "original_file_path": YAML,
        "meta": {},
        "config": {"meta": {} if kigen is None else {"kigen": kigen}},
        "columns": {
            column: {"name": column, "meta": {}, "config": {"meta": {"pii": pii} if pii else {}}}
            for column, pii in columns.items()
        },
    }


def model(
    folder: str, name: str, kigen: dict[str, Any] | None, clocks: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A model as dbt writes it; its text has clocks for these classes."""
    return {
        "unique_id": f"model.club.{name}",
        "resource_type": "model",
        "name": name,
        "alias": name,
        "schema": folder[2:],
        "relation_name": f'"warehouse"."{folder[2:]}"."{name}"',
        "original_file_path": f"models/{folder}/{name}.sql",
        "fqn": ["club", folder, name],
        "raw_code": "".join(f"{each}__clock_at, {each}__clock_source, " for each in clocks),
        "depends_on": {"nodes": []},
        "meta": {},
        "config": {"meta": {} if kigen is None else {"kigen": kigen}},
        "columns": {},
    }


class Project:
    """A valid project: a manifest, and its policy on disk beside it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "dbt_project"
        self.seeds = folder / "seeds" / "policy"
        self.root.mkdir()
        self.seeds.mkdir(parents=True)
        for name, lines in SEEDS.items():
            self.write(name, lines)
        people = {
            "person_id": None,
            "email": "user.contact.email",
            "full_name": "user.name",
            "wants_mail": None,
        }
        self.sources = {
            node["unique_id"]: node
            for node in (
                source(
                    "club.people",
                    people,
                    {
                        "register": True,
                        "key": "person_id",
                        "subject": "person_id",
                        "contact": "email",
                        "stays_purged": True,
                        "deletion_classes": ["idle", "left"],
                    },
                ),
                source(
                    "club.visits",
                    {"visit_id": None, "person_id": None, "email": "user.contact.email"},
                    {
                        "key": ["visit_id"],
                        "subject": "person_id",
                        "contact": "email",
                        "parent": "club.people",
                        "follows": {
                            "register": "club.people",
                            "by": ["subject"],
                            "action": "anonymise",
                        },
                        "deletion_classes": ["old", "books"],
                    },
                ),
                source(
                    "club.mails",
                    {"mail_id": None, "email": "user.contact.email"},
                    {
                        "key": "mail_id",
                        "contact": "email",
                        "purge_last": True,
                        "deletion_classes": ["log"],
                    },
                ),
                source("club.rooms", {"room_id": None}, None),
                source(
                    "memory.acts",
                    {"person_digest": "user.unique_id.pseudonymous", "acted_at": None},
                    {"key": "person_digest", "deletion_classes": ["remembered"]},
                ),
            )
        }
        self.nodes = {
            node["unique_id"]: node
            for node in (
                *(self.seed(name) for name in SEEDS),
                model(
                    "4_retention", "records_people", {"records_of": "club.people"}, ("idle", "left")
                ),
                model(
                    "4_retention",
                    "records_visits",
                    {"records_of": "club.visits", "classes": ["old", "books"]},
                ),
                model("4_retention", "records_mails", {"records_of": "club.mails"}, ("log",)),
                model("4_retention", "reasons", None),
                model("7_proofs", "proof_survivors", {"gate": "after"}),
                model("7_proofs", "proof_clocks", {"gate": "before"}),
            )
        }

    def seed(self, name: str) -> dict[str, Any]:
        return {
            "unique_id": f"seed.club.{name}",
            "resource_type": "seed",
            "name": name,
            "alias": name,
            "schema": "policy",
            "root_path": str(self.root),
            "original_file_path": f"../seeds/policy/{name}.csv",
            "meta": {},
            "config": {"meta": {}},
            "columns": {},
        }

    def write(self, name: str, lines: list[str]) -> None:
        (self.seeds / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace one line of a policy seed."""
        lines = SEEDS[name]
        assert old in lines
        self.write(name, [new if line == old else line for line in lines])

    def add(self, name: str, line: str) -> None:
        self.write(name, [*SEEDS[name], line])

    def kigen(self, table: str) -> dict[str, Any]:
        meta: dict[str, Any] = self.sources[f"source.club.{table}"]["config"]["meta"]["kigen"]
        return meta

    def load(self) -> Declarations:
        return load({"nodes": self.nodes, "sources": self.sources})

    def faults(self) -> list[str]:
        with pytest.raises(DeclarationError) as caught:
            self.load()
        lines = str(caught.value).splitlines()
        assert len(lines) == len(caught.value.faults)
        return lines


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


# What is declared.


def test_a_valid_project_loads_with_its_tables_classes_and_policy(project: Project) -> None:
    declarations = project.load()
    assert list(declarations.governed) == [
        "club.mails",
        "club.people",
        "club.visits",
        "memory.acts",
    ]
    people = declarations.governed["club.people"]
    assert (people.key, people.subject, people.contact) == (("person_id",), "person_id", "email")
    assert (people.is_register, people.stays_purged, people.is_former) == (True, True, False)
    assert people.judged_by == "model.club.records_people"
    idle, left = people.deletion_classes
    assert (idle.deletion_class, idle.period, idle.notice) == (
        "idle",
        Period(36, 0),
        Period(0, 7),
    )
    assert (left.notice, left.action, left.floor) == (None, "delete", "no")
    follows = declarations.governed["club.visits"].follows
    assert follows is not None
    assert (follows.register_table, follows.by, follows.action) == (
        "club.people",
        ["subject"],
        "anonymise",
    )
    kept = declarations.governed["memory.acts"]
    assert (kept.is_memory, kept.judged_by) == (True, None)
    assert (kept.deletion_classes[0].action, kept.deletion_classes[0].period) == ("keep", None)
    assert declarations.purposes["marketing.communications.email"].needs_consent
    assert not declarations.purposes["essential.legal_obligation"].needs_consent
    assert [flag.meaning for flag in declarations.flag_meanings] == ["wants", "refuses"]
    assert declarations.settings["business_time_zone"] == "Asia/Tokyo"
    assert declarations.settings["our_own_setting"] == "anything"


def test_personal_columns_come_with_their_category_and_table(project: Project) -> None:
    columns = {
        (column.table_name, column.column_name, column.data_category)
        for column in project.load().pii_columns()
    }
    assert columns == {
        ("club.people", "email", "user.contact.email"),
        ("club.people", "full_name", "user.name"),
        ("club.visits", "email", "user.contact.email"),
        ("club.mails", "email", "user.contact.email"),
        ("memory.acts", "person_digest", "user.unique_id.pseudonymous"),
    }


def test_a_column_tagged_none_is_not_personal(project: Project) -> None:
    column("club.people", "full_name", "none")(project)
    tagged = {(c.table_name, c.column_name) for c in project.load().pii_columns()}
    assert ("club.people", "email") in tagged
    assert ("club.people", "full_name") not in tagged


def test_proofs_come_by_gate(project: Project) -> None:
    declarations = project.load()
    assert [proof.name for proof in declarations.proofs("before")] == ["proof_clocks"]
    assert [proof.name for proof in declarations.proofs("after")] == ["proof_survivors"]
    assert [proof.name for proof in declarations.proofs()] == ["proof_clocks", "proof_survivors"]
    (proof,) = declarations.proofs("before")
    assert proof.relation_name == '"warehouse"."proofs"."proof_clocks"'


def test_meta_beside_config_is_read_too(project: Project) -> None:
    before = project.load()
    for node in (*project.sources.values(), *project.nodes.values()):
        for described in (node, *node["columns"].values()):
            described["meta"] = described.pop("config")["meta"]
    assert project.load() == before


# What is refused: the break, then what the one line must name.

Break = Callable[[Project], object]


def column(table: str, name: str, pii: object) -> Break:
    def apply(project: Project) -> None:
        project.sources[f"source.club.{table}"]["columns"][name]["config"]["meta"]["pii"] = pii

    return apply


def key(table: str, **values: object) -> Break:
    return lambda project: project.kigen(table).update(values)


def class_row(old: str, new: str) -> Break:
    (line,) = (line for line in SEEDS["policy_deletion_classes"] if old in line)
    return seed_row("policy_deletion_classes", line, line.replace(old, new))


def seed_row(seed: str, old: str, new: str) -> Break:
    return lambda project: project.replace(seed, old, new)


def seed_add(seed: str, line: str) -> Break:
    return lambda project: project.add(seed, line)


def model_meta(name: str, kigen: dict[str, Any]) -> Break:
    def apply(project: Project) -> None:
        project.nodes[f"model.club.{name}"]["config"]["meta"] = {"kigen": kigen}

    return apply


def model_added(folder: str, name: str, kigen: dict[str, Any] | None) -> Break:
    return lambda project: project.nodes.update({f"model.club.{name}": model(folder, name, kigen)})


def audience_added(
    kigen: dict[str, Any], columns: dict[str, dict[str, Any]], *, enforced: bool = True
) -> Break:
    """An audience with these `meta` by column."""

    def add(project: Project) -> None:
        node = model("5_audiences", "audience_x", {"message_class": "marketing", **kigen})
        node["config"]["contract"] = {"enforced": enforced}
        node["columns"] = {
            name: {"name": name, "config": {"meta": meta}} for name, meta in columns.items()
        }
        project.nodes[node["unique_id"]] = node
        project.nodes["model.club.proof_clocks"]["depends_on"]["nodes"] = [node["unique_id"]]

    return add


LOG = {"campaign": "mail_id", "message_class": "mail_id", "kind": "mail_id", "sent_at": "mail_id"}


def two_logs(project: Project) -> None:
    column = project.sources["source.club.club.people"]["config"]["meta"]["kigen"]["key"]
    key("club.mails", message_log=LOG)(project)
    key("club.people", message_log=dict.fromkeys(LOG, column))(project)


def unseen_audience(project: Project) -> None:
    audience_added({}, {})(project)
    project.nodes["model.club.proof_clocks"]["depends_on"]["nodes"] = []


def category_of_a_model(project: Project) -> None:
    project.nodes["model.club.reasons"]["columns"] = {
        "email": {"config": {"meta": {"pii": "user.e_mail"}}}
    }


def ungoverned(project: Project) -> None:
    del project.nodes["model.club.records_mails"]
    project.sources["source.club.club.mails"]["config"]["meta"] = {}
    lines = SEEDS["policy_deletion_classes"]
    project.write("policy_deletion_classes", [line for line in lines if "club.mails" not in line])


def without_class(project: Project) -> None:
    project.kigen("club.mails")["deletion_classes"] = []
    lines = SEEDS["policy_deletion_classes"]
    project.write("policy_deletion_classes", [line for line in lines if "club.mails" not in line])


def without_key(project: Project) -> None:
    del project.kigen("club.mails")["key"]


def without_contact(project: Project) -> None:
    del project.kigen("club.people")["contact"]


def without_judge(project: Project) -> None:
    del project.nodes["model.club.records_mails"]


def without_row(project: Project) -> None:
    lines = SEEDS["policy_deletion_classes"]
    project.write("policy_deletion_classes", [line for line in lines if line[:5] != "left,"])


def governed_twice(project: Project) -> None:
    twin = copy.deepcopy(project.sources["source.club.club.mails"])
    twin["unique_id"] = "source.other.club.mails"
    project.sources[twin["unique_id"]] = twin


def zone_missing(project: Project) -> None:
    lines = SEEDS["policy_settings"]
    project.write("policy_settings", [line for line in lines if "zone" not in line])


def two_seeds(project: Project) -> None:
    project.nodes["seed.other.policy_purposes"] = {
        **project.seed("policy_purposes"),
        "unique_id": "seed.other.policy_purposes",
    }


def circle(project: Project) -> None:
    project.kigen("club.people")["parent"] = "club.visits"


FOLLOWS = {"register": "club.people", "by": ["subject"], "action": "anonymise"}
RECORDS_MAILS = "models/4_retention/records_mails.sql"


def list_of_addresses(project: Project) -> None:
    node = model("5_audiences", "everybody", None)
    node["columns"] = {"mail": {"name": "mail", "config": {"meta": {"pii": "user.contact.email"}}}}
    project.nodes[node["unique_id"]] = node


def key_called_state(project: Project) -> None:
    project.sources["source.club.club.mails"]["columns"]["state"] = {"name": "state"}
    project.kigen("club.mails")["key"] = "state"


def anonymise_a_personal_key(project: Project) -> None:
    column("club.visits", "visit_id", "user.unique_id")(project)
    project.kigen("club.visits")["follows"] = None


def class_called(name: str) -> Break:
    def apply(project: Project) -> None:
        class_row("log,club.mails", f"{name},club.mails")(project)
        project.kigen("club.mails")["deletion_classes"] = [name]
        model_added(
            "4_retention", "records_mails", {"records_of": "club.mails", "classes": [name]}
        )(project)

    return apply


def anonymise_nothing(project: Project) -> None:
    class_row("P2W,,,delete", "P2W,,,anonymise")(project)
    mails = project.sources["source.club.club.mails"]["columns"]
    mails["email"]["config"]["meta"] = {"pii": "none"}


FAULTS: dict[str, tuple[Break, list[str]]] = {
    "unknown data category": (
        column("club.people", "email", "user.contact.emial"),
        [
            YAML,
            "club.people",
            "column email",
            "unknown data category 'user.contact.emial'",
            "nearest of 85 fideslang data categories: user.contact.email,",
        ],
    ),
    "a data category that is no text": (
        column("club.people", "email", True),
        [YAML, "club.people", "column email", "unknown data category True"],
    ),
    "unknown data category in a model": (
        category_of_a_model,
        ["models/4_retention/reasons.sql", "retention.reasons", "column email", "'user.e_mail'"],
    ),
    "unknown purpose": (
        seed_row(
            "policy_purposes",
            "marketing.communications.email,marketing,yes",
            "marketing.email,marketing,yes",
        ),
        [f"{PURPOSES}:2", "column purpose", "'marketing.email'", "nearest of 56 fideslang"],
    ),
    "purpose twice": (
        seed_add("policy_purposes", "essential.legal_obligation,legal_notice,no"),
        [f"{PURPOSES}:4", "'essential.legal_obligation'", "twice"],
    ),
    "unknown message class": (
        seed_row(
            "policy_purposes",
            "essential.legal_obligation,legal_notice,no",
            "essential.legal_obligation,legal,no",
        ),
        [
            f"{PURPOSES}:3",
            "column message_class",
            "unknown message class 'legal'",
            "allowed: legal_notice, marketing, service_notice",
        ],
    ),
    "unknown needs_consent": (
        seed_row(
            "policy_purposes",
            "essential.legal_obligation,legal_notice,no",
            "essential.legal_obligation,legal_notice,maybe",
        ),
        [f"{PURPOSES}:3", "column needs_consent", "'maybe'", "allowed: no, yes"],
    ),
    "deletion class that the policy lacks": (
        without_row,
        [YAML, "club.people", "unknown deletion class 'left'", "allowed: idle"],
    ),
    "deletion class of another table": (
        key("club.mails", deletion_classes=["log", "old"]),
        [YAML, "club.mails", "unknown deletion class 'old'", "allowed: log"],
    ),
    "deletion class named twice": (
        key("club.mails", deletion_classes=["log", "log"]),
        [YAML, "club.mails", "'log'", "twice"],
    ),
    "policy row for a table that is not declared": (
        seed_add("policy_deletion_classes", "log,club.mailz,P1Y,,,delete,no,law"),
        [f"{CLASSES}:8", "club.mailz", "column table_name", "'club.mailz'", "club.mails"],
    ),
    "policy row for a table that is not governed": (
        seed_add("policy_deletion_classes", "log,club.rooms,P1Y,,,delete,no,law"),
        [f"{CLASSES}:8", "club.rooms", "unknown governed table 'club.rooms'", "meta.kigen"],
    ),
    "policy row for a class the table does not name": (
        seed_add("policy_deletion_classes", "left,club.mails,P1Y,,,delete,no,law"),
        [f"{CLASSES}:8", "club.mails", "column deletion_class", "'left'", YAML],
    ),
    "policy row twice": (
        seed_add("policy_deletion_classes", "log,club.mails,P1Y,,,delete,no,law"),
        [f"{CLASSES}:8", "club.mails", "'log'", "twice", f"{CLASSES}:6"],
    ),
    "period with a time": (
        class_row("P30D", "PT720H"),
        [f"{CLASSES}:3", "club.people", "column period", "class left", "'PT720H'", "P1Y6M"],
    ),
    "no period": (
        class_row("P2W", ""),
        [f"{CLASSES}:6", "club.mails", "column period", "class log", "''"],
    ),
    "bad notice": (
        class_row("P7D", "7 days"),
        [f"{CLASSES}:2", "club.people", "column notice", "class idle", "'7 days'"],
    ),
    "unknown notice waiver": (
        class_row("mailbox_left", "left"),
        [f"{CLASSES}:2", "club.people", "notice_waiver", "'left'", "(empty), mailbox_left"],
    ),
    "waiver without a notice": (
        class_row("P30D,,,", "P30D,,mailbox_left,"),
        [f"{CLASSES}:3", "club.people", "column notice_waiver", "'mailbox_left'"],
    ),
    "unknown action": (
        class_row("P2W,,,delete", "P2W,,,erase"),
        [
            f"{CLASSES}:6",
            "club.mails",
            "column action",
            "'erase'",
            "allowed: anonymise, delete, keep",
        ],
    ),
    "keep outside memory": (
        class_row("P2W,,,delete", "P2W,,,keep"),
        [f"{CLASSES}:6", "club.mails", "column action", "'keep'", "schema memory"],
    ),
    "delete in memory": (
        class_row(",,,,keep", ",P1Y,,,delete"),
        [f"{CLASSES}:7", "memory.acts", "column action", "'delete'", "schema memory"],
    ),
    "unknown floor": (
        class_row("yes", "maybe"),
        [f"{CLASSES}:5", "club.visits", "column floor", "'maybe'", "allowed: no, only, yes"],
    ),
    "a row with an unquoted comma": (
        class_row("P2W,,,delete,no,law", "P2W,,,delete,no,law, and more"),
        [f"{CLASSES}:6", "more or fewer values"],
    ),
    "a column missing": (
        seed_row("policy_deletion_classes", CLASS_HEADER, CLASS_HEADER.replace("floor", "flor")),
        [CLASSES, "has no column floor"],
    ),
    "a policy missing": (
        lambda project: project.nodes.pop("seed.club.policy_settings"),
        ["policy_settings.csv", "no such seed"],
    ),
    "a policy twice": (two_seeds, ["policy_purposes.csv", "two seeds", "seed.other."]),
    "a policy file missing": (
        lambda project: (project.seeds / "policy_settings.csv").unlink(),
        [SETTINGS, "cannot be read"],
    ),
    "a flag value twice": (
        seed_add("policy_flag_meanings", "club,people.wants_mail,1,refuses"),
        [f"{MEANINGS}:4", "club.people", "column wants_mail", "'1'"],
    ),
    "a flag value without meaning": (
        seed_add("policy_flag_meanings", "club,people.wants_mail,2,"),
        [f"{MEANINGS}:4", "club.people", "column wants_mail", "'2'"],
    ),
    "unknown time zone": (
        seed_row(
            "policy_settings",
            "business_time_zone,Asia/Tokyo,law",
            "business_time_zone,Asia/Tokio,law",
        ),
        [f"{SETTINGS}:2", "business_time_zone", "'Asia/Tokio'", "Asia/Tokyo"],
    ),
    "no time zone": (zone_missing, ["policy_settings.csv", "business_time_zone"]),
    "thirteenth month": (
        seed_row(
            "policy_settings", "fiscal_year_first_month,4,law", "fiscal_year_first_month,13,law"
        ),
        [f"{SETTINGS}:3", "fiscal_year_first_month", "'13'", "1 to 12"],
    ),
    "a setting that is no period": (
        seed_row(
            "policy_settings", "order_open_undelivered,P90D,law", "order_open_undelivered,90,law"
        ),
        [f"{SETTINGS}:6", "order_open_undelivered", "'90'", "P30D"],
    ),
    "a setting misspelt": (
        seed_add("policy_settings", "order_open_undeliverd,P90D,law"),
        [f"{SETTINGS}:9", "unknown setting 'order_open_undeliverd'", "order_open_undelivered"],
    ),
    "a setting twice": (
        seed_add("policy_settings", "fiscal_filing_period,P3M,law"),
        [f"{SETTINGS}:9", "fiscal_filing_period", "twice"],
    ),
    "a data category fideslang lacks": (
        seed_add("policy_data_categories", "user.helth,special,,,,"),
        [f"{CATEGORIES}:4", "column data_category", "unknown data category 'user.helth'"],
    ),
    "a sensitivity nobody knows": (
        seed_add("policy_data_categories", "user.name,very,,,,"),
        [f"{CATEGORIES}:4", "column sensitivity", "user.name", "unknown sensitivity 'very'"],
    ),
    "a data category twice": (
        seed_add("policy_data_categories", "user,ordinary,,,,"),
        [f"{CATEGORIES}:4", "'user' stands here twice"],
    ),
    "a scan that is surer than sure": (
        seed_add("policy_settings", "scan_min_confidence_percent,101,why"),
        [f"{SETTINGS}:9", "scan_min_confidence_percent", "'101'", "from 50 to 100"],
    ),
    "a scan that doubts too little": (
        seed_add("policy_settings", "scan_min_confidence_percent,49,why"),
        [f"{SETTINGS}:9", "scan_min_confidence_percent", "'49'"],
    ),
    "a limit of a table nobody declared": (
        seed_add("policy_purge_limits", "club.mail,5,500,50,20,why"),
        [f"{LIMITS}:4", "column table_name", "unknown governed table 'club.mail'", "club.mails"],
    ),
    "a limit of the memory": (
        seed_add("policy_purge_limits", "memory.acts,5,500,50,20,why"),
        [f"{LIMITS}:4", "unknown governed table 'memory.acts'"],
    ),
    "a limit twice": (
        seed_add("policy_purge_limits", "*,6,500,50,20,why"),
        [f"{LIMITS}:4", "twice"],
    ),
    "a share above all": (
        seed_row("policy_purge_limits", "*,5,500,50,20,why", "*,5,500,101,20,why"),
        [f"{LIMITS}:2", "column max_share_percent_of_small", "'101'", "0 to 100"],
    ),
    "a limit below nothing": (
        seed_row("policy_purge_limits", "*,5,500,50,20,why", "*,5,-1,50,20,why"),
        [f"{LIMITS}:2", "column max_rows", "'-1'", "whole numbers from 0"],
    ),
    "a limit that is no number": (
        seed_row("policy_purge_limits", "*,5,500,50,20,why", "*,,500,50,20,why"),
        [f"{LIMITS}:2", "column max_share_percent", "''"],
    ),
    "an approval for no period": (
        seed_add("policy_settings", "approval_period,a week,law"),
        [f"{SETTINGS}:9", "approval_period", "'a week'"],
    ),
    "unknown key column": (
        key("club.mails", key=["mail_id", "mail_no"]),
        [YAML, "club.mails", "column mail_no", "unknown key column 'mail_no'", "mail_id"],
    ),
    "unknown subject column": (
        key("club.visits", subject="member_id"),
        [YAML, "club.visits", "column member_id", "subject column 'member_id'", "person_id"],
    ),
    "unknown contact column": (
        key("club.mails", contact="e_mail"),
        [YAML, "club.mails", "column e_mail", "contact column 'e_mail'", "allowed: email, mail_id"],
    ),
    "no key": (without_key, [YAML, "club.mails", "meta.kigen has no key"]),
    "unknown key of meta.kigen": (
        key("club.mails", purge_lasst=True),
        [YAML, "club.mails", "unknown key of meta.kigen 'purge_lasst'", "purge_last"],
    ),
    "meta.kigen of the wrong kind": (
        key("club.mails", purge_last="yes"),
        [YAML, "club.mails", "meta.kigen.purge_last", "'yes'"],
    ),
    "a tagged table without governance": (
        ungoverned,
        [YAML, "club.mails", "personal data (email)", "deletion_classes"],
    ),
    "a tagged table with no class": (
        without_class,
        [YAML, "club.mails", "deletion_classes is []"],
    ),
    "a notice without a contact": (
        without_contact,
        [YAML, "club.people", "'idle'", "'P7D'", "contact"],
    ),
    "a table governed twice": (governed_twice, [YAML, "club.mails", "governed twice"]),
    "a table without a model that judges it": (
        without_judge,
        [YAML, "club.mails", "records_of: club.mails"],
    ),
    "two models that judge one table": (
        model_added("4_retention", "records_more", {"records_of": "club.mails"}),
        [
            "models/4_retention/records_more.sql",
            "retention.records_more",
            "'club.mails'",
            RECORDS_MAILS,
        ],
    ),
    "a model that judges an unknown table": (
        model_added("4_retention", "records_more", {"records_of": "club.mailz"}),
        ["models/4_retention/records_more.sql", "'club.mailz'", "club.mails"],
    ),
    "a class without a clock": (
        model_meta("records_visits", {"records_of": "club.visits", "classes": ["old"]}),
        [YAML, "club.visits", "'books'", "no clock", "retention.records_visits"],
    ),
    "a clock for a class the table lacks": (
        model_meta("records_mails", {"records_of": "club.mails", "classes": ["log", "lag"]}),
        [RECORDS_MAILS, "retention.records_mails", "club.mails 'lag'", "allowed: log"],
    ),
    "unknown key of a model": (
        model_meta("reasons", {"recordsof": "club.mails"}),
        ["models/4_retention/reasons.sql", "retention.reasons", "'recordsof'", "records_of"],
    ),
    "unknown parent": (
        key("club.visits", parent="club.rooms"),
        [YAML, "club.visits", "unknown parent 'club.rooms'", "club.people"],
    ),
    "a parent in memory": (
        key("club.visits", parent="memory.acts"),
        [YAML, "club.visits", "unknown parent 'memory.acts'"],
    ),
    "last of all, with a parent before": (
        key("club.mails", parent="club.people"),
        [YAML, "club.mails", "purge_last is True", "'club.people'"],
    ),
    "a parent of itself": (
        key("club.mails", parent="club.mails"),
        [YAML, "club.mails", "circle", "club.mails -> club.mails"],
    ),
    "unknown register": (
        key("club.visits", follows={**FOLLOWS, "register": "club.persons"}),
        [YAML, "club.visits", "unknown follows.register 'club.persons'", "club.people"],
    ),
    "a register that is none": (
        key("club.visits", follows={**FOLLOWS, "register": "club.mails"}),
        [YAML, "club.visits", "'club.mails' is no register"],
    ),
    "follows by what is not there": (
        key("club.mails", follows={**FOLLOWS, "action": "delete"}),
        [YAML, "club.mails", "follows.by", "'subject'"],
    ),
    "follows by something else": (
        key("club.visits", follows={**FOLLOWS, "by": ["phone"]}),
        [YAML, "club.visits", "follows.by.0", "'phone'", "'subject' or 'contact'"],
    ),
    "follows with an unknown action": (
        key("club.visits", follows={**FOLLOWS, "action": "keep"}),
        [YAML, "club.visits", "follows.action", "'keep'", "'delete' or 'anonymise'"],
    ),
    "a register whose key is not its subject": (
        key("club.people", key="full_name"),
        [YAML, "club.people", "subject is 'person_id'", "key 'full_name'"],
    ),
    "a key that is an address": (
        key("club.mails", key="email"),
        [YAML, "club.mails: column email", "user.contact.email", "says nothing about a person"],
    ),
    "a key with the name of a state": (
        key_called_state,
        [YAML, "club.mails: column state", "Kigen's own columns"],
    ),
    "anonymising with nothing personal to take": (
        anonymise_nothing,
        [YAML, "club.mails", "'log' anonymises", "tag one"],
    ),
    "anonymising a personal key": (
        anonymise_a_personal_key,
        [YAML, "club.visits", "'old' anonymises", "'visit_id' is personal and stays"],
    ),
    "a class whose name is none": (
        class_called("mail-log"),
        [CLASSES, "club.mails", "'mail-log' is no name of a class"],
    ),
    "marketing without consent": (
        seed_row(
            "policy_purposes",
            "marketing.communications.email,marketing,yes",
            "marketing.communications.email,marketing,no",
        ),
        [PURPOSES, "marketing.communications.email", "needs consent"],
    ),
    "an acting purpose the policy lacks": (
        seed_row(
            "policy_settings",
            "acting_purpose,marketing.communications.email,law",
            "acting_purpose,marketing.communication.email,law",
        ),
        [SETTINGS, "setting acting_purpose", "unknown purpose 'marketing.communication.email'"],
    ),
    "no acting purpose": (
        lambda project: project.write(
            "policy_settings",
            [line for line in SEEDS["policy_settings"] if "acting" not in line],
        ),
        ["policy_settings.csv", "no setting acting_purpose"],
    ),
    "a model without a clock for a class": (
        model_added("4_retention", "records_mails", {"records_of": "club.mails"}),
        [YAML, "club.mails", "deletion class 'log' has no clock", "records_mails.sql"],
    ),
    "a register without a subject": (
        key("club.mails", register=True),
        [YAML, "club.mails", "register is True", "subject"],
    ),
    "unknown gate": (
        model_meta("proof_clocks", {"gate": "during"}),
        [
            "models/7_proofs/proof_clocks.sql",
            "proofs.proof_clocks",
            "'during'",
            "'before' or 'after'",
        ],
    ),
    "unknown severity": (
        model_meta("proof_clocks", {"gate": "before", "severity": "info"}),
        ["models/7_proofs/proof_clocks.sql", "severity", "'info'", "'error' or 'warn'"],
    ),
    "an audience for a purpose the policy lacks": (
        model_added("5_audiences", "audience_x", {"purpose": "marketing.communications.sms"}),
        [
            "models/5_audiences/audience_x.sql",
            "audiences.audience_x",
            "unknown purpose 'marketing.communications.sms'",
            "marketing.communications.email",
        ],
    ),
    "an audience of an unknown message class": (
        model_added("5_audiences", "audience_x", {"message_class": "legal"}),
        ["models/5_audiences/audience_x.sql", "message_class", "'legal'", "'legal_notice'"],
    ),
    "a log of what was sent with a column that is not there": (
        key("club.mails", message_log={**LOG, "kind": "sort"}),
        [YAML, "club.mails", "column sort", "unknown message_log kind column 'sort'"],
    ),
    "a log of what was sent without its columns": (
        key("club.mails", message_log={k: v for k, v in LOG.items() if k != "sent_at"}),
        [YAML, "club.mails", "message_log", "sent_at"],
    ),
    "a log of what was sent that nobody knows who writes": (
        key("club.mails", message_log={**LOG, "notices_by": "us"}),
        [YAML, "club.mails", "notices_by", "'us'", "'hand_over' or 'tool'"],
    ),
    "two logs of what was sent": (
        two_logs,
        [YAML, "club.people", "is a message_log, and club.mails is one; keep one"],
    ),
    "a notice that is marketing": (
        audience_added(
            {"notice": "deletion_notice"},
            {
                "deletes_at": {"pii": "system.operations"},
                "data_categories": {"pii": "system.operations"},
            },
        ),
        [
            "models/5_audiences/audience_x.sql",
            "notice is 'deletion_notice'",
            "a last notice is a service_notice",
        ],
    ),
    "a notice that does not say what goes": (
        audience_added(
            {"notice": "deletion_notice", "message_class": "service_notice"},
            {"deletes_at": {"pii": "system.operations"}},
        ),
        ["models/5_audiences/audience_x.sql", "there is no column data_categories"],
    ),
    "an audience that stands by a model that is not there": (
        audience_added({"stands_by": "everybody"}, {}),
        ["models/5_audiences/audience_x.sql", "unknown stands_by 'everybody'"],
    ),
    "an audience that stands by a model without contacts": (
        audience_added({"stands_by": "proof_clocks"}, {}),
        ["models/5_audiences/audience_x.sql", "stands_by 'proof_clocks' has no column contact"],
    ),
    "advertising that is neither allowed nor not": (
        seed_add("policy_settings", "notice_advertising,maybe,why"),
        [f"{SETTINGS}:9", "notice_advertising", "'maybe'", "allowed: yes, no"],
    ),
    "a text for the notice that is nearly ours": (
        seed_add("policy_settings", "notice_keep_link,https://club.example.com,why"),
        [f"{SETTINGS}:9", "unknown setting 'notice_keep_link'", "notice_keep_url"],
    ),
    "an audience without a contract": (
        audience_added({}, {"mail": {"pii": "user.contact.email"}}, enforced=False),
        ["models/5_audiences/audience_x.sql", "without a contract", "{enforced: true}"],
    ),
    "an audience with a column without a tag": (
        audience_added({}, {"mail": {"pii": "user.contact.email"}, "nickname": {}}),
        ["models/5_audiences/audience_x.sql", "column nickname", "has no tag", "meta.pii"],
    ),
    "an audience with a column that is none without a reason": (
        audience_added({}, {"mail": {"pii": "user.contact.email"}, "city": {"pii": "none"}}),
        ["models/5_audiences/audience_x.sql", "column city", "is 'none'", "a reason"],
    ),
    "an audience that no proof sees": (
        unseen_audience,
        ["models/5_audiences/audience_x.sql", "no proof sees", "kigen_contributions"],
    ),
    "a list of addresses among the audiences": (
        list_of_addresses,
        ["models/5_audiences/everybody.sql", "contact column 'mail'", "message_class"],
    ),
    "an audience of no register": (
        model_added("5_audiences", "audience_x", {"register": "club.mails"}),
        ["models/5_audiences/audience_x.sql", "unknown register 'club.mails'", "club.people"],
    ),
    "a memory that has no table": (
        model_added("6_purge", "remembered_x", {"remembers": "memory.act", "mode": "append"}),
        ["models/6_purge/remembered_x.sql", "unknown remembers 'memory.act'", "memory.acts"],
    ),
    "a memory without a mode": (
        model_added("6_purge", "remembered_x", {"remembers": "memory.acts"}),
        ["models/6_purge/remembered_x.sql", "remembers is 'memory.acts'", "mode is None"],
    ),
    "a proof without a gate": (
        model_added("7_proofs", "proof_new", None),
        ["models/7_proofs/proof_new.sql", "proofs.proof_new", "before or after"],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_that_names_where_and_what(project: Project, name: str) -> None:
    break_it, named = FAULTS[name]
    break_it(project)
    (line,) = project.faults()
    for part in named:
        assert part in line


def test_audience_that_a_proof_reads_is_declared(project: Project) -> None:
    columns = {
        "mail": {"pii": "user.contact.email"},
        "wave": {"pii": "none", "reason": "A number."},
    }
    audience_added({}, columns)(project)
    project.load()


def test_a_circle_of_parents_is_told_of_each_table_in_it(project: Project) -> None:
    circle(project)
    people, visits = project.faults()
    assert "club.people -> club.visits -> club.people" in people
    assert "club.visits -> club.people -> club.visits" in visits


def test_meta_kigen_that_is_no_mapping_is_refused(project: Project) -> None:
    project.sources["source.club.club.mails"]["config"]["meta"]["kigen"] = None
    (line,) = project.faults()
    assert line.startswith(f"{YAML}: club.mails: meta.kigen is ''")


def test_every_fault_is_told_at_once(project: Project) -> None:
    column("club.people", "email", "user.mail")(project)
    key("club.mails", contact="e_mail")(project)
    seed_add("policy_purposes", "advertising,marketing,yes")(project)
    model_added("7_proofs", "proof_new", None)(project)
    assert len(project.faults()) == 4


# Periods.


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("P3Y", Period(36, 0)),
        ("P30D", Period(0, 30)),
        ("P1Y6M", Period(18, 0)),
        ("P1M10D", Period(1, 10)),
        ("P2W", Period(0, 14)),
        ("P0D", Period(0, 0)),
    ],
)
def test_a_calendar_period_is_read(text: str, period: Period) -> None:
    assert parse_period(text) == period


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "3Y",
        "P3",
        "p3y",
        "P3Y ",
        "P3Y\n",
        "P1D1Y",
        "P1Y2W",
        "PT1H",
        "P1DT1H",
        "-P1D",
        "P\uff13Y",
    ],
)
def test_what_is_no_calendar_period_is_refused_by_value(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_period(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("start", "text", "end"),
    [
        (datetime(2026, 1, 31), "P1M", datetime(2026, 2, 28)),
        (datetime(2024, 1, 31, 9, 30), "P1M", datetime(2024, 2, 29, 9, 30)),
        (datetime(2024, 2, 29), "P1Y", datetime(2025, 2, 28)),
        (datetime(2026, 11, 30), "P1M1D", datetime(2026, 12, 31)),
        (datetime(2026, 12, 31), "P2W", datetime(2027, 1, 14)),
        (datetime(2026, 1, 31), "P1M1D", datetime(2026, 3, 1)),
    ],
)
def test_adding_a_period_never_runs_past_a_months_end(
    start: datetime, text: str, end: datetime
) -> None:
    assert parse_period(text).added_to(start) == end


# The taxonomy.


def test_the_vendored_keys_are_those_of_the_fideslang_package() -> None:
    categories = {str(entry.fides_key) for entry in DEFAULT_TAXONOMY.data_category}
    uses = {str(entry.fides_key) for entry in DEFAULT_TAXONOMY.data_use}
    assert categories == fideslang_keys.DATA_CATEGORIES
    assert uses == fideslang_keys.DATA_USES


def test_limits_are_the_table_s_own_or_those_of_every_table(project: Project) -> None:
    limits = project.load().limits
    assert limits.of("club.visits") == Limit(12.5, 10, 100, 0)
    assert limits.of("club.people") == Limit(5, 500, 50, 20)
    project.nodes.pop("seed.club.policy_purge_limits")
    assert project.load().limits == Limits({})


def test_a_category_is_as_sensitive_as_its_row_or_the_next_above(project: Project) -> None:
    declared = project.load()
    assert declared.sensitivity("user.health_and_medical.genetic") == "special"
    assert declared.sensitivity("user.contact.email") == "ordinary"
    assert declared.sensitivity("system.operations") == ""
    project.nodes.pop("seed.club.policy_data_categories")
    assert project.load().sensitivity("user.health_and_medical") == ""
