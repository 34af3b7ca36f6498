{#- The rows of all audiences, as the proofs read them: audience, purpose, message_class, register,
    subject_key (text; null where the audience has none) and contact. From the contributions
    `audiences` and the meta.kigen of their models. -#}
{%- macro audience_members() -%}
    {%- set selects = [] -%}
    {%- for relation in kigen.contributions('audiences') + [ref('audience_deletion_notice')] -%}
        {%- if execute -%}
            {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.schema == relation.schema and node.alias == relation.identifier -%}
                {%- set declared = kigen.node_meta(node).get('kigen') or {} -%}
                {%- for key in ['purpose', 'message_class', 'contact'] if not declared.get(key) -%}
                    {{- exceptions.raise_compiler_error("Audience " ~ node.name ~ " does not say its " ~ key ~ "; give it config.meta.kigen." ~ key ~ ".") -}}
                {%- endfor -%}
                {%- do selects.append(
                    "select '" ~ node.name ~ "' as audience, '" ~ declared.purpose ~ "' as purpose, '" ~ declared.message_class ~ "' as message_class, '"
                    ~ declared.get('register', '') ~ "' as register, "
                    ~ ('cast(' ~ declared.subject ~ ' as varchar)' if declared.get('subject') else 'cast(null as varchar)') ~ ' as subject_key, '
                    ~ declared.contact ~ ' as contact from ' ~ relation
                ) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {{- selects | join(' union all ') or 'select null as audience, null as purpose, null as message_class, null as register, null as subject_key, null as contact where false' -}}
{%- endmacro -%}
