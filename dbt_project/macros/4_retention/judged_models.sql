{#- The models that judge a governed table, from the contributions and the manifest.

    Returns a list of dicts: relation, table (as governed_table() gives it), policies (as
    class_policies() gives them, without the floor-only ones).
    Makes the calling model depend on them. Empty while dbt parses. -#}
{%- macro judged_models() -%}
    {%- set judged = [] -%}
    {%- set policy_relation = ref('deletion_classes') -%}
    {%- for relation in kigen.contributions('records') -%}
        {%- if execute -%}
            {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.schema == relation.schema and node.alias == relation.identifier -%}
                {%- set name = (kigen.node_meta(node).get('kigen') or {}).get('records_of') -%}
                {%- if not name -%}
                    {{- exceptions.raise_compiler_error("Model " ~ node.name ~ " is contributed as records, and does not say of which table; give it config.meta.kigen.records_of.") -}}
                {%- endif -%}
                {%- set table = kigen.governed_table(name) -%}
                {%- set policies = kigen.class_policies(table) | rejectattr('floor', 'equalto', 'only') | list -%}
                {%- do judged.append({
                    'relation': relation,
                    'table': table,
                    'policies': policies,
                }) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(judged) -}}
{%- endmacro -%}
