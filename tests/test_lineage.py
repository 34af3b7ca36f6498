"""Lineage is read from SQL, held against DuckDB, and personal data inherits along it.

Every query below is run: DuckDB says the names of its columns, and each raw value is a marker,
so that a column in which a marker turns up has to have the marker's column among its origins.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pytest

from orchestration import lineage
from orchestration.lineage import (
    PSEUDONYMOUS,
    Kind,
    LineageError,
    inherit,
    read_lineage,
    undeclared,
)

RAW = """
create schema shop;
create table shop.members as
select
    1 as member_id, 'MKemailQ@x.example' as email, 'MKnameQ' as name, 'MKcityQ' as city,
    date '1980-02-03' as born, 17 as score, true as is_ill,
    {'mail': 'MKstructQ', 'note': {'deep': 'MKstructQ'}} as contact,
    ['MKtagsQ'] as tags, timestamp '2020-01-01' as seen_at
union all
select
    2, 'MKemailQ2', 'MKnameQ2', 'MKcityQ2', date '1990-02-03', 18, false,
    {'mail': 'MKstructQ', 'note': {'deep': 'MKstructQ'}}, ['MKtagsQ', 'MKtagsQ'], timestamp '2021-01-01';
create table shop.orders as
select 10 as order_id, 1 as member_id, 'MKmemoQ' as memo, 5 as total, timestamp '2020-06-01' as seen_at
union all select 11, 2, 'MKmemoQ2', 6, timestamp '2021-06-01';
create table shop.codes as select 1 as member_id, 'MKcodeQ' as code, 'x' as name;
"""
MARKED = {
    "MKemailQ": "members.email",
    "MKnameQ": "members.name",
    "MKcityQ": "members.city",
    "MKstructQ": "members.contact",
    "MKtagsQ": "members.tags",
    "MKmemoQ": "orders.memo",
    "MKcodeQ": "codes.code",
}
SOURCES = ("members", "orders", "codes")


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(RAW)
        yield connection


@pytest.fixture(scope="module")
def schemas(warehouse: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for table in SOURCES:
        rows = warehouse.execute(f"describe shop.{table}").fetchall()
        found[f"source.p.shop.{table}"] = {row[0]: row[1] for row in rows}
    return found


def column(**meta: Any) -> dict[str, Any]:
    return {"config": {"meta": meta}}


def source(table: str, columns: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "unique_id": f"source.p.shop.{table}",
        "resource_type": "source",
        "database": "memory",
        "schema": "shop",
        "name": table,
        "identifier": table,
        "relation_name": f'"memory"."shop"."{table}"',
        "original_file_path": "models/sources.yml",
        "columns": dict(columns or {}),
    }


def model(
    name: str, *parents: str, columns: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "unique_id": f"model.p.{name}",
        "resource_type": "model",
        "database": "memory",
        "schema": "main",
        "name": name,
        "alias": name,
        "relation_name": f'"memory"."main"."{name}"',
        "original_file_path": f"models/{name}.sql",
        "language": "sql",
        "config": {"materialized": "table"},
        "columns": dict(columns or {}),
        "depends_on": {"nodes": list(parents)},
    } | more


TAGGED = {
    "members": {
        "email": column(pii="user.contact.email"),
        "name": column(pii="user.name"),
        "city": column(pii="user.contact.address.city"),
        "member_id": column(pii="user.unique_id"),
        "score": column(pii="none"),
        "seen_at": column(pii="system.operations"),
    },
    "orders": {"memo": {"meta": {"pii": "user.content"}}},
}
PARENTS = tuple(f"source.p.shop.{table}" for table in SOURCES)


def manifest(*models: Mapping[str, Any], tagged: Mapping[str, Any] = TAGGED) -> dict[str, Any]:
    sources = [source(table, tagged.get(table)) for table in SOURCES]
    return {
        "nodes": {each["unique_id"]: dict(each) for each in models},
        "sources": {each["unique_id"]: each for each in sources},
    }


def flows(
    sql: str, schemas: Mapping[str, Mapping[str, str]], own: Mapping[str, str] | None = None
) -> dict[str, dict[str, set[str]]]:
    """Return the kinds of each origin of each column of a query."""
    project = manifest(model("m", *PARENTS))
    known = {**schemas, "model.p.m": own} if own is not None else schemas
    read = read_lineage(project, {"model.p.m": sql}, known)["model.p.m"]
    found: dict[str, dict[str, set[str]]] = {name: {} for name in read.columns}
    for edge in read.edges:
        name = f"{edge.parent.split('.')[-1]}.{edge.parent_column}"
        found[edge.column].setdefault(name, set()).add(str(edge.kind))
    return found


# What each column comes from, by hand; a kind after a colon is held, too. `members.` is left out.
ALL = {
    **{name: name for name in ("member_id", "email", "name", "city", "born", "score", "is_ill")},
    **{name: name for name in ("contact", "tags", "seen_at")},
}
ORDERS = {name: f"orders.{name}" for name in ("order_id", "memo", "total")}


def but(*names: str, **changed: str) -> dict[str, str]:
    return {name: what for name, what in ALL.items() if name not in names} | changed


CASES: dict[str, tuple[str, dict[str, str]]] = {
    # Names and simple values.
    "a column": ("select email from shop.members", {"email": "email:identity"}),
    "a rename": ("select email as e from shop.members", {"e": "email:rename"}),
    "case of names": (
        'select EMAIL as E, "Name" from Shop.Members',
        {"e": "email", "name": "name"},
    ),
    "a full name": ('select m.email from "memory"."shop"."members" as m', {"email": "email"}),
    "a table's full name before a column": (
        "select shop.members.email, members.name from shop.members",
        {"email": "email", "name": "name"},
    ),
    "a cast": (
        "select email::varchar as e, try_cast(born as varchar) as b from shop.members",
        {"e": "email:cast", "b": "born:cast"},
    ),
    "functions of text": (
        "select trim(lower(email)) as a, replace(name, 'x', 'y') as b, email || city as c, "
        "concat_ws(' ', name, city) as d, format('{}', email) as e, printf('%s', name) as f "
        "from shop.members",
        {
            "a": "email:expression",
            "b": "name",
            "c": "email city",
            "d": "name city",
            "e": "email",
            "f": "name",
        },
    ),
    "coalesce and nullif": (
        "select coalesce(email, name) as a, nullif(email, name) as b, ifnull(city, name) as c "
        "from shop.members",
        {"a": "email name", "b": "email", "c": "city name"},
    ),
    "length, sum, avg and round inherit": (
        "select length(email) as a, sum(score) as b, avg(score) as c, round(avg(score)) as d "
        "from shop.members group by email",
        {"a": "email", "b": "score:aggregate", "c": "score", "d": "score:coarsen"},
    ),
    "a constant": (
        "select 'MKx' as a, 1 as b, null as c, current_date as d from shop.members",
        {"a": "", "b": "", "c": "", "d": ""},
    ),
    "dates": (
        "select date_trunc('month', born) as a, extract(year from born) as b, year(born) as c, "
        "date_part('year', born) as d, date_diff('day', born, seen_at) as e, strftime(born, '%Y') as f, "
        "born + interval 1 day as g, seen_at at time zone 'UTC' as h from shop.members",
        {
            "a": "born:coarsen",
            "b": "born:coarsen",
            "c": "born:coarsen",
            "d": "born:coarsen",
            "e": "born seen_at",
            "f": "born",
            "g": "born",
            "h": "seen_at",
        },
    ),
    "cut text": (
        "select left(email, 2) as a, substring(email from 1 for 2) as b, email[1:2] as c "
        "from shop.members",
        {"a": "email:coarsen", "b": "email:coarsen", "c": "email:coarsen"},
    ),
    "functions by dots": (
        "select email.lower().trim() as a, m.name.upper() as b, email.sha256() as c, "
        "tags.list_transform(x -> m.name) as d, (city || 'x').upper() as e from shop.members as m",
        {"a": "email:expression", "b": "name", "c": "email:hash", "d": "name", "e": "city"},
    ),
    "collate, greatest, least": (
        "select email collate nocase as a, greatest(email, name) as b, least(city, name) as c "
        "from shop.members",
        {"a": "email", "b": "email name", "c": "city name"},
    ),
    # Hashes.
    "hashes": (
        "select sha256(email) as a, md5(email) as b, sha1(email) as c, hash(email, name) as d, "
        "md5_number(email) as e from shop.members",
        {
            "a": "email:hash",
            "b": "email:hash",
            "c": "email:hash",
            "d": "email:hash name:hash",
            "e": "email:hash",
        },
    ),
    "nested hash with a pad": (
        "select sha256('pad' || sha256(concat('pad', lower(trim(email))))) as a from shop.members",
        {"a": "email:hash"},
    ),
    "a hash cut and cast": (
        "select left(cast(sha256(email) as varchar), 8) as a, upper(md5(name)) as b "
        "from shop.members",
        {"a": "email:hash", "b": "name:hash"},
    ),
    "a hash beside the value": (
        "select coalesce(sha256(email), email) as a, sha256(email) || name as b from shop.members",
        {"a": "email:hash,rename", "b": "email:hash name:expression"},
    ),
    "a hash in a lambda": (
        "select list_transform([email], x -> sha256(x)) as a from shop.members",
        {"a": "email:hash"},
    ),
    "a hash over an aggregate, and an aggregate over hashes": (
        "select sha256(string_agg(email, ',' order by name)) as a, max(sha256(email)) as b "
        "from shop.members",
        {"a": "email:hash", "b": "email:hash"},
    ),
    # What does not flow.
    "counts": (
        "select count(*) as a, count(email) as b, count(distinct email) as c, "
        "approx_count_distinct(email) as d, count_if(email like 'x') as e, count() as f "
        "from shop.members",
        {"a": "", "b": "", "c": "", "d": "", "e": "", "f": ""},
    ),
    "null tests": (
        "select email is null as a, email is not null as b, email isnull as c from shop.members",
        {"a": "", "b": "", "c": ""},
    ),
    "comparisons": (
        "select email = name as a, email like '%x' as b, email in ('a') as c, score > 3 as d, "
        "born between seen_at and seen_at as e, email is distinct from name as f, not email ilike 'x' as g, "
        "regexp_matches(email, 'x') as h, starts_with(email, 'x') as i, contains(email, 'x') as j, "
        "email ~ 'x' as k, email similar to 'x' as l, email glob 'x' as m, suffix(email, 'x') as n, "
        "email = any(select memo from shop.orders) as o from shop.members",
        dict.fromkeys("abcdefghijklmno", ""),
    ),
    "exists and in": (
        "select exists (select 1 from shop.orders as o where o.member_id = m.member_id) as a, "
        "email in (select memo from shop.orders) as b, not exists (from shop.orders) as c, "
        "(email, name) in (select memo, memo from shop.orders) as d, list_contains(tags, email) as e "
        "from shop.members as m",
        dict.fromkeys("abcde", ""),
    ),
    "a boolean is a value": (
        "select not is_ill as a, is_ill and score > 1 as b, is_ill is true as c, is_ill = true as d, "
        "true = is_ill as e, is_ill is not false as f, (email = 'x') is true as g from shop.members",
        {**dict.fromkeys("abcdef", "is_ill"), "g": ""},
    ),
    "a boolean that chooses among constants": (
        "select case when is_ill then 'y' else 'n' end as a, if(is_ill, 1, 0) as b, "
        "case is_ill when true then 1 end as c, case when not is_ill and score > 1 then 1 end as d, "
        "case when is_ill then name end as e, if(score > 1, 1, 0) as f, case score when 1 then 2 end "
        "as g from shop.members",
        {**dict.fromkeys("abc", "is_ill:expression"), "d": "is_ill", "e": "name", "f": "", "g": ""},
    ),
    "ranks": (
        "select row_number() over (order by email) as a, rank() over (partition by email "
        "order by name) as b, dense_rank() over w as c, ntile(4) over w as d, percent_rank() over w "
        "as e, cume_dist() over w as f from shop.members window w as (order by email)",
        dict.fromkeys("abcdef", ""),
    ),
    "windows": (
        "select sum(score) over (partition by email order by name) as a, "
        "lag(email, 1, name) over (order by city) as b, first_value(email) over w as c, "
        "max(name) filter (where city like 'x') over w as d, lead(email) over w as e, "
        "nth_value(email, 2) over w as f "
        "from shop.members window w as (partition by city order by born)",
        {"a": "score", "b": "email name", "c": "email", "d": "name", "e": "email", "f": "email"},
    ),
    "filters and orders of aggregates": (
        "select sum(score) filter (where email like 'x') as a, string_agg(name, ',' order by email) "
        "as b, list(distinct city order by city) as c, array_agg(name order by email desc) as d "
        "from shop.members",
        {"a": "score", "b": "name", "c": "city", "d": "name"},
    ),
    "the first argument of arg_min and its like": (
        "select arg_min(email, name) as a, arg_max(name, born) as b, max_by(city, seen_at) as c, "
        "min_by(city, email) as d, first(email order by name) as e, last(name order by email) as f, "
        "any_value(city) as g, arg_min_null(email, name) as h from shop.members",
        {
            "a": "email",
            "b": "name",
            "c": "city",
            "d": "city",
            "e": "email",
            "f": "name",
            "g": "city",
            "h": "email",
        },
    ),
    "within group": (
        "select percentile_cont(0.5) within group (order by score) as a, mode(city) as b, "
        "median(score) as c, histogram(city) as d from shop.members",
        {"a": "score", "b": "city", "c": "score", "d": "city"},
    ),
    "case": (
        "select case when email like 'x' then name else city end as a, case email when name then 1 "
        "else 2 end as b, if(email = 'x', name, 'n') as c, case when score > 1 then null end as d "
        "from shop.members",
        {"a": "name city", "b": "", "c": "name", "d": ""},
    ),
    "where, group, having, qualify, order, limit": (
        "select city, count(*) as n from shop.members where email like '%' group by city, name "
        "having max(email) > 'A' qualify row_number() over (order by max(born)) < 9 "
        "order by max(email) limit 9",
        {"city": "city", "n": ""},
    ),
    "distinct on": (
        "select distinct on (email) name from shop.members order by email, born",
        {"name": "name"},
    ),
    "group by all and by position": (
        "select city, max(email) as e from shop.members group by all order by all",
        {"city": "city", "e": "email:aggregate"},
    ),
    "grouping sets": (
        "select city, name, grouping(city) as g from shop.members group by grouping sets "
        "((city), (name), ())",
        {"city": "city", "name": "name", "g": ""},
    ),
    # Aliases of the same select.
    "an alias is used again": (
        "select lower(email) as e, upper(e) as u, u || name as v from shop.members",
        {"e": "email", "u": "email", "v": "email name"},
    ),
    "a column comes before an alias": (
        "select name as email, upper(email) as u from shop.members",
        {"email": "name", "u": "email"},
    ),
    "an alias in where and group": (
        "select lower(email) as e, count(*) as n from shop.members where e like '%' group by e",
        {"e": "email", "n": ""},
    ),
    "an alias before the value": (
        "select e: email, n: lower(name) from shop.members",
        {"e": "email", "n": "name"},
    ),
    "a column by its number": ("select #2 as e from shop.members", {"e": "email"}),
    # Stars.
    "a star": ("select * from shop.members", ALL),
    "bare from": ("from shop.members", ALL),
    "bare table": ("table shop.members", ALL),
    "from first": ("from shop.members select email, name as n", {"email": "email", "n": "name"}),
    "exclude": ("select * exclude (email, name) from shop.members", but("email", "name")),
    "replace": ("select * replace (lower(name) as email) from shop.members", but(email="name")),
    "rename": ("select * rename (email as e) from shop.members", but("email", e="email")),
    "exclude, replace and rename": (
        "select * exclude (city) replace (sha256(email) as email) rename (name as n) "
        "from shop.members",
        but("city", "name", email="email:hash", n="name"),
    ),
    "a star of one table": (
        "select o.*, m.email from shop.members as m join shop.orders as o using (member_id)",
        {**ORDERS, "member_id": "orders.member_id", "seen_at": "orders.seen_at", "email": "email"},
    ),
    "exclude of a table's column": (
        "select * exclude (o.member_id, o.seen_at) from shop.members as m, shop.orders as o",
        {**ALL, **ORDERS},
    ),
    "a star like": ("select * like 'e%' from shop.members", {"email": "email"}),
    "a star not like": (
        "select * not like '%e%' from shop.members",
        {n: n for n in ("city", "born", "is_ill", "contact", "tags")},
    ),
    "a star similar to and glob": (
        "select * similar to 'm', * glob 'ci*' from shop.members",
        {name: name for name in ("member_id", "email", "name", "city")},
    ),
    "a star not similar to": (
        "select * not similar to '.*[eoc].*' from shop.members",
        {"is_ill": "is_ill", "tags": "tags"},
    ),
    "a star not similar to the whole name": (
        "select * not similar to 'e.*|c' from shop.members",
        but("email"),
    ),
    "columns by a pattern": (
        "select columns('^(e|n)a?m'), columns(['city', 'tags']) from shop.members",
        {"email": "email", "name": "name", "city": "city", "tags": "tags"},
    ),
    "columns in a function": (
        "select max(columns('email|name')), min(columns(* exclude (contact, tags, name, email))) "
        "from shop.members",
        {
            "email": "email",
            "name": "name",
            **{n: n for n in ("member_id", "city", "born")},
            "score": "score",
            "is_ill": "is_ill",
            "seen_at": "seen_at",
        },
    ),
    "columns with an alias": (
        "select columns('(em)ail|na(m)e') as 'x_\\0' from shop.members",
        {"x_email": "email", "x_name": "name"},
    ),
    "columns by a lambda": (
        "select columns(c -> c like 'e%') from shop.members",
        {"email": "email"},
    ),
    "columns by other tests of their names": (
        "select columns(c -> c in ('email', 'name')), columns(lambda c: starts_with(c, 'ci') or "
        "c = 'born' or ends_with(c, '_at') and not (contains(c, 'x'))) from shop.members",
        {n: n for n in ("email", "name", "city", "born", "seen_at")},
    ),
    "columns by tests that exclude": (
        "select columns(c -> c not in ('email', 'name') and c <> 'contact' and "
        "regexp_matches(c, '^(e|n|con|t)')) from shop.members",
        {"tags": "tags"},
    ),
    "columns unpacked": (
        "select coalesce(*columns('email|name')) as a from shop.members",
        {"a": "email name"},
    ),
    "a star in a function": (
        "select hash(columns(*)) from (select email, name from shop.members)",
        {"email": "email:hash", "name": "name:hash"},
    ),
    # The same name twice.
    "a second column of a name": (
        "select * from (select email, name as email, city as email_1 from shop.members) as t",
        {"email": "email", "email_1": "name", "email_1_1": "city"},
    ),
    "a second column of a name in a cte": (
        "with t as (select m.*, c.* from shop.members as m, shop.codes as c) select name_1, name, "
        "code from t",
        {"name_1": "codes.name", "name": "name", "code": "codes.code"},
    ),
    "a second column of a name, by the name it is given": (
        "select t.email_1 as a, u.email_1 as b from (select email, name as email from shop.members) as t, "
        "lateral (select t.email as email, 'x' || t.email_1 as email) as u",
        {"a": "name", "b": "name"},
    ),
    # CTEs.
    "a cte of the name it reads": (
        "with t as (select email as v from shop.members), u as (with t as (select v || 'x' as v, 1 as w "
        "from t) select v, w from t) select v, w from u",
        {"v": "email", "w": ""},
    ),
    "ctes in a chain": (
        "with a as (from shop.members), b as (select lower(email) as e, * from a), "
        "c as materialized (select e as f, name from b) select f, name from c",
        {"f": "email", "name": "name"},
    ),
    "a cte with names": (
        "with t(a, b) as (select email, name from shop.members) select b, a from t",
        {"b": "name", "a": "email"},
    ),
    "a cte in a cte": (
        "with a as (with b as (select email as x from shop.members) select x as y from b) from a",
        {"y": "email"},
    ),
    "a cte hides an outer one": (
        "with t as (select email as v from shop.members) select (with t as (select name as v from "
        "shop.members) select max(v) from t) as a, v from t",
        {"a": "name", "v": "email"},
    ),
    "a cte with the name of a table": (
        "with members as (select name as email from shop.members) select email from members",
        {"email": "name"},
    ),
    "a recursive cte": (
        "with recursive r(n, path) as (select member_id, name from shop.members union all "
        "select r.n + 10, r.path || o.memo from r join shop.orders as o on true where r.n < 5) "
        "select n, path from r",
        {"n": "member_id", "path": "name orders.memo"},
    ),
    "a recursive cte that swaps": (
        "with recursive r(i, a, b, c) as (select 1, email, name, city from shop.members union all "
        "select i + 1, b, c, a from r where i < 5) select a, b, c from r",
        dict.fromkeys("abc", "email name city"),
    ),
    # Unions.
    "a union by position": (
        "select email, name from shop.members union all select memo, 'x' from shop.orders",
        {"email": "email orders.memo", "name": "name"},
    ),
    "a union by name": (
        "select email, name from shop.members union all by name select memo as name, memo as z "
        "from shop.orders",
        {"email": "email", "name": "name orders.memo", "z": "orders.memo"},
    ),
    "except and intersect": (
        "select email from shop.members except select memo from shop.orders "
        "union all (select name from shop.members intersect select memo from shop.orders)",
        {"email": "email name"},
    ),
    "a union in a subquery, ordered": (
        "select u.v as w from (select email as v from shop.members union select name "
        "from shop.members order by 1 limit 3) as u",
        {"w": "email name"},
    ),
    # Joins.
    "a join": (
        "select m.email, o.memo from shop.members as m left join shop.orders as o "
        "on o.member_id = m.member_id and o.memo <> m.name",
        {"email": "email", "memo": "orders.memo"},
    ),
    "using": (
        "select * exclude (seen_at) from (select member_id, email from shop.members) as m "
        "join shop.orders as o using (member_id)",
        {"member_id": "member_id", "email": "email", **ORDERS},
    ),
    "using, right": (
        "select member_id from shop.members right join shop.orders using (member_id)",
        {"member_id": "orders.member_id"},
    ),
    "using, full": (
        "select member_id, orders.member_id as o from shop.members full join shop.orders "
        "using (member_id)",
        {"member_id": "member_id orders.member_id", "o": "orders.member_id"},
    ),
    "using, twice": (
        "select * from (select member_id, email from shop.members) as a left join (select member_id, "
        "memo from shop.orders) as b using (member_id) left join (select member_id, code from "
        "shop.codes) as c using (member_id)",
        {"member_id": "member_id", "email": "email", "memo": "orders.memo", "code": "codes.code"},
    ),
    "using, and a third table of the same name": (
        "select * from (select member_id, email from shop.members) as a join (select member_id, memo "
        "from shop.orders) as b using (member_id), (select city as member_id from shop.members) as c",
        {"member_id": "member_id", "email": "email", "memo": "orders.memo", "member_id_1": "city"},
    ),
    "using after another table of the same name": (
        "select * from (select city as member_id from shop.members) as c cross join (select "
        "member_id as k, memo from shop.orders) as b full join (select memo, order_id from "
        "shop.orders) as a using (memo)",
        {
            "member_id": "city",
            "k": "orders.member_id",
            "memo": "orders.memo",
            "order_id": "orders.order_id",
        },
    ),
    "using of a right join in a star": (
        "select * from (select member_id, email from shop.members) as a right join (select memo as "
        "member_id, total from shop.orders) as b on true right join (select name as email, born "
        "from shop.members) as c using (email)",
        {
            "member_id": "member_id",
            "email": "name",
            "member_id_1": "orders.memo",
            "total": "orders.total",
            "born": "born",
        },
    ),
    "natural": (
        "from (select member_id, email from shop.members) as a natural join "
        "(select member_id, memo from shop.orders) as b",
        {"member_id": "member_id", "email": "email", "memo": "orders.memo"},
    ),
    "semi and anti": (
        "select * from (select member_id, email from shop.members) as m semi join shop.orders as o "
        "using (member_id) anti join shop.orders as p on p.memo = m.email",
        {"member_id": "member_id", "email": "email"},
    ),
    "asof": (
        "select m.email, o.memo from shop.orders as o asof join shop.members as m "
        "on o.member_id = m.member_id and o.seen_at >= m.seen_at",
        {"email": "email", "memo": "orders.memo"},
    ),
    "positional and cross": (
        "select email, memo, code from shop.members positional join shop.orders "
        "cross join shop.codes",
        {"email": "email", "memo": "orders.memo", "code": "codes.code"},
    ),
    "a join in brackets": (
        "select m.email, o.memo, c.code from (shop.members as m join shop.orders as o "
        "using (member_id)) left join shop.codes as c on c.member_id = m.member_id",
        {"email": "email", "memo": "orders.memo", "code": "codes.code"},
    ),
    "a table with names": (
        "select a, b, name from shop.members as t(a, b)",
        {"a": "member_id", "b": "email", "name": "name"},
    ),
    "a sample": ("select email from shop.members tablesample 100%", {"email": "email"}),
    # Subqueries.
    "a scalar subquery": (
        "select (select max(email) from shop.members) as a, order_id from shop.orders",
        {"a": "email", "order_id": "orders.order_id"},
    ),
    "a correlated subquery": (
        "select o.order_id, (select m.email || o.memo from shop.members as m where m.member_id = "
        "o.member_id) as a, (select o.memo) as b from shop.orders as o",
        {"order_id": "orders.order_id", "a": "email orders.memo", "b": "orders.memo"},
    ),
    "the inner name wins": (
        "select (select max(name) from shop.codes) as a, (select max(email) from shop.codes) as b "
        "from shop.members",
        {"a": "codes.name", "b": "email"},
    ),
    "an array of a subquery": (
        "select array(select email from shop.members) as a, [x for x in tags if x <> name] as b, "
        "[lower(x) || city for x in tags] as c from shop.members",
        {"a": "email", "b": "tags", "c": "tags city"},
    ),
    "lateral": (
        "select l.a, k.b from shop.members as m, lateral (select m.email as a) as l, "
        "(select m.name || l.a as b) as k",
        {"a": "email", "b": "name email"},
    ),
    "left join lateral": (
        "select m.email, x.memo from shop.members as m left join lateral (select o.memo from "
        "shop.orders as o where o.member_id = m.member_id limit 1) as x on true",
        {"email": "email", "memo": "orders.memo"},
    ),
    # Structs, lists, rows.
    "a struct is read by its field": (
        "with t as (select {'a': email, 'b': {'c': name}} as s, struct_pack(x := city) as p "
        "from shop.members) select s.a, t.s.b.c as c, s['b']['c'] as d, s as e, p.x, "
        "struct_extract(s, 'a') as g, (s).b as h from t",
        {
            "a": "email",
            "c": "name",
            "d": "name",
            "e": "email name",
            "x": "city",
            "g": "email",
            "h": "name",
        },
    ),
    "a column's field": (
        "select contact.mail, m.contact.note.deep as d, contact['mail'] as e from shop.members as m",
        {"mail": "contact:expression", "d": "contact", "e": "contact"},
    ),
    "a struct's star and unnest": (
        "select contact.*, unnest({'k': email, 'l': 1}) from shop.members",
        {"mail": "contact", "note": "contact", "k": "email", "l": ""},
    ),
    "lists": (
        "select [email, name] as a, list_value(city) as b, [email, name][1] as c, "
        "list_aggregate(tags, 'max') as d, list_concat(tags, [city]) as e, tags[1] as f, "
        "len(tags) as g from shop.members",
        {
            "a": "email name",
            "b": "city",
            "c": "email name",
            "d": "tags",
            "e": "tags city",
            "f": "tags",
            "g": "tags",
        },
    ),
    "maps, json and rows": (
        "select map {'k': email} as a, map([name], [city]) as b, to_json({'a': email}) ->> '$.a' as c, "
        "row(email, name)::varchar as d, json_object('k', name) as e from shop.members",
        {"a": "email", "b": "name city", "c": "email", "d": "email name", "e": "name"},
    ),
    "a map with personal keys": (
        "select map {email: name} as a, map {lower(city): 1} as b, map_keys(map {name: 1}) as c, "
        "{email: city} as d from shop.members",
        {"a": "email name", "b": "city", "c": "name", "d": "city"},
    ),
    "a list of structs": (
        "with t as (select list({'e': email, 'n': name}) as l from shop.members), "
        "u as (select unnest(l) as s from t) select s.e, s.n, (select l[1].n from t) as f from u",
        {"e": "email", "n": "name", "f": "name"},
    ),
    "a struct by arg_max": (
        "with t as (select arg_max({'e': email, 'c': city}, born) as best from shop.members) "
        "select best.e, best.c from t",
        {"e": "email", "c": "city"},
    ),
    "a row as a value": (
        "with t as (select email, city from shop.members) select t as r, t.email as e, to_json(t) as j "
        "from t",
        {"r": "email city", "e": "email", "j": "email city"},
    ),
    "the row of a table of one name": (
        "with source as (select email from shop.members) select source.email, count(source) as n "
        "from source group by all",
        {"email": "email", "n": ""},
    ),
    "lambdas": (
        "select list_transform(tags, x -> x || name) as a, list_filter(tags, x -> x > email) as b, "
        "list_transform(tags, lambda x: city) as c, list_reduce(tags, (x, y) -> x || y || name) as d, "
        "list_transform(tags, x -> 1) as e, list_apply(tags, email -> email) as f from shop.members",
        {"a": "tags name", "b": "tags", "c": "city", "d": "tags name", "e": "", "f": "tags"},
    ),
    "nested lambdas": (
        "select list_transform([tags], x -> list_transform(x, y -> y || name || x[1])) as a "
        "from shop.members",
        {"a": "tags name"},
    ),
    # Tables made of values.
    "unnest": (
        "select m.name, u.t, unnest(m.tags) as v from shop.members as m, unnest(m.tags) as u(t)",
        {"name": "name", "t": "tags", "v": "tags"},
    ),
    "unnest of structs, all the way": (
        "select u.n, v.s.x from shop.members as m, (select unnest([{'n': m.name}], recursive := true)) "
        "as u, unnest([{'x': m.city}]) as v(s)",
        {"n": "name", "x": "city"},
    ),
    "unnest of structs in a struct": (
        "select unnest(contact, recursive := true), unnest([{'a': {'b': name}, 'c': [city]}], "
        "recursive := true) from shop.members",
        {"mail": "contact", "deep": "contact", "b": "name", "c": "city"},
    ),
    "unnest to a depth": (
        "select unnest(contact, max_depth := 1), unnest([{'n': name}], max_depth := 2), "
        "unnest([{'m': city}], max_depth := 1) as s, unnest([{'k': city}], recursive := false) as r "
        "from shop.members",
        {"mail": "contact", "note": "contact", "n": "name", "s": "city", "r": "city"},
    ),
    "a summary": (
        "select column_name, count, min, q50 from (summarize select email, name from shop.members)",
        {
            "column_name": "",
            "count": "",
            "min": "email:aggregate name:aggregate",
            "q50": "email name",
        },
    ),
    "unnest with its number": (
        "select t, ordinality from shop.members as m, unnest(m.tags) with ordinality as u(t, ordinality)",
        {"t": "tags", "ordinality": ""},
    ),
    "values": (
        "select v.a, v.b, col1 from (values (1, 'x'), (2, 'y')) as v(a, b), (values (3, 'z'))",
        {"a": "", "b": "", "col1": ""},
    ),
    "values of columns": (
        "select k, v from shop.members as m, lateral (values ('e', m.email), ('n', m.name)) as t(k, v)",
        {"k": "", "v": "email name"},
    ),
    "series": (
        "select r.range, g, i from range(2) as r, generate_series(1, 2) as g(g), "
        "unnest(range(2)) as t(i)",
        {"range": "", "g": "", "i": ""},
    ),
    "a series to a personal number": (
        "select n from shop.members as m, range(m.score) as r(n)",
        {"n": "score"},
    ),
    "tables of the system": (
        "select c.table_name, d.column_name from information_schema.tables as c, "
        "duckdb_columns() as d",
        {"table_name": "", "column_name": ""},
    ),
    "each key of a json": (
        "select j.key, j.value from shop.members as m, json_each(to_json(m.contact)) as j",
        {"key": "contact", "value": "contact"},
    ),
    # Pivots.
    "pivot": (
        "from (pivot (select member_id, city, name from shop.members) on city in ('u', 'v') "
        "using max(name) group by member_id)",
        {"member_id": "member_id", "u": "name", "v": "name"},
    ),
    "pivot with several values": (
        "pivot (select member_id, city, name, email from shop.members) on city in ('u', 'v') "
        "using max(name) as n, count(email) as c",
        {"member_id": "member_id", "u_n": "name", "u_c": "", "v_n": "name", "v_c": ""},
    ),
    "pivot of the standard": (
        "select * from (select member_id, city, name from shop.members) pivot (max(name) for city "
        "in ('u', 'v'))",
        {"member_id": "member_id", "u": "name", "v": "name"},
    ),
    "pivots with a name": (
        "select p.u, q.w from (select member_id, city, name from shop.members) pivot (max(name) for "
        "city in ('u')) as p, (select city, email, member_id from shop.members) pivot (max(email) for "
        "city in ('w')) as q",
        {"u": "name", "w": "email"},
    ),
    "unpivot": (
        "unpivot (select member_id, email, name from shop.members) on email, name into name k value v",
        {"member_id": "member_id", "k": "", "v": "email name"},
    ),
    "unpivot of the standard": (
        "select * from (select member_id, email, name from shop.members) as m unpivot "
        "(v for k in (email, name))",
        {"member_id": "member_id", "k": "", "v": "email name"},
    ),
    "unpivot of columns": (
        "unpivot (select member_id, email, name from shop.members) on columns(* exclude (member_id)) "
        "into name k value v",
        {"member_id": "member_id", "k": "", "v": "email name"},
    ),
    "a struct through what keeps its fields": (
        "with t as (select {'e': email, 'n': name} as s, score from shop.members) select "
        "max(s).e as a, min(s).e as b, first(s).e as c, last(s).e as d, any_value(s).e as f, "
        "(max(s) filter (where score > 0)).e as g, (list(distinct s)[1]).e as h, [max(s)][1].e as i, "
        "(list_filter(list(s), x -> x.n > 'A')[1]).e as j, (arg_min_null(s, score)).e as k, "
        "arbitrary(s).e as l, coalesce(max(s), min(s)).e as m from t",
        dict.fromkeys("abcdfghijklm", "email"),
    ),
    "a struct through windows": (
        "with t as (select {'e': email, 'n': name} as s, score from shop.members) select "
        "(first_value(s) over w).e as a, (last_value(s) over w).e as b, (nth_value(s, 1) over w).e "
        "as c, (lag(s) over w).e as d, (lead(s, 1, s) over w).e as f, "
        "(first_value(s ignore nulls) over w).e as g, (last_value(s respect nulls) over w).e as h "
        "from t window w as (order by score)",
        dict.fromkeys("abcdfgh", "email"),
    ),
    "more of what does not flow": (
        "select count_if(is_ill) as a, regr_count(score, score) as b, grouping_id(city) as c, "
        "bool_or(email like 'x') as d, isnan(max(score)::double) as e, isinf(max(score)::double) as f, "
        "isfinite(max(score)::double) as g, ends_with(max(email), 'x') as h, prefix(max(email), 'x') "
        "as i, array_has_any(max(tags), ['x']) as j, list_has_all(max(tags), ['x']) as k, "
        "json_valid(max(email)) as l, json_exists('{}', max(email)) as m, json_contains('[]', "
        "to_json(max(email))) as n, map_contains(map {'x': 1}, max(email)) as o, like_escape(max(email), "
        "'x', '!') as p, not_like_escape(max(email), 'x', '!') as q, ilike_escape(max(email), 'x', '!') "
        "as r, not_ilike_escape(max(email), 'x', '!') as s, map_contains_value(map {1: max(email)}, "
        "'x') as t, map_contains_entry(map {1: max(email)}, 1, 'x') as u, signbit(max(score)::double) "
        "as v from shop.members group by city",
        dict.fromkeys("abcdefghijklmnopqrstuv", ""),
    ),
    "ranks by an order of their own": (
        "select row_number(order by email) over () as a, rank(order by email) over () as b, "
        "percent_rank(order by email) over () as c, cume_dist(order by email) over () as d, "
        "ntile(score order by email) over () as e, dense_rank() over (order by email) as f "
        "from shop.members",
        dict.fromkeys("abcdef", ""),
    ),
    "aggregates by name": (
        "select mean(score) as a, product(score) as b, mad(score) as c, fsum(score) as d, "
        "favg(score) as e, histogram(city) as f, datepart('year', max(born)) as g, "
        "arg_max_null(city, email) as h, arg_max_nulls_last(city, email) as i, "
        "arg_min_nulls_last(city, email) as j, sum(score) as k from shop.members",
        {
            **dict.fromkeys("abcdek", "score:aggregate"),
            "f": "city:aggregate",
            "g": "born:coarsen",
            **dict.fromkeys("hij", "city:aggregate"),
        },
    ),
    "more hashes": (
        "select md5_number_lower(email) as a, md5_number_upper(email) as b from shop.members",
        {"a": "email:hash", "b": "email:hash"},
    ),
    # What dbt and its packages write.
    "a surrogate key": (
        "select md5(cast(coalesce(cast(email as TEXT), '_dbt_utils_surrogate_key_null_') || '-' || "
        "coalesce(cast(city as TEXT), '_dbt_utils_surrogate_key_null_') as TEXT)) as k "
        "from shop.members",
        {"k": "email:hash city:hash"},
    ),
    "a contract": (
        "select email, n from (select name as n, email from shop.members) as model_subq",
        {"email": "email", "n": "name"},
    ),
    "a pair of ctes and a union": (
        "with a as (select email as v from shop.members), b as (select memo from shop.orders) "
        "select v from a union all (with c as (select name from shop.members) select * from c) "
        "union all select * from b order by v",
        {"v": "email name orders.memo"},
    ),
    "comments": (
        "-- secret; select\nselect /* name */ email -- city\nfrom shop.members; -- end",
        {"email": "email"},
    ),
    # What hides a name, or does not.
    "a table of the system hides no outer name": (
        "select l.e from shop.members as m, lateral (select email as e from "
        "duckdb_schemas() limit 1) as l",
        {"e": "email"},
    ),
    "a table of the system hides no name beside it": (
        "select email, max(c.column_name) as n from shop.members, duckdb_columns() as c group by all",
        {"email": "email", "n": ""},
    ),
    "a lambda's parameter hides a column": (
        "select list_transform(['x'], email -> email || name) as a from shop.members",
        {"a": "name"},
    ),
    "a table's alias before a struct": (
        "select contact.email as a from shop.members as contact",
        {"a": "email"},
    ),
    "names of a subquery": (
        "select t.a, b from (select email, name from shop.members) as t(a, b)",
        {"a": "email", "b": "name"},
    ),
    "an alias in text, and without as": (
        "select email as 'my mail', name n from shop.members",
        {"my mail": "email", "n": "name"},
    ),
    "a cte that is correlated": (
        "select l.v from shop.members as m, lateral (with t as (select m.email as v) select v from t) "
        "as l",
        {"v": "email"},
    ),
    "two levels out": (
        "select (select max(x.v) from (select m.email || o.memo as v from shop.orders as o) as x) as a "
        "from shop.members as m",
        {"a": "email orders.memo"},
    ),
    "a struct in a union": (
        "with t as (select {'a': email, 'b': 'x'} as s from shop.members union all "
        "select {'a': 'x', 'b': name} from shop.members) select s.a, s.b from t",
        {"a": "email", "b": "name"},
    ),
    "a window by a name of another": (
        "select max(email) over (w order by name) as a from shop.members "
        "window w as (partition by city)",
        {"a": "email"},
    ),
    "having and qualify by an alias": (
        "select city as c, max(email) as m from shop.members group by c having m > 'A' "
        "qualify rank() over (order by m) < 9",
        {"c": "city", "m": "email"},
    ),
    "a cast to a struct": (
        "select cast({'a': email} as struct(a varchar)).a as x, email::json as j "
        "from (select '1' as email, * exclude (email) from shop.members)",
        {"x": "", "j": ""},
    ),
    "exclude in text and without brackets": (
        "select * exclude ('email'), from shop.members",
        but("email"),
    ),
    "unpack and a list of columns": (
        "select concat_ws(',', *columns(['email', 'city'])) as a from shop.members",
        {"a": "email city"},
    ),
    "the same expression of columns twice": (
        "select columns('email|name') || columns('email|name') from shop.members",
        {"email": "email", "name": "name"},
    ),
    "replace in a table's star": (
        "select m.* replace (sha256(m.email) as email) from shop.members as m",
        but(email="email:hash"),
    ),
    # Columns without a name of their own.
    "no alias": (
        "select lower(email), count(*), (name), contact.mail, email::varchar from shop.members "
        "group by all",
        {
            "lower(email)": "email",
            "count_star()": "",
            "name": "name",
            "mail": "contact",
            "CAST(email AS VARCHAR)".lower(): "email",
        },
    ),
    "a second column of a name in the end": (
        "select email, name as email from shop.members",
        {"email": "email", "email_1": "name"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_columns_come_from_what_they_are_made_of(
    case: str, warehouse: duckdb.DuckDBPyConnection, schemas: dict[str, dict[str, str]]
) -> None:
    sql, expected = CASES[case]
    warehouse.execute(f"create or replace temp table result as {sql}")
    described = warehouse.execute("describe result").fetchall()
    read = flows(sql, schemas, {row[0]: row[1] for row in described})

    # DuckDB's names, in DuckDB's order.
    assert list(read) == [row[0].lower() for row in described]
    # By hand.
    assert {name: set(origins) for name, origins in read.items()} == {
        name: {_full(word.split(":")[0]) for word in words.split()}
        for name, words in expected.items()
    }
    for name, words in expected.items():
        for word in words.split():
            origin, _, kinds = word.partition(":")
            if kinds:
                assert read[name][_full(origin)] == set(kinds.split(",")), name
    # No marker in a column that does not have it among its origins.
    rows = warehouse.execute("from result").fetchall()
    for position, name in enumerate(read):
        text = repr([row[position] for row in rows])
        seen = {origin for marker, origin in MARKED.items() if marker in text}
        assert seen <= set(read[name]), name


def _full(name: str) -> str:
    return name if "." in name else f"members.{name}"


# Of extensions that are not loaded here: read, and not run.
HASHES = ("crypto_hash('sha2-256', email)", "crypto_hmac('sha2-256', 'key', email)", "xxh32(email)")
HASHES += ("xxh64(email)", "xxh3_64(email)", "xxh3_128(email)", "rapidhash(email)")
HASHES += ("murmurhash3_32(email)", "murmurhash3_128(email)", "murmurhash3_x64_128(email)")


@pytest.mark.parametrize("call", HASHES)
def test_hashes_of_extensions_are_hashes(call: str, schemas: dict[str, dict[str, str]]) -> None:
    read = flows(f"select left({call}, 8) as a from shop.members", schemas)
    assert read == {"a": {"members.email": {"hash"}}}


def test_there_are_cases_enough() -> None:
    assert len(CASES) >= 80


# What cannot be read.

UNREADABLE = {
    "no SQL": ("select email frm 'secret' shop.members where", r"cannot be parsed"),
    "a quote that is open": ("select 'secret", r"cannot be parsed: a quote or a comment"),
    "an unknown column": ("select m.emial, 'secret' from shop.members as m", r"the name m\.emial"),
    "an unknown column in a condition": (
        "select 1 as a from shop.members where wrong = 'secret'",
        r"the name wrong",
    ),
    "a value in the wrong quotes": (
        'select "s3cret@mail" as a from shop.members',
        r"name \(quoted\)",
    ),
    "a table that is no parent": (
        "select a from other.secrets",
        r"reads other\.secrets, which is none",
    ),
    "two statements": ("select 1 as a; select 'secret' as b", r"holds 2 statements"),
    "no query": ("insert into t values ('secret')", r"is not a query"),
    "a file": ("select * from read_csv('secret.csv')", r"the function read_?csv"),
    "a file by its name": ("select * from 'secret.parquet'", r"reads \(quoted\)"),
    "a query in text": ("select * from query('select secret')", r"the function query"),
    "a star of the system": ("select * from duckdb_tables()", r"name the columns"),
    "a pivot of what there is": (
        "pivot shop.members on city using max(name)",
        r"pivots without IN",
    ),
    "a file of sqlite": (
        "select email from sqlite_scan('secret.db', 'secret')",
        r"the function sqlite_scan",
    ),
    "columns by something else": (
        "select columns(c -> c > 'secret') from shop.members",
        r"COLUMNS\(\.\.\.\) that cannot be read",
    ),
    "unequal unions": (
        "select email, name from shop.members union select 'secret'",
        r"2 and 1 columns",
    ),
    "no name": ("select lower(email) || 'secret' from shop.members", r"no name for its column 1"),
    "a semi join's column": (
        "select o.memo from shop.members as m semi join shop.orders as o using (member_id)",
        r"the name o\.memo",
    ),
    "a hidden table": ("select members.email from shop.members as m", r"the name members\.email"),
    "a star in a function": ("select hash(*) as h from shop.members", r"a star within"),
    "a star in an expression": (
        "select * like 'secret%' escape '!' from shop.members",
        r"a star within an expression",
    ),
    "a statement sqlglot does not know": ("call unknown('secret')", r"is not a query"),
    "describe": ("describe shop.members", r"is not a query"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_model_that_cannot_be_read_is_an_error_without_its_literals(
    case: str, schemas: dict[str, dict[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    sql, why = UNREADABLE[case]
    with pytest.raises(LineageError) as raised:
        flows(sql, schemas)
    message = str(raised.value)
    assert message.startswith("models/m.sql: main.m: ")
    assert re.search(why, message), message
    assert "secret'" not in message
    assert "s3cret" not in message
    assert raised.value.__cause__ is None
    assert not caplog.records
    assert "\n" not in message


def test_the_fault_of_a_parent_is_said_once(schemas: dict[str, dict[str, str]]) -> None:
    project = manifest(model("a", *PARENTS), model("b", "model.p.a"), model("c", *PARENTS))
    texts = {"model.p.a": "select x from shop.members", "model.p.b": "select x from main.a"}
    with pytest.raises(LineageError) as raised:
        read_lineage(project, texts, schemas)
    assert [fault.table for fault in raised.value.faults] == ["main.a", "main.c"]
    assert "no compiled SQL" in str(raised.value)


def test_a_model_that_is_not_sql_is_an_error(schemas: dict[str, dict[str, str]]) -> None:
    project = manifest(model("m", *PARENTS, language="python"))
    with pytest.raises(LineageError, match="is not SQL"):
        read_lineage(project, {"model.p.m": "def model(dbt, session): ..."}, schemas)


def test_a_source_without_a_schema_is_an_error_where_it_is_read() -> None:
    project = manifest(model("m", *PARENTS))
    with pytest.raises(LineageError, match=r"reads shop\.members, of which no columns are known"):
        read_lineage(project, {"model.p.m": "from shop.members"}, {})


def test_sql_that_is_nested_too_deeply_is_an_error(schemas: dict[str, dict[str, str]]) -> None:
    deep = f"select {'lower(' * 2000}email{')' * 2000} as a from shop.members"
    with pytest.raises(LineageError, match="is nested too deeply"):
        flows(deep, schemas)


def test_deep_sql_is_read(schemas: dict[str, dict[str, str]]) -> None:
    chain = " || ".join(["email", *["'x'"] * 600, "name"])
    unions = " union all ".join(["select email from shop.members"] * 300)
    assert set(flows(f"select {chain} as a from shop.members", schemas)["a"]) == {
        "members.email",
        "members.name",
    }
    assert set(flows(unions, schemas)["email"]) == {"members.email"}


# dbt.


def test_an_ephemeral_model_is_a_step_of_the_way(schemas: dict[str, dict[str, str]]) -> None:
    inner = model("eph", *PARENTS, columns={"coarse": column(pii="none", reason="Two letters.")})
    inner["config"]["materialized"] = "ephemeral"
    project = manifest(inner, model("m", "model.p.eph"))
    sql = "select email as mail, left(email, 2) as coarse from shop.members"
    texts = {
        "model.p.eph": sql,
        "model.p.m": f"with __dbt__cte__eph as ({sql}) select * from __dbt__cte__eph",
    }
    tags = inherit(project, read_lineage(project, texts, schemas))["model.p.m"]
    assert tags["mail"].origins[0].path == ("shop.members.email", "main.eph.mail", "main.m.mail")
    assert tags["coarse"].origins == ()

    # Without its SQL it is read where it is inlined, if nothing is declared of it.
    del texts["model.p.eph"]
    with pytest.raises(LineageError, match=r"main\.eph: has no compiled SQL"):
        read_lineage(project, texts, schemas)
    project["nodes"]["model.p.eph"]["columns"] = {}
    read = read_lineage(project, texts, schemas)
    assert {edge.parent for edge in read["model.p.m"].edges} == {"source.p.shop.members"}
    tags = inherit(project, read)["model.p.m"]
    assert tags["mail"].origins[0].path == ("shop.members.email", "main.m.mail")


def test_an_incremental_model_reads_itself(schemas: dict[str, dict[str, str]]) -> None:
    incremental = model("inc", *PARENTS)
    incremental["config"]["materialized"] = "incremental"
    sql = """
        select m.email as a, coalesce(old.a, m.name) as b
        from shop.members as m left join memory.main.inc as old on old.b = m.name
        where m.seen_at > (select max(b) from main.inc)
    """
    own = {"model.p.inc": {"a": "VARCHAR", "b": "VARCHAR"}}
    read = read_lineage(manifest(incremental), {"model.p.inc": sql}, {**schemas, **own})
    assert {(e.column, e.parent_column) for e in read["model.p.inc"].edges} == {
        ("a", "email"),
        ("b", "email"),
        ("b", "name"),
    }


def test_a_model_of_the_name_of_its_source_reads_the_source(
    schemas: dict[str, dict[str, str]],
) -> None:
    project = manifest(model("members", *PARENTS))
    read = read_lineage(project, {"model.p.members": "select email from members"}, schemas)
    assert [edge.parent for edge in read["model.p.members"].edges] == ["source.p.shop.members"]


def test_a_snapshot_has_the_columns_dbt_adds(schemas: dict[str, dict[str, str]]) -> None:
    snapshot = model("snap", *PARENTS)
    snapshot |= {
        "resource_type": "snapshot",
        "config": {"materialized": "snapshot", "unique_key": "email", "updated_at": "seen_at"},
    }
    read = read_lineage(
        manifest(snapshot), {"model.p.snap": "select email, seen_at from shop.members"}, schemas
    )
    digest = [e for e in read["model.p.snap"].edges if e.column == "dbt_scd_id"]
    assert {(e.parent_column, e.kind) for e in digest} == {
        ("email", Kind.HASH),
        ("seen_at", Kind.HASH),
    }
    assert "dbt_valid_to" in read["model.p.snap"].columns


def test_a_root_may_be_read_without_a_ref_and_an_external_when_it_is_named(
    schemas: dict[str, dict[str, str]],
) -> None:
    project = manifest(model("m"))
    sql = (
        "select m.email, sha256(p.pad || m.name) as d from memory.shop.members as m, keys.pads as p"
    )
    read = read_lineage(project, {"model.p.m": sql}, schemas, {"keys.pads": ["pad"]})
    assert {e.parent_column for e in read["model.p.m"].edges} == {"email", "name"}
    with pytest.raises(LineageError, match=r"keys\.pads, which is none of its parents"):
        read_lineage(project, {"model.p.m": sql}, schemas)


def test_a_pivot_of_what_there_is_has_the_columns_of_its_table(
    warehouse: duckdb.DuckDBPyConnection, schemas: dict[str, dict[str, str]]
) -> None:
    pivot = "pivot shop.members on city using max(email) group by name"
    for sql in (pivot, f"with p as ({pivot}) select * from p"):
        warehouse.execute(f"create or replace temp table pivoted as {sql}")
        own = {row[0]: row[1] for row in warehouse.execute("describe pivoted").fetchall()}
        assert flows(sql, schemas, own) == {
            "name": {"members.name": {"identity"}},
            "mkcityq": {"members.email": {"aggregate"}},
            "mkcityq2": {"members.email": {"aggregate"}},
        }
    # Where a column is none of the pivot, they cannot be told apart.
    more = f"with p as ({pivot}) select *, 'x' as x from p"
    with pytest.raises(LineageError, match="pivots without IN"):
        flows(more, schemas, own | {"x": "VARCHAR"})


def test_a_table_that_looks_like_the_systems_is_a_table(schemas: dict[str, dict[str, str]]) -> None:
    project = manifest(model("duckdb_people", *PARENTS), model("m", "model.p.duckdb_people"))
    texts = {
        "model.p.duckdb_people": "select email from shop.members",
        "model.p.m": "select email from duckdb_people",
    }
    read = read_lineage(project, texts, schemas)
    assert [edge.parent for edge in read["model.p.m"].edges] == ["model.p.duckdb_people"]


def test_a_file_that_is_a_source_is_read(schemas: dict[str, dict[str, str]]) -> None:
    project = manifest(model("m", *PARENTS))
    project["sources"]["source.p.shop.members"]["relation_name"] = "read_csv('people.csv')"
    read = read_lineage(
        project, {"model.p.m": "select email from read_csv('people.csv') as p"}, schemas
    )
    assert [edge.parent for edge in read["model.p.m"].edges] == ["source.p.shop.members"]


def test_what_a_materialization_leaves_out_is_no_column(schemas: dict[str, dict[str, str]]) -> None:
    ledger = model("ledger", *PARENTS, config={"materialized": "purge"})
    own = {"model.p.ledger": {"d": "VARCHAR", "run_no": "INTEGER"}}
    sql = "select email, sha256(email) as d from shop.members"
    read = read_lineage(manifest(ledger), {"model.p.ledger": sql}, {**schemas, **own})
    assert read["model.p.ledger"].columns == ("d",)
    assert read["model.p.ledger"].unexplained == ("run_no",)


# Inheritance.


def tags_of(
    schemas: Mapping[str, Mapping[str, str]],
    *steps: tuple[str, str, Mapping[str, Any]],
    tagged: Mapping[str, Any] = TAGGED,
) -> dict[str, dict[str, lineage.ColumnTags]]:
    """Build models in a line, each of the one before and the sources, and return their tags."""
    models, texts, before = [], {}, PARENTS
    for name, sql, columns in steps:
        models.append(model(name, *before, columns=columns))
        texts[f"model.p.{name}"] = sql
        before = (*PARENTS, *(each["unique_id"] for each in models))
    project = manifest(*models, tagged=tagged)
    found = inherit(project, read_lineage(project, texts, schemas))
    return {unique_id.split(".")[-1]: columns for unique_id, columns in found.items()}


def test_a_tag_is_inherited_with_the_way_it_came(schemas: dict[str, dict[str, str]]) -> None:
    tags = tags_of(
        schemas,
        ("a", "select lower(email) as mail, score from shop.members", {}),
        ("b", "select mail || 'x' as address, score from main.a", {}),
    )
    address = tags["b"]["address"]
    assert address.categories == ("user.contact.email",)
    assert address.tagged_by == "inherited"
    assert not address.is_declared
    assert address.origins[0].path == ("shop.members.email", "main.a.mail", "main.b.address")
    assert address.origins[0].raw_column == "shop.members.email"
    assert tags["b"]["score"].categories == ()
    assert tags["b"]["score"].tagged_by is None


def test_several_categories_are_all_kept(schemas: dict[str, dict[str, str]]) -> None:
    sql = "select email || name || city as label, (select max(memo) from shop.orders) as memo, seen_at "
    tags = tags_of(schemas, ("a", sql + "from shop.members", {}))["a"]
    assert tags["label"].categories == (
        "user.contact.address.city",
        "user.contact.email",
        "user.name",
    )
    assert tags["memo"].categories == ("user.content",)
    # A category of a system is of no person.
    assert tags["seen_at"].categories == ()


def test_a_hash_of_personal_data_is_a_pseudonym_of_it(schemas: dict[str, dict[str, str]]) -> None:
    tags = tags_of(
        schemas,
        (
            "a",
            "select sha256(lower(email)) as d, sha256(score::varchar) as s from shop.members",
            {},
        ),
        ("b", "select left(d, 8) as d, sha256(d) as e, coalesce(d, s) as f, s from main.a", {}),
    )
    for name in ("d", "e", "f"):
        assert tags["b"][name].categories == (PSEUDONYMOUS,)
        assert tags["b"][name].pseudonymous_of == ("user.contact.email",)
    assert tags["b"]["s"].categories == ()


def test_the_shortest_way_from_each_raw_column_is_kept(schemas: dict[str, dict[str, str]]) -> None:
    tagged = {"members": {name: column(pii="user.name") for name in ("email", "name")}}
    tags = tags_of(
        schemas,
        ("a", "select email as x from shop.members", {}),
        ("b", "select a.x || m.name as x from main.a as a, shop.members as m", {}),
        (
            "c",
            "select b.x || m.email || a.x as x from main.a as a, main.b as b, shop.members as m",
            {},
        ),
        tagged=tagged,
    )
    assert {origin.path for origin in tags["c"]["x"].origins} == {
        ("shop.members.email", "main.c.x"),
        ("shop.members.name", "main.b.x", "main.c.x"),
    }


def test_a_hash_beside_the_value_is_both(schemas: dict[str, dict[str, str]]) -> None:
    tags = tags_of(schemas, ("a", "select sha256(email) || email as d from shop.members", {}))["a"]
    assert tags["d"].categories == ("user.contact.email", PSEUDONYMOUS)


def test_a_declared_tag_holds_and_what_it_contradicts_is_seen(
    schemas: dict[str, dict[str, str]],
) -> None:
    tags = tags_of(
        schemas,
        (
            "a",
            "select email as x, score as y from shop.members",
            {"x": column(pii="user.contact"), "y": column(pii="user.account")},
        ),
        ("b", "select x, y from main.a", {}),
    )
    assert tags["a"]["x"].tagged_by == "declared"
    assert tags["a"]["x"].categories == ("user.contact",)
    assert tags["a"]["x"].inherited == ("user.contact.email",)
    assert tags["b"]["x"].categories == ("user.contact",)
    assert tags["b"]["x"].origins[0].path == ("shop.members.email", "main.a.x", "main.b.x")
    # A tag that stands first on a model: the way begins at the raw column all the same.
    assert tags["a"]["y"].inherited == ()
    assert tags["b"]["y"].origins[0].path == ("shop.members.score", "main.a.y", "main.b.y")


def test_a_declared_pseudonym_remembers_what_it_stands_for(
    schemas: dict[str, dict[str, str]],
) -> None:
    declared = {"d": column(pii=PSEUDONYMOUS)}
    sql = "select my_hmac(email) as d from shop.members"
    tags = tags_of(schemas, ("a", sql, declared), ("b", "select d from main.a", declared))
    assert tags["b"]["d"].categories == (PSEUDONYMOUS,)
    assert tags["b"]["d"].pseudonymous_of == ("user.contact.email",)


def test_none_with_a_reason_stops_and_without_one_is_an_error(
    schemas: dict[str, dict[str, str]],
) -> None:
    sql = "select length(email) as n, score from shop.members"
    for reasoned in (
        column(pii="none", reason="A length names nobody."),
        column(pii="none", kigen={"reason": "A length names nobody."}),
        {"meta": {"pii": "none", "reason": "A length names nobody."}},
    ):
        tags = tags_of(schemas, ("a", sql, {"n": reasoned}), ("b", "select n from main.a", {}))
        assert tags["a"]["n"].is_declared
        assert tags["a"]["n"].inherited == ("user.contact.email",)
        assert tags["a"]["n"].categories == ()
        assert tags["b"]["n"].categories == ()
    for silent in (
        column(pii="none"),
        column(pii="none", reason=" "),
        column(pii="system.operations"),
    ):
        with pytest.raises(
            LineageError, match=r"column n: is pii: \S+ without a reason, and inherits"
        ):
            tags_of(schemas, ("a", sql, {"n": silent}))
    # Where nothing flows in, none needs no reason.
    assert tags_of(schemas, ("a", sql, {"score": column(pii="none")}))["a"]["score"].is_declared


def coarsens(**keys: Any) -> dict[str, Any]:
    return column(kigen={"coarsens": keys})


def test_a_declared_coarsening_changes_the_category(schemas: dict[str, dict[str, str]]) -> None:
    sql = "select left(city, 2) as c, email || city as d from shop.members"
    to_country = coarsens(
        **{
            "from": "user.contact.address.city",
            "to": "user.contact.address.country",
            "reason": "Two letters.",
        }
    )
    to_none = coarsens(**{"from": "user.contact.address", "to": "none", "reason": "Two letters."})
    tags = tags_of(schemas, ("a", sql, {"c": to_country, "d": to_country}))["a"]
    assert tags["c"].categories == ("user.contact.address.country",)
    assert tags["c"].tagged_by == "declared"
    assert tags["c"].origins[0].coarsened_from == "user.contact.address.city"
    # What it does not speak of is inherited all the same.
    assert tags["d"].categories == ("user.contact.address.country", "user.contact.email")
    assert tags["d"].tagged_by == "inherited"
    assert [found.column for found in undeclared({"a": tags})] == ["d"]
    tags = tags_of(schemas, ("a", sql, {"c": to_none}), ("b", "select c from main.a", {}))
    assert tags["a"]["c"].is_declared
    assert tags["b"]["c"].categories == ()


def test_a_coarsening_is_of_a_category_and_those_below_it(
    schemas: dict[str, dict[str, str]],
) -> None:
    tagged = {"members": {"city": column(pii="user.device.cookie_id")}}
    declared = {"c": coarsens(**{"from": "user.device.cookie", "to": "none", "reason": "r"})}
    with pytest.raises(LineageError, match="which does not reach it"):
        tags_of(
            schemas, ("a", "select left(city, 2) as c from shop.members", declared), tagged=tagged
        )


WRONG = {
    "coarsens has no reason": coarsens(**{"from": "user.contact.address.city", "to": "none"}),
    "coarsens has no reason; ": coarsens(
        **{"from": "user.contact.address.city", "to": "none", "reason": " "}
    ),
    r"coarsens\.from is 'user\.town'": coarsens(
        **{"from": "user.town", "to": "none", "reason": "r"}
    ),
    r"coarsens\.to is None": coarsens(**{"from": "user.contact.address.city", "reason": "r"}),
    "which does not reach it: it inherits user.contact.address.city": coarsens(
        **{"from": "user.name", "to": "none", "reason": "r"}
    ),
    "unknown key 'form'": coarsens(
        **{"form": 1, "from": "user.contact.address.city", "to": "none", "reason": "r"}
    ),
    "is not from, to and reason": column(kigen={"coarsens": "city"}),
    r"pii is \['user.name'\], which is no category": column(pii=["user.name"], kigen="x"),
    "pii is 'user.town', which is no category": column(pii="user.town"),
    "pii is '', which is no category": column(pii=None),
}


@pytest.mark.parametrize("why", WRONG)
def test_a_declaration_that_cannot_stand_is_an_error(
    why: str, schemas: dict[str, dict[str, str]]
) -> None:
    with pytest.raises(LineageError, match=why) as raised:
        tags_of(schemas, ("a", "select left(city, 2) as c from shop.members", {"c": WRONG[why]}))
    assert str(raised.value).startswith("models/a.sql: main.a: column c: ")


def test_a_source_with_an_unknown_category_is_an_error(schemas: dict[str, dict[str, str]]) -> None:
    tagged = {"members": {"email": column(pii="user.mail")}}
    with pytest.raises(
        LineageError, match=r"models/sources.yml: shop.members: column email: pii is"
    ):
        tags_of(schemas, ("a", "from shop.members", {}), tagged=tagged)


def test_a_tag_without_a_tagged_source_has_the_way_of_its_values(
    schemas: dict[str, dict[str, str]],
) -> None:
    tags = tags_of(
        schemas,
        ("a", "select score || born as x, 'x' as y from shop.members", {}),
        (
            "b",
            "select x, y from main.a union all select born::varchar, 'y' from shop.members",
            {"x": column(pii="user.demographic"), "y": column(pii="user.account")},
        ),
    )
    assert tags["a"]["x"].origins == ()
    assert {origin.path for origin in tags["b"]["x"].origins} == {
        ("shop.members.score", "main.a.x", "main.b.x"),
        ("shop.members.born", "main.b.x"),
    }
    # Made of nothing: it begins where it is made.
    assert [origin.path for origin in tags["b"]["y"].origins] == [("main.a.y", "main.b.y")]


def test_what_nobody_declared_is_said_with_its_way(schemas: dict[str, dict[str, str]]) -> None:
    tags = tags_of(
        schemas,
        (
            "a",
            "select email as mail, name, city, sha256(email) as d from shop.members",
            {"mail": column(pii="user.contact.email"), "name": column(pii="none", reason="r")},
        ),
        ("b", "select mail as address, name, count(d) as n from main.a group by all", {}),
    )
    found = undeclared(tags)
    assert [(each.model, each.column) for each in found] == [
        ("a", "city"),
        ("a", "d"),
        ("b", "address"),
    ]
    assert found[2].message == (
        "shop.members.email -> a.mail -> b.address inherits user.contact.email and is not declared; "
        "give the column pii, or pii: none with a reason"
    )


PLANTED = {
    "renamed": "select email as e from shop.members",
    "in a cte": "with t as (select email as q from shop.members) select q as e from t",
    "in a star": "select * exclude (email) rename (name as e) from shop.members",
    "replaced": "select * replace (email as score) rename (score as e) from shop.members",
    "in a struct": "select {'k': email} as e from shop.members",
    "in a list of a subquery": "select (select list(email) from shop.members) as e",
    "in a union's second branch": "select 'x' as e union all select email from shop.members",
    "in a union by name": "select 1 as x union all by name select 2 as x, name as e from shop.members",
    "in an else": "select case when score > 1 then 'x' else email end as e from shop.members",
    "in a window": "select max(email) over () as e from shop.members",
    "in a lateral": "select l.e from shop.members as m, lateral (select m.email as e) as l",
    "in json": "select to_json(m) ->> '$.email' as e from shop.members as m",
    "in a recursion": "with recursive r(e, i) as (select 'x', 1 union all select m.email, i + 1 "
    "from r, shop.members as m where i < 3) select e from r",
    "in an unknown function": "select my_udf(email) as e from shop.members",
    "under the name of a column that is none": "select email as score, score as e from shop.members "
    "union all select score::varchar, email::varchar from shop.members",
    "in an unpivot": "select v as e from (unpivot (select email, name from shop.members) on email, "
    "name into name k value v)",
    "in a hash": "select md5(email) as e from shop.members",
    "in reversed letters": "select reverse(email) as e from shop.members",
    "in a length": "select length(name) as e from shop.members",
    "in a lambda": "select list_transform([1], x -> email) as e from shop.members",
    "in a using join": "select e from (select email as e from shop.members) full join "
    "(select 'x' as e) using (e)",
}


@pytest.mark.parametrize("way", PLANTED)
def test_a_planted_copy_of_personal_data_is_found(
    way: str, schemas: dict[str, dict[str, str]]
) -> None:
    tags = tags_of(schemas, ("a", PLANTED[way], {}))
    assert "e" in [found.column for found in undeclared(tags)]


# A project of any size.


def large_project(
    count: int,
) -> tuple[dict[str, Any], dict[str, str], dict[str, dict[str, str]]]:
    """Models of 25 columns: each joins two of those before it, in CTEs, a star and a union."""
    width = 25
    raw = source("wide", {"c0": column(pii="user.contact.email"), "c1": column(pii="user.name")})
    schemas = {raw["unique_id"]: {f"c{i}": "VARCHAR" for i in range(width)}}
    models, texts = [], {}
    for number in range(count):
        before = [f"model.p.m{number - back}" for back in (1, 2) if number >= back]
        parents = before or [raw["unique_id"]]
        tables = [f'"memory"."main"."{parent.split(".")[-1]}"' for parent in before]
        first, second = (tables + tables + ['"memory"."shop"."wide"'] * 2)[:2]
        items = ",\n".join(
            f"coalesce(trim(lower(a.c{i})), b.c{(i + 1) % width}) as c{i}" for i in range(5)
        )
        rest = ", ".join(f"a.c{i}" for i in range(5, width))
        texts[f"model.p.m{number}"] = f"""
            with a as (select * from {first}), b as (select * from {second}),
            joined as (select {items}, {rest} from a left join b on a.c0 = b.c0 and b.c3 <> 'x'),
            ranked as (select *, row_number() over (partition by c0 order by c1) as n from joined)
            select * exclude (n) from ranked where n = 1
            union all by name
            select * replace (case when c2 = 'x' then c3 else c4 end as c2) from b
        """
        models.append(model(f"m{number}", *parents))
    project = manifest(*models)
    project["sources"][raw["unique_id"]] = raw
    return project, texts, schemas


def work(count: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Return how many values and columns were looked at to read so many models."""
    calls = {"value": 0, "column": 0}
    value, source_value = lineage._Reader.value, lineage._source_value

    def counted(*arguments: Any) -> Any:
        calls["value"] += 1
        return value(*arguments)

    def counted_column(*arguments: Any) -> Any:
        calls["column"] += 1
        return source_value(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(lineage._Reader, "value", counted)
        patched.setattr(lineage, "_source_value", counted_column)
        project, texts, schemas = large_project(count)
        tags = inherit(project, read_lineage(project, texts, schemas))
    last = tags[f"model.p.m{count - 1}"]
    assert "user.contact.email" in last["c0"].categories
    return calls["value"], calls["column"]


def test_work_grows_with_the_models_and_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    few, some, many = (work(count, monkeypatch) for count in (20, 60, 200))
    # From 20 to 60, and from 60 to 200: the same work for each model more.
    for of_few, of_some, of_many in zip(few, some, many, strict=True):
        assert (of_some - of_few) * 140 == (of_many - of_some) * 40
