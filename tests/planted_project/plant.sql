{#- For tests: harm the warehouse when everything is built and the guard has not yet looked, as a bug or a
    careless hand would. The statements stand in the file that KIGEN_TEST_FAULT names, one a line. -#}
{%- macro plant() -%}
    {%- set built = [] -%}
    {%- for result in results -%}{%- do built.append(result.node.name) -%}{%- endfor -%}
    {%- if execute and 'purge_plan' in built -%}
        {%- do run_query("create or replace temp macro keyed(t) as (select sha256(outer_pad || unhex(sha256(inner_pad || encode(t)))) from kigen_key.pads)") -%}
        {%- for statement in env_var('KIGEN_TEST_FAULT').split('\n') -%}
            {%- do run_query(statement) -%}
        {%- endfor -%}
        {#- The plan is sealed anew, and the proof that is a table made anew: what is red is the promise. -#}
        {%- do run_query('update purge.purge_plan set policy_digest = (select ' ~ kigen.policy_digest('classes') ~ ' from retention.deletion_classes as classes)') -%}
        {%- do run_query('update purge.purge_plan set plan_digest = (select ' ~ kigen.plan_digest('plan') ~ ' from purge.purge_plan as plan)') -%}
        {%- for result in results if result.node.name == 'proof_audience_member_suppressed' -%}
            {%- do run_query('create or replace table proofs.proof_audience_member_suppressed as ' ~ result.node.compiled_code) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
