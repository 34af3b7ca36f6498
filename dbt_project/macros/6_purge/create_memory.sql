{#- Create what Kigen writes and dbt reads, where it is not there yet: the tables of the schema `memory`, and those of
    what was scanned, traced and handed over, from their declared columns; the guard's verdicts; the approvals; the canaries the erasure
    is proved by. A column that a later version declares is added. Runs before every dbt run; then `refuse_another_key` looks at what is there. -#}
{%- macro create_memory() -%}
    {%- if execute and flags.WHICH in ['run', 'build', 'test', 'seed'] -%}
        {%- for schema in ['memory', 'tags', 'delivery'] -%}
            {%- do run_query('create schema if not exists ' ~ schema) -%}
        {%- endfor -%}
        {%- set there = {} -%}
        {%- for row in run_query("select table_schema || '.' || table_name, column_name from information_schema.columns where table_schema in ('memory', 'tags', 'delivery') and table_catalog = '" ~ target.database ~ "'").rows -%}
            {%- do there.setdefault(row[0], []).append(row[1]) -%}
        {%- endfor -%}
        {%- for source in graph.sources.values() if source.schema == 'memory' or (source.package_name == 'kigen' and source.source_name in ['tags', 'delivery']) -%}
            {%- set table = source.schema ~ '.' ~ source.name -%}
            {%- set columns = [] -%}
            {%- for column in source.columns.values() -%}
                {%- do columns.append(column.name ~ ' ' ~ column.data_type) -%}
                {%- if table in there and column.name not in there[table] -%}
                    {%- do run_query('alter table ' ~ table ~ ' add column ' ~ column.name ~ ' ' ~ column.data_type) -%}
                {%- endif -%}
            {%- endfor -%}
            {%- if table not in there -%}
                {%- do run_query('create table if not exists ' ~ table ~ ' (' ~ columns | join(', ') ~ ')') -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do run_query('create schema if not exists purge') -%}
        {%- do run_query('create table if not exists purge.guard_verdicts (plan_digest varchar, run_id varchar, decided_at timestamp)') -%}
        {%- do run_query('alter table purge.guard_verdicts add column if not exists seal varchar') -%}
        {%- do run_query('create table if not exists ' ~ kigen.approvals() ~ ' (digest varchar, approver varchar, reason varchar, approved_at timestamp, expires_at timestamp, seal varchar)') -%}
        {%- do run_query('create table if not exists purge.canaries (kind varchar, value varchar using compression uncompressed)') -%}
        {%- do kigen.refuse_another_key() -%}
    {%- endif -%}
{%- endmacro -%}


{#- Refuse a memory that was written with another key than the one at hand: its suppressions would match
    nobody, and who must not be mailed would be. -#}
{%- macro refuse_another_key() -%}
    {%- set tables = [] -%}
    {%- for source in graph.sources.values() if source.schema == 'memory' and 'key_id' in source.columns -%}
        {%- do tables.append('select key_id from memory.' ~ source.name) -%}
    {%- endfor -%}
    {%- set foreign = run_query('select count(*) from (' ~ tables | join(' union all ') ~ ') as written where key_id is distinct from (select pads.key_id from ' ~ kigen.pads() ~ ' as pads)').rows[0][0] -%}
    {%- if foreign -%}
        {{- exceptions.raise_compiler_error('The memory of purges holds ' ~ foreign ~ ' digests made with another key than that of the key file, so nobody it remembers could be recognised; nothing was built. Put the right key file back: KIGEN_KEY, or keys/kigen_key.duckdb under KIGEN_HOME.') -}}
    {%- endif -%}
{%- endmacro -%}


{#- The approvals of plans, append-only: digest, approver, reason, approved_at, expires_at, and the seal that only
    the holder of the key can make. `kigen approve` writes them. -#}
{%- macro approvals() -%}
    purge.approvals
{%- endmacro -%}
