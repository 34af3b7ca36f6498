{#- A UTC timestamp as the wall clock of a zone shows it.

    column: a timestamp without zone, in UTC; zone: an expression that gives an IANA name. -#}
{%- macro utc_to_zone(column, zone) -%}
    {{- return(adapter.dispatch('utc_to_zone', 'kigen')(column, zone)) -}}
{%- endmacro -%}

{%- macro default__utc_to_zone(column, zone) -%}
    timezone({{ zone }}, timezone('UTC', {{ column }}))
{%- endmacro -%}


{#- The way back: what the wall clock of a zone shows, as a UTC timestamp. -#}
{%- macro zone_to_utc(column, zone) -%}
    {{- return(adapter.dispatch('zone_to_utc', 'kigen')(column, zone)) -}}
{%- endmacro -%}

{%- macro default__zone_to_utc(column, zone) -%}
    timezone('UTC', timezone({{ zone }}, {{ column }}))
{%- endmacro -%}
