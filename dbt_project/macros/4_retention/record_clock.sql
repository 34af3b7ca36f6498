{#- The clock of the class a record has its state from; where that is another table's (a follower) or has no clock of
    its own, the earliest of the record's own clocks; null where none is known.

    policies: as judged_models() gives them. Reads a row of the model that judges the table. -#}
{%- macro record_clock(policies) -%}
    {%- set clocks = [] -%}
    {%- for policy in policies -%}{%- do clocks.append(policy.deletion_class ~ '__clock_at') -%}{%- endfor -%}
    {%- if not clocks -%}
        cast(null as timestamp)
    {%- else -%}
        coalesce(
            case deletion_class{% for policy in policies %} when '{{ policy.deletion_class }}' then {{ policy.deletion_class }}__clock_at{% endfor %} end,
            {{ clocks[0] if clocks | length == 1 else 'least(' ~ clocks | join(', ') ~ ')' }}
        )
    {%- endif -%}
{%- endmacro -%}
