{#- The schemas are the stages, without a prefix (DESIGN section 6). A project that installs Kigen takes
    the same names for its own models by declaration: `dispatch` for dbt, with kigen before dbt. -#}
{%- macro generate_schema_name(custom_schema_name, node) -%}
    {{- kigen.default__generate_schema_name(custom_schema_name, node) -}}
{%- endmacro -%}

{%- macro default__generate_schema_name(custom_schema_name, node) -%}
    {{- (custom_schema_name or target.schema) | trim -}}
{%- endmacro -%}
