{#- Whether a normalised contact point can be an e-mail address at all: something on both sides of an @, and no blank.

    contact: an expression. -#}
{%- macro can_be_written_to(contact) -%}
    coalesce({{ contact }} like '_%@_%' and {{ contact }} not like '% %', false)
{%- endmacro -%}
