{#- The audiences of the project, as the manifest has them.

    Returns a list of dicts: name, categories (of its tagged columns, in the order of their names), tables (the governed
    tables it is made from, by way of whatever models), has_email (whether its contact is an e-mail address). No
    dependency on them: they are of a later stage. Empty while dbt parses. -#}
{%- macro audience_reach() -%}
    {%- set audiences = [] -%}
    {%- if execute -%}
        {%- set sources = {} -%}
        {%- for source in graph.sources.values() if source.schema != 'memory' and kigen.node_meta(source).get('kigen') -%}
            {%- do sources.update({source.unique_id: source.source_name ~ '.' ~ source.name}) -%}
        {%- endfor -%}
        {%- for node in graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | sort(attribute='name') if (kigen.node_meta(node).get('kigen') or {}).get('message_class') -%}
            {%- set contact = node.columns.get(kigen.node_meta(node).kigen.contact) -%}
            {%- set categories = [] -%}
            {%- for column in node.columns.values() -%}
                {%- set category = kigen.node_meta(column).get('pii') or 'none' -%}
                {%- if category == 'user' or category.startswith('user.') -%}{%- do categories.append(category) -%}{%- endif -%}
            {%- endfor -%}
            {%- do audiences.append({
                'name': node.name,
                'categories': categories | unique | sort,
                'tables': kigen._sources_above(node, sources),
                'has_email': (kigen.node_meta(contact).get('pii') or '').startswith('user.contact.email') if contact else false,
            }) -%}
        {%- endfor -%}
    {%- endif -%}
    {{- return(audiences) -}}
{%- endmacro -%}


{#- The names of those of some sources from which a node is made. -#}
{%- macro _sources_above(node, sources) -%}
    {%- set seen = {} -%}
    {%- set waiting = node.depends_on.nodes | list -%}
    {#- Every node adds its parents once, so this is as long as there are edges. -#}
    {%- for unique_id in waiting if unique_id not in seen -%}
        {%- do seen.update({unique_id: true}) -%}
        {%- do waiting.extend(graph.nodes[unique_id].depends_on.nodes if unique_id in graph.nodes else []) -%}
    {%- endfor -%}
    {%- set names = [] -%}
    {%- for unique_id in seen if unique_id in sources -%}{%- do names.append(sources[unique_id]) -%}{%- endfor -%}
    {{- return(names | sort) -}}
{%- endmacro -%}
