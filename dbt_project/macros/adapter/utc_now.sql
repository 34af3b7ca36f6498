{#- This moment in UTC, without a zone: the clock on the wall, for what has to do with people at work (a verdict,
    an approval). What is judged is judged by T, see as_of. -#}
{%- macro utc_now() -%}
    {{- return(adapter.dispatch('utc_now', 'kigen')()) -}}
{%- endmacro -%}

{%- macro default__utc_now() -%}
    timezone('UTC', current_timestamp)
{%- endmacro -%}
