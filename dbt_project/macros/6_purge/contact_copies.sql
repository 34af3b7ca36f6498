{#- Every value of a column that is known to be a contact point and that no deletion class governs, as a
    select of schema_name, table_name, column_name, contact (normalised, where it is an e-mail). A
    contact point is an e-mail, and whatever the contact column of a governed table is tagged as.
    Governed raw tables answer for themselves; the stages are made anew from them; the rest is
    whatever a team keeps besides: declared, inherited by a model without saying so, or found by the
    scan, also in tables nobody declares and in columns of governed tables that nobody does.

    Each table is read once, however many such columns it has. Reads relations the warehouse has; one that is not
    there has no copies. -#}
{%- macro contact_copies() -%}
    {%- set tables = {} -%}
    {%- set stages = ['1_staging', '2_tags', '3_consent', '4_retention', '5_audiences', '6_purge', '7_proofs'] -%}
    {%- if execute -%}
        {%- set governed = [] -%}
        {%- for table in kigen.governed_tables() -%}{%- do governed.append(table.relation | string) -%}{%- endfor -%}
        {%- set categories = kigen.contact_categories() -%}
        {%- for node in (graph.sources.values() | list) + (graph.nodes.values() | list) if node.resource_type in ['source', 'seed', 'model', 'snapshot'] and node.schema != 'memory' -%}
            {%- set relation = api.Relation.create(database=node.database, schema=node.schema, identifier=node.get('identifier') or node.get('alias')) -%}
            {%- set is_stage = node.package_name == 'kigen' and node.resource_type != 'source' and node.fqn[1] in stages -%}
            {%- if relation | string not in governed and not is_stage -%}
                {%- for column in node.columns.values() if kigen.node_meta(column).get('pii') in categories -%}
                    {%- if load_relation(relation) is not none -%}
                        {%- do tables.setdefault((node.schema, relation.identifier), {'relation': relation | string, 'columns': []}).columns.append([column.name, kigen.node_meta(column).pii]) -%}
                    {%- endif -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endfor -%}
        {#- Nobody here has named these: a name may hold anything. -#}
        {%- for found in kigen.undeclared_columns() if found[3] in categories -%}
            {%- do tables.setdefault((found[0], found[1]), {'relation': kigen.quoted_name(found[0]) ~ '.' ~ kigen.quoted_name(found[1]), 'columns': []}).columns.append([found[2], found[3]]) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set selects = [] -%}
    {%- for place, table in tables.items() -%}
        {%- do selects.append(kigen._copies_in(place[0], place[1], table.relation, table.columns)) -%}
    {%- endfor -%}
    {{- selects | join('\nunion all\n') or 'select cast(null as varchar) as schema_name, cast(null as varchar) as table_name, cast(null as varchar) as column_name, cast(null as varchar) as contact where false' -}}
{%- endmacro -%}


{#- The copies in one table: a row for each of its rows and columns, by one scan.

    columns: a list of [name, data category]. -#}
{%- macro _copies_in(schema, table, relation, columns) -%}
    select {{ kigen.text_literal(schema) }} as schema_name, {{ kigen.text_literal(table) }} as table_name, places.column_name,
        case places.column_name
        {%- for column in columns %}
        {%- set value = 'cast(copied.' ~ kigen.quoted_name(column[0]) ~ ' as varchar)' %}
            when {{ kigen.text_literal(column[0]) }} then {{ kigen.normalised_email(value) if column[1].startswith('user.contact.email') else value }}
        {%- endfor %}
        end as contact
    from {{ relation }} as copied
    cross join (values {% for column in columns %}({{ kigen.text_literal(column[0]) }}){{ ', ' if not loop.last }}{% endfor %}) as places (column_name)
{%- endmacro -%}


{#- The data categories of contact points, as a list: e-mail, and those of the declared contact columns. -#}
{%- macro contact_categories() -%}
    {%- set categories = ['user.contact.email'] -%}
    {%- for source in graph.sources.values() -%}
        {%- set contact = (kigen.node_meta(source).get('kigen') or {}).get('contact') -%}
        {%- if contact in source.columns -%}
            {%- set category = kigen.node_meta(source.columns[contact]).get('pii') -%}
            {%- if category and category not in categories -%}{%- do categories.append(category) -%}{%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(categories) -}}
{%- endmacro -%}
