{#- Calendar and clock: a UTC timestamp as the wall clock of a zone, and back.

    column: a timestamp without zone; zone: an expression that gives an IANA name. -#}
{%- macro utc_to_zone(column, zone) -%}
    {{- return(adapter.dispatch('utc_to_zone', 'kigen')(column, zone)) -}}
{%- endmacro -%}

{%- macro default__utc_to_zone(column, zone) -%}
    timezone({{ zone }}, timezone('UTC', {{ column }}))
{%- endmacro -%}

{%- macro zone_to_utc(column, zone) -%}
    {{- return(adapter.dispatch('zone_to_utc', 'kigen')(column, zone)) -}}
{%- endmacro -%}

{%- macro default__zone_to_utc(column, zone) -%}
    timezone('UTC', timezone({{ zone }}, {{ column }}))
{%- endmacro -%}
