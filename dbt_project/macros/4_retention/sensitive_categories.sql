{#- Those of some data categories that policy_data_categories.csv calls special or individual_number: their own row says,
    or that of the next one above. Returns a list, or none where the project does not have the seed: nobody knows then.

    The seed is optional, so nothing can depend on it by ref; every run of Kigen loads the policy first.

    categories: a list of names. -#}
{%- macro sensitive_categories(categories) -%}
    {%- if not execute -%}
        {{- return(none) -}}
    {%- endif -%}
    {%- set seeds = graph.nodes.values() | selectattr('resource_type', 'equalto', 'seed') | selectattr('name', 'equalto', 'policy_data_categories') | list -%}
    {%- if not seeds -%}
        {{- return(none) -}}
    {%- endif -%}
    {%- set relation = api.Relation.create(database=seeds[0].database, schema=seeds[0].schema, identifier=seeds[0].alias) -%}
    {%- if kigen.is_only_described(relation) -%}
        {{- return(none) -}}
    {%- elif load_relation(relation) is none -%}
        {{- exceptions.raise_compiler_error('Model ' ~ model.name ~ ' asks how sensitive categories are, and ' ~ relation ~ ' is not loaded; run `dbt seed` first.') -}}
    {%- endif -%}
    {%- set written = {} -%}
    {%- for row in run_query('select data_category, sensitivity from ' ~ relation).rows -%}
        {%- do written.update({row[0]: row[1]}) -%}
    {%- endfor -%}
    {%- set found = [] -%}
    {%- for category in categories -%}
        {%- set parts = category.split('.') -%}
        {%- set own = namespace(sensitivity=none) -%}
        {%- for length in range(parts | length, 0, -1) if own.sensitivity is none -%}
            {%- set own.sensitivity = written.get(parts[:length] | join('.')) -%}
        {%- endfor -%}
        {%- if own.sensitivity in ['special', 'individual_number'] -%}{%- do found.append(category) -%}{%- endif -%}
    {%- endfor -%}
    {{- return(found) -}}
{%- endmacro -%}
