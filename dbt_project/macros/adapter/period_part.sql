{#- One part of an ISO 8601 calendar period as an integer: 0 where it is not written.

    period: a varchar expression such as 'P1Y6M'; unit: Y, M, W or D. -#}
{%- macro period_part(period, unit) -%}
    {{- return(adapter.dispatch('period_part', 'kigen')(period, unit)) -}}
{%- endmacro -%}

{%- macro default__period_part(period, unit) -%}
    coalesce(try_cast(regexp_extract({{ period }}, '([0-9]+){{ unit }}', 1) as integer), 0)
{%- endmacro -%}


{#- The whole months of an ISO 8601 calendar period: its years and months. -#}
{%- macro period_months(period) -%}
    (12 * {{ kigen.period_part(period, 'Y') }} + {{ kigen.period_part(period, 'M') }})
{%- endmacro -%}


{#- The whole days of an ISO 8601 calendar period: its weeks and days. -#}
{%- macro period_days(period) -%}
    (7 * {{ kigen.period_part(period, 'W') }} + {{ kigen.period_part(period, 'D') }})
{%- endmacro -%}
