{#- The keyed digest of a text: HMAC-SHA256 (RFC 2104) as 64 hexadecimal digits.

    text: a varchar expression; pads: the alias under which `kigen.pads()` is joined.

    The key stands in no SQL text: its two pads are columns of an attached file of mode 0600. -#}
{%- macro digest(text, pads='pads') -%}
    {{- return(adapter.dispatch('digest', 'kigen')(text, pads)) -}}
{%- endmacro -%}

{%- macro default__digest(text, pads) -%}
    sha256({{ pads }}.outer_pad || unhex(sha256({{ pads }}.inner_pad || encode({{ text }}))))
{%- endmacro -%}


{#- The relation that holds the two pads of the HMAC key, one row. -#}
{%- macro pads() -%}
    {{- return(adapter.dispatch('pads', 'kigen')()) -}}
{%- endmacro -%}

{%- macro default__pads() -%}
    kigen_key.pads
{%- endmacro -%}
