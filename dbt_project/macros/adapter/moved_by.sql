{#- A timestamp moved by a calendar period: months first, clipped to the month's end, then days
    (P1M after 31 January is the last day of February; DESIGN section 5).

    column: a timestamp expression; months, days: integers, negative to go back. -#}
{%- macro moved_by(column, months, days) -%}
    {{- return(adapter.dispatch('moved_by', 'kigen')(column, months, days)) -}}
{%- endmacro -%}

{%- macro default__moved_by(column, months, days) -%}
    {%- set moved = [column] -%}
    {%- if months | int(0) != 0 or months is string -%}
        {%- do moved.append(' + to_months(' ~ months ~ ')') -%}
    {%- endif -%}
    {%- if days | int(0) != 0 or days is string -%}
        {%- do moved.append(' + to_days(' ~ days ~ ')') -%}
    {%- endif -%}
    {{- '(' ~ moved | join('') ~ ')' -}}
{%- endmacro -%}
