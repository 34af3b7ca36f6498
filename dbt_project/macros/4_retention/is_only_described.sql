{#- Whether a relation that a macro reads while it compiles is not there, and nothing is to be built: dbt
    compiles or writes its docs. Then the policy is not known, and the text is a sketch. Anything that
    builds fails on a policy that is not there. -#}
{%- macro is_only_described(relation) -%}
    {{- return(flags.WHICH in ['compile', 'generate', 'docs', 'list', 'ls', 'parse'] and load_relation(relation) is none) -}}
{%- endmacro -%}
