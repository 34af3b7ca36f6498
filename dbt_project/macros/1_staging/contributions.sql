{#- The models that contribute to a generic stage: the reference shop's, where it is switched on,
    and the team's own (vars kigen_shop, kigen_shop_contributions, kigen_contributions).

    kind: subjects, consent_events, refusals, activities, erasures, holds, notices, bars, records, audiences,
    bad_rows, memories or requests;
    docs/adoption.md lists the columns each kind has.
    Returns a list of relations, and makes the calling model depend on them. -#}
{%- macro contributions(kind) -%}
    {%- set relations = [] -%}
    {%- for name in kigen._contribution_names(kind) -%}
        {%- do relations.append(ref(name)) -%}
    {%- endfor -%}
    {{- return(relations) -}}
{%- endmacro -%}


{#- The names of the models that contribute, without a dependency on them. -#}
{%- macro _contribution_names(kind) -%}
    {%- set kinds = ['subjects', 'consent_events', 'refusals', 'activities', 'erasures', 'holds', 'notices', 'bars', 'records', 'audiences', 'bad_rows', 'memories', 'requests'] -%}
    {%- for given in var('kigen_contributions') if given not in kinds -%}
        {{- exceptions.raise_compiler_error("var kigen_contributions has '" ~ given ~ "', which is no kind of contribution; the kinds are " ~ kinds | join(', ')) -}}
    {%- endfor -%}
    {%- set names = [] -%}
    {%- if var('kigen_shop') -%}
        {%- do names.extend(var('kigen_shop_contributions').get(kind, [])) -%}
    {%- endif -%}
    {%- do names.extend(var('kigen_contributions').get(kind, [])) -%}
    {{- return(names) -}}
{%- endmacro -%}


{#- A subject key as the stages compare it: as it comes, while there is one register; as text where there
    are several, whose keys may differ in type. A cast of text to a number would fail, and print the key.

    column: an expression. -#}
{%- macro subject_key(column) -%}
    {%- if kigen._contribution_names('subjects') | length > 1 -%}
        cast({{ column }} as varchar)
    {%- else -%}
        {{ column }}
    {%- endif -%}
{%- endmacro -%}


{#- All rows of a kind of contribution, with the columns given; no rows, but the columns, where nobody
    contributes.

    kind: as in contributions(); columns: a list of [name, type]. -#}
{%- macro contributed(kind, columns) -%}
    {%- for relation in kigen.contributions(kind) -%}
    select {% for column in columns %}
    {%- if column[0] == 'subject_key' -%}{{ kigen.subject_key('subject_key') }} as subject_key
    {%- else -%}{{ column[0] }}
    {%- endif -%}
    {{ ', ' if not loop.last }}{% endfor %}
    from {{ relation }}
    {%- if not loop.last %}
    union all
    {% endif -%}
    {%- else -%}
    select {% for column in columns %}cast(null as {{ column[1] }}) as {{ column[0] }}{{ ', ' if not loop.last }}{% endfor %}
    where false
    {%- endfor -%}
{%- endmacro -%}
