{#- Every value of a column that is known to be a contact point and that no deletion class governs, as a
    select of schema_name, table_name, column_name, contact (normalised, where it is an e-mail). A
    contact point is an e-mail, and whatever the contact column of a governed table is tagged as.
    Governed raw tables answer for themselves; the stages are made anew from them; the rest is
    whatever a team keeps besides: declared, inherited by a model without saying so, or found by the
    scan, also in tables nobody declares and in columns of governed tables that nobody does.

    Reads relations the warehouse has; one that is not there has no copies. -#}
{%- macro contact_copies() -%}
    {%- set selects = [] -%}
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
                    {%- set value = 'cast(' ~ adapter.quote(column.name) ~ ' as varchar)' -%}
                    {%- if load_relation(relation) is not none -%}
                        {%- do selects.append(
                            "select '" ~ node.schema ~ "' as schema_name, '" ~ relation.identifier ~ "' as table_name, '" ~ column.name ~ "' as column_name, "
                            ~ (kigen.normalised_email(value) if kigen.node_meta(column).pii.startswith('user.contact.email') else value) ~ ' as contact from ' ~ relation
                        ) -%}
                    {%- endif -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endfor -%}
        {#- Nobody here has named these: a name may hold anything. -#}
        {%- for found in kigen.undeclared_columns() if found[3] in categories -%}
            {%- set quoted = [] -%}
            {%- set literal = [] -%}
            {%- for part in [found[0], found[1], found[2]] -%}
                {%- do quoted.append('"' ~ part | replace('"', '""') ~ '"') -%}
                {%- do literal.append("'" ~ part | replace("'", "''") ~ "'") -%}
            {%- endfor -%}
            {%- set value = 'cast(' ~ quoted[2] ~ ' as varchar)' -%}
            {%- do selects.append(
                'select ' ~ literal[0] ~ ' as schema_name, ' ~ literal[1] ~ ' as table_name, ' ~ literal[2] ~ ' as column_name, '
                ~ (kigen.normalised_email(value) if found[3].startswith('user.contact.email') else value)
                ~ ' as contact from ' ~ quoted[0] ~ '.' ~ quoted[1]
            ) -%}
        {%- endfor -%}
    {%- endif -%}
    {{- selects | join('\nunion all\n') or 'select cast(null as varchar) as schema_name, cast(null as varchar) as table_name, cast(null as varchar) as column_name, cast(null as varchar) as contact where false' -}}
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
