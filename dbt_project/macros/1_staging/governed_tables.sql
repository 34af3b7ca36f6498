{#- The governed tables, as the sources declare them, in the order of their names.

    Returns a list of dicts: name ('shop.members'), relation, keys (list of columns), subject and
    contact (columns or none; all columns quoted), classes (list), register, former, requests, stays_purged, purge_last (booleans),
    parent (name or none), follows (dict or none), personal (list of columns tagged pii), categories (the personal
    data categories in the order of their names, each with its list of columns; the subject is one of user.unique_id,
    where its column has no tag of its own), has_email (whether the contact is an e-mail address).
    Empty while dbt parses: the graph is known only when a node runs. -#}
{%- macro governed_tables() -%}
    {%- set tables = [] -%}
    {%- if execute -%}
        {%- for source in graph.sources.values() | sort(attribute='unique_id') -%}
            {%- set declared = kigen.node_meta(source).get('kigen') -%}
            {%- if declared and source.schema != 'memory' -%}
                {%- set personal = [] -%}
                {%- for column in source.columns.values() if kigen.node_meta(column).get('pii', 'none') != 'none' -%}
                    {%- do personal.append(adapter.quote(column.name)) -%}
                {%- endfor -%}
                {%- set columns = {} -%}
                {%- for column in source.columns.values() -%}
                    {%- set category = kigen.node_meta(column).get('pii') or ('user.unique_id' if column.name == declared.get('subject') else 'none') -%}
                    {%- if category == 'user' or category.startswith('user.') -%}
                        {%- do columns.setdefault(category, []).append(adapter.quote(column.name)) -%}
                    {%- endif -%}
                {%- endfor -%}
                {%- set contact = source.columns.get(declared.get('contact')) -%}
                {%- set keys = [] -%}
                {%- for key in ([declared.key] if declared.key is string else declared.key) -%}{%- do keys.append(adapter.quote(key)) -%}{%- endfor -%}
                {%- do tables.append({
                    'name': source.source_name ~ '.' ~ source.name,
                    'relation': api.Relation.create(database=source.database, schema=source.schema, identifier=source.identifier),
                    'keys': keys,
                    'subject': adapter.quote(declared.subject) if declared.get('subject') else none,
                    'contact': adapter.quote(declared.contact) if declared.get('contact') else none,
                    'classes': declared.get('deletion_classes', []),
                    'register': declared.get('register', false),
                    'former': declared.get('former', false),
                    'requests': declared.get('requests', false) is not false,
                    'stays_purged': declared.get('stays_purged', false),
                    'purge_last': declared.get('purge_last', false),
                    'parent': declared.get('parent'),
                    'follows': declared.get('follows'),
                    'personal': personal,
                    'categories': dict(columns | dictsort),
                    'has_email': (kigen.node_meta(contact).get('pii') or '').startswith('user.contact.email') if contact else false,
                }) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{- return(tables) -}}
{%- endmacro -%}


{#- One governed table by its name; an error names those there are. -#}
{%- macro governed_table(name) -%}
    {%- set tables = kigen.governed_tables() -%}
    {%- set found = tables | selectattr('name', 'equalto', name) | list -%}
    {%- if not found -%}
        {{- exceptions.raise_compiler_error("'" ~ name ~ "' is no governed table; declare meta.kigen on its source. Governed: " ~ tables | map(attribute='name') | join(', ')) -}}
    {%- endif -%}
    {{- return(found[0]) -}}
{%- endmacro -%}


{#- The meta of a node or column, wherever this dbt keeps it: under config, or beside it. -#}
{%- macro node_meta(node) -%}
    {%- set config = node.get('config') or {} -%}
    {{- return(config.get('meta') or node.get('meta') or {}) -}}
{%- endmacro -%}
