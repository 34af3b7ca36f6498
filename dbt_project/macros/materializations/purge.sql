{#- The ledger, and the only deletes of the project. In one transaction: the verdict is looked for, the
    doomed rows are listed, the proofs are asked, what must outlive the rows is remembered, the ledger rows
    are written, the rows go, children before parents, and each table is counted. Anything that does not add up rolls it all
    back: no purge without its record, no record without its purge.

    The model gives the doomed rows: plan_digest, table_name, record_key, record_digest, action,
    deletion_class, deadline_at, and the evidence the ledger keeps. -#}
{%- materialization purge, adapter='duckdb' -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- do kigen._purge_open_ledger(target_relation) -%}
    {%- set plan_digest = kigen._purge_frozen_digest() -%}
    {%- set refusal = kigen._purge_refusal(plan_digest) -%}

    {%- if refusal -%}
        {%- do log('purge_ledger: nothing was purged. ' ~ refusal, info=true) -%}
        {%- call noop_statement('main', 'NOTHING PURGED', 'PURGE', 0) -%}{%- endcall -%}
    {%- else -%}
        {%- call statement('doom') -%}
            create or replace temp table doomed as {{ sql }}
        {%- endcall -%}
        {%- do kigen._purge_ask_proofs() -%}
        {%- do kigen._purge_remember() -%}
        {%- set run_no = kigen._purge_next_run(target_relation) -%}
        {%- do kigen._purge_write_ledger(target_relation, run_no) -%}
        {%- set purged = [] -%}
        {%- for table in kigen.purge_order() -%}
            {%- do purged.append(kigen._purge_table(table, run_no, plan_digest)) -%}
        {%- endfor -%}
        {%- do run_query('delete from purge.guard_verdicts') -%}
        {%- do run_query("delete from purge.canaries where kind = 'deleted'") -%}
        {%- set rows = purged | sum -%}
        {%- set told = run_query("select string_agg(table_name || ' ' || (deleted + anonymised), ', ' order by table_name) from memory.purge_counts where run_no = " ~ run_no ~ " and deleted + anonymised > 0") -%}
        {%- call noop_statement('main', 'PURGE ' ~ (told.columns[0].values()[0] if rows else 'nothing was due'), 'PURGE', rows) -%}{%- endcall -%}
    {%- endif -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{%- endmaterialization -%}


{#- Begin, and make the ledger where there is none. It is never dropped, not by --full-refresh. -#}
{%- macro _purge_open_ledger(ledger) -%}
    {%- call statement('open_ledger') -%}
        create table if not exists {{ ledger }} (
            run_no bigint,
            plan_digest varchar,
            table_name varchar,
            record_digest varchar,
            action varchar,
            deletion_class varchar,
            deadline_at timestamp,
            purged_at timestamp,
            clock_source varchar,
            is_notice_required boolean,
            is_notice_waived boolean,
            notice_sent_at timestamp,
            grace_until timestamp,
            floor_until timestamp,
            hold_id varchar,
            key_id varchar,
            chain_digest varchar
        )
    {%- endcall -%}
{%- endmacro -%}


{#- The digest of the frozen plan, made anew from its rows; an altered plan is refused. -#}
{%- macro _purge_frozen_digest() -%}
    {%- set row = run_query(
        'select ' ~ kigen.plan_digest('plan') ~ ', coalesce(min(plan.plan_digest), ' ~ kigen.plan_digest('plan') ~ '), coalesce(max(plan.plan_digest), ' ~ kigen.plan_digest('plan') ~ ') from '
        ~ ref('purge_plan') ~ ' as plan'
    ).rows[0] -%}
    {%- if row[0] != row[1] or row[0] != row[2] -%}
        {{- exceptions.raise_compiler_error('purge_ledger: the plan in ' ~ ref('purge_plan') ~ ' is not the one its digest ' ~ row[1] ~ ' was made from; it was altered after it was frozen. Run `kigen plan` to make it anew.') -}}
    {%- endif -%}
    {%- set stale = run_query(
        'select count(*) from ' ~ ref('purge_plan') ~ ' as plan where plan.policy_digest is distinct from (select ' ~ kigen.policy_digest('classes') ~ ' from ' ~ ref('deletion_classes') ~ ' as classes)'
    ).rows[0][0] -%}
    {%- if stale -%}
        {{- exceptions.raise_compiler_error('purge_ledger: policy_deletion_classes.csv has changed since the plan ' ~ row[0] ~ ' was frozen. Run `kigen plan` to make it anew.') -}}
    {%- endif -%}
    {{- return(row[0]) -}}
{%- endmacro -%}


{#- Why this run may not purge, in a sentence, or nothing. -#}
{%- macro _purge_refusal(plan_digest) -%}
    {%- set run_id = env_var('KIGEN_PURGE_RUN', '') -%}
    {%- set verdicts = run_query(
        "select count(*) from purge.guard_verdicts as verdicts cross join " ~ kigen.pads() ~ " as pads where verdicts.plan_digest = '" ~ plan_digest ~ "' and verdicts.run_id = '" ~ run_id | replace("'", "''") ~ "' and verdicts.seal = "
        ~ kigen.digest("'verdict' || chr(9) || verdicts.plan_digest || chr(9) || verdicts.run_id")
    ).rows[0][0] -%}
    {%- if not run_id or not verdicts -%}
        {{- return('There is no verdict of the guard for plan ' ~ plan_digest ~ (' in run ' ~ run_id if run_id else '') ~ '. Run `kigen run`, or the job `nightly`: its guard looks at the proofs first.') -}}
    {%- endif -%}
    {%- set as_of_is_past = run_query("select as_of <= timezone('UTC', current_timestamp) from " ~ ref('as_of')).rows[0][0] -%}
    {%- if not as_of_is_past -%}
        {{- exceptions.raise_compiler_error('purge_ledger: KIGEN_AS_OF is later than now; a purge by a future date is refused. Leave it out, or name a past moment.') -}}
    {%- endif -%}
    {{- return('') -}}
{%- endmacro -%}


{#- Ask every proof of `gate: before` once more, and fail with all that are red. The guard may have looked
    long ago; here nothing can come between the look and the delete. A proof about planned records
    (meta.kigen.about: plan) counts those that are taken: a planned row that is expired no longer is left
    alone, and no violation. -#}
{%- macro _purge_ask_proofs() -%}
    {%- set red = [] -%}
    {%- set asked = [] -%}
    {%- for node in graph.nodes.values() | sort(attribute='name') if node.resource_type == 'model' -%}
        {%- set declared = kigen.node_meta(node).get('kigen') or {} -%}
        {%- if declared.get('gate') == 'before' and declared.get('severity', 'error') != 'warn' -%}
            {%- set relation = api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias) -%}
            {%- do asked.append(node.name) -%}
            {%- set taken = ' semi join doomed using (table_name, record_key)' if declared.get('about') == 'plan' else '' -%}
            {%- set violations = run_query('select count(*) from ' ~ relation ~ taken).rows[0][0] -%}
            {%- if violations -%}
                {%- do red.append(node.schema ~ '.' ~ node.alias ~ ' (' ~ violations ~ ')') -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not asked -%}
        {{- exceptions.raise_compiler_error('purge_ledger: the project has no proof of gate `before`, and nothing is purged unproved. Are the models of 7_proofs disabled?') -}}
    {%- endif -%}
    {%- if red -%}
        {{- exceptions.raise_compiler_error('purge_ledger: nothing is purged while a proof is red. Red, with how many violations: ' ~ red | join(', ') ~ '. Look at what they name.') -}}
    {%- endif -%}
{%- endmacro -%}


{#- Write what must outlive the doomed rows. A model with meta.kigen.remembers gives either rows to add
    (mode append), or all that the memory holds from now on (mode replace). All are read before any is
    written, for they read the memory too. -#}
{%- macro _purge_remember() -%}
    {%- set memories = [] -%}
    {%- for node in graph.nodes.values() | sort(attribute='name') if node.resource_type == 'model' -%}
        {%- set declared = kigen.node_meta(node).get('kigen') or {} -%}
        {%- if declared.get('remembers') -%}
            {%- set relation = api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias) -%}
            {%- set columns = adapter.get_columns_in_relation(relation) | map(attribute='name') | join(', ') -%}
            {%- do run_query('create or replace temp table ' ~ node.alias ~ '_now as select ' ~ columns ~ ' from ' ~ relation) -%}
            {%- do memories.append({'rows': node.alias ~ '_now', 'columns': columns, 'into': declared.remembers, 'mode': declared.mode}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for memory in memories -%}
        {%- if memory.mode == 'replace' -%}
            {%- do run_query('delete from ' ~ memory.into) -%}
        {%- endif -%}
        {%- do run_query('insert into ' ~ memory.into ~ ' (' ~ memory.columns ~ ') select ' ~ memory.columns ~ ' from ' ~ memory.rows) -%}
    {%- endfor -%}
{%- endmacro -%}


{#- The number of this purge: one more than any the ledger or the counts have; a purge that found every
    planned row gone has counts, and no ledger row. -#}
{%- macro _purge_next_run(ledger) -%}
    {{- return(run_query('select 1 + greatest((select coalesce(max(run_no), 0) from ' ~ ledger ~ '), (select coalesce(max(run_no), 0) from memory.purge_counts))').rows[0][0]) -}}
{%- endmacro -%}


{#- One ledger row per doomed row, chained to the run before: the chain digest covers the digest of that
    run and this run's rows in a fixed order. -#}
{%- macro _purge_write_ledger(ledger, run_no) -%}
    {%- do run_query(
        'insert into ' ~ ledger ~ ' '
        ~ 'with last_run as (select coalesce(max_by(chain_digest, run_no), ' ~ "''" ~ ') as chain_digest from ' ~ ledger ~ '), '
        ~ 'lines as (select ' ~ kigen.chain_line('doomed') ~ ' as line from doomed), '
        ~ 'chain as (select sha256(any_value(last_run.chain_digest) || chr(10) || ' ~ kigen.digest_of_lines('lines.line', 'lines.line') ~ ') as chain_digest from lines cross join last_run) '
        ~ 'select ' ~ run_no ~ ', plan_digest, table_name, record_digest, action, deletion_class, deadline_at, purged_at, clock_source, is_notice_required, is_notice_waived, notice_sent_at, grace_until, floor_until, cast(hold_id as varchar), key_id, chain.chain_digest from doomed cross join chain'
    ) -%}
{%- endmacro -%}


{#- One ledger row as a line of text, for the chain: every column but the run's own two. -#}
{%- macro chain_line(alias) -%}
    {%- for column in [
        'plan_digest', 'table_name', 'record_digest', 'action', 'deletion_class', 'deadline_at', 'purged_at', 'clock_source',
        'is_notice_required', 'is_notice_waived', 'notice_sent_at', 'grace_until', 'floor_until', 'hold_id', 'key_id'
    ] -%}
        coalesce(cast({{ alias }}.{{ column }} as varchar), ''){{ " || chr(9) || " if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}


{#- Take the doomed rows of one table, and count it. Returns how many rows it took. -#}
{%- macro _purge_table(table, run_no, plan_digest) -%}
    {%- set counted = run_query(
        'select (select count(*) from ' ~ table.relation ~ ')'
        ~ ", (select count(*) from " ~ ref('purge_plan') ~ " where table_name = '" ~ table.name ~ "')"
        ~ ", (select count(*) from doomed where table_name = '" ~ table.name ~ "' and action = 'delete')"
        ~ ", (select count(*) from doomed where table_name = '" ~ table.name ~ "' and action = 'anonymise')"
    ).rows[0] -%}
    {%- set before, planned, to_delete, to_anonymise = counted[0], counted[1], counted[2], counted[3] -%}
    {%- if to_anonymise -%}
        {%- set nulls = [] -%}
        {%- for column in (table.personal + ([table.subject] if table.subject else [])) | unique if column not in table['keys'] -%}
            {%- do nulls.append(column) -%}
        {%- endfor -%}
        {%- do run_query('update ' ~ table.relation ~ ' set ' ~ nulls | join(' = null, ') ~ ' = null where ' ~ kigen._purge_is_doomed(table, 'anonymise')) -%}
        {%- set left = run_query('select count(*) from ' ~ table.relation ~ ' where ' ~ kigen._purge_is_doomed(table, 'anonymise') ~ ' and ' ~ nulls | join(' is null and ') ~ ' is null').rows[0][0] -%}
        {%- if left != to_anonymise -%}
            {{- exceptions.raise_compiler_error('purge_ledger: ' ~ table.name ~ ': ' ~ to_anonymise ~ ' rows were to be anonymised, ' ~ left ~ ' are; nothing is kept of this purge. Are the keys of the table unique?') -}}
        {%- endif -%}
    {%- endif -%}
    {%- if to_delete -%}
        {%- do run_query('delete from ' ~ table.relation ~ ' where ' ~ kigen._purge_is_doomed(table, 'delete')) -%}
    {%- endif -%}
    {%- set after = run_query('select count(*) from ' ~ table.relation).rows[0][0] if to_delete else before -%}
    {%- if before - after != to_delete -%}
        {{- exceptions.raise_compiler_error('purge_ledger: ' ~ table.name ~ ': ' ~ to_delete ~ ' rows were to be deleted, ' ~ (before - after) ~ ' are; nothing is kept of this purge. Are the keys of the table unique?') -}}
    {%- endif -%}
    {%- if planned > to_delete + to_anonymise -%}
        {%- do log('purge_ledger: ' ~ table.name ~ ': ' ~ (planned - to_delete - to_anonymise) ~ ' planned rows have gone or are expired no longer; they were left alone.', info=true) -%}
    {%- endif -%}
    {%- if planned -%}
        {%- do run_query(
            "insert into memory.purge_counts select " ~ run_no ~ ", '" ~ plan_digest ~ "', '" ~ table.name ~ "', "
            ~ before ~ ', ' ~ planned ~ ', ' ~ to_delete ~ ', ' ~ to_anonymise ~ ', ' ~ (planned - to_delete - to_anonymise) ~ ', ' ~ after ~ ', as_of, '
            ~ "(select cast(to_json(list({'deletion_class': deletion_class, 'action': action, 'planned': row_count} order by deletion_class, action)) as varchar) "
            ~ "from (select deletion_class, action, count(*) as row_count from " ~ ref('purge_plan') ~ " where table_name = '" ~ table.name ~ "' group by deletion_class, action)) "
            ~ 'from ' ~ ref('as_of')
        ) -%}
    {%- endif -%}
    {{- return(to_delete + to_anonymise) -}}
{%- endmacro -%}


{#- Whether a raw row is doomed: by its typed key, so that no row's key is made into text; a composite
    key by its text. -#}
{%- macro _purge_is_doomed(table, action) -%}
    {%- set keys = table['keys'] -%}
    {%- if keys | length == 1 -%}
        {%- set types = {} -%}
        {%- for column in adapter.get_columns_in_relation(table.relation) -%}
            {%- do types.update({adapter.quote(column.name) | lower: column.dtype}) -%}
        {%- endfor -%}
        {{- keys[0] }} in (select try_cast(doomed.record_key as {{ types[keys[0] | lower] }}) from doomed where doomed.table_name = '{{ table.name }}' and doomed.action = '{{ action }}')
    {%- else -%}
        {{- kigen.record_key(keys) }} in (select doomed.record_key from doomed where doomed.table_name = '{{ table.name }}' and doomed.action = '{{ action }}')
    {%- endif -%}
{%- endmacro -%}
