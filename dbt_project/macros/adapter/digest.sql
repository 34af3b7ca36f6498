{#- The keyed digest of a text: HMAC-SHA256 (RFC 2104) as 64 hexadecimal digits. Where the key was rotated, the
    digest made with the keys before is digested once more with each later key.

    text: a varchar expression; pads: the alias under which `kigen.pads()` is joined.

    The key stands in no SQL text: its two pads are columns of an attached file of mode 0600. -#}
{%- macro digest(text, pads='pads') -%}
    {{- return(adapter.dispatch('digest', 'kigen')(text, pads)) -}}
{%- endmacro -%}

{%- macro default__digest(text, pads) -%}
    {%- set made = namespace(digest='sha256(' ~ pads ~ '.outer_pad || unhex(sha256(' ~ pads ~ '.inner_pad || encode(' ~ text ~ '))))') -%}
    {%- for number in range(2, kigen.key_count() + 1) -%}
        {%- set made.digest = 'sha256(' ~ pads ~ '.outer_pad_' ~ number ~ ' || unhex(sha256(' ~ pads ~ '.inner_pad_' ~ number ~ ' || encode(' ~ made.digest ~ '))))' -%}
    {%- endfor -%}
    {{- made.digest -}}
{%- endmacro -%}


{#- How many keys the key file has: one, and one more for each time it was rotated. -#}
{%- macro key_count() -%}
    {{- return(adapter.dispatch('key_count', 'kigen')()) -}}
{%- endmacro -%}

{%- macro default__key_count() -%}
    {%- if not execute -%}
        {{- return(1) -}}
    {%- endif -%}
    {%- set counted = run_query("select count(*) from duckdb_columns() where database_name = 'kigen_key' and table_name = 'pads' and starts_with(column_name, 'inner_pad')").rows[0][0] -%}
    {{- return([counted, 1] | max) -}}
{%- endmacro -%}


{#- The relation that holds the two pads of the HMAC key, one row. -#}
{%- macro pads() -%}
    {{- return(adapter.dispatch('pads', 'kigen')()) -}}
{%- endmacro -%}

{%- macro default__pads() -%}
    kigen_key.pads
{%- endmacro -%}
