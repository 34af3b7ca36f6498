{#- A table of a source for whoever may see what happened and not to whom: the declared columns, every personal one
    masked by its category. What nobody declared is not shown, and what the last scan found personal without a
    declaration is null.

    source: the relation of a declared source.

    Masks (`mask_of`): `pseudonym`, a keyed digest, the same in every masked table, so that it joins, and another
    than the digests of suppressions and ledger; `domain` of an e-mail; `year`; `prefix`, the first three
    characters; `null`. A column says otherwise by `meta.kigen.mask`. The contact column has a second one beside it,
    `<name>_pseudonym`, of the normalised address. -#}
{%- macro masked(source) -%}
    {%- set selects = [] -%}
    {%- if execute -%}
        {%- set node = (graph.sources.values() | selectattr('schema', 'equalto', source.schema) | selectattr('identifier', 'equalto', source.identifier) | list)[0] -%}
        {%- set declared = kigen.node_meta(node).get('kigen') or {} -%}
        {%- set found = [] -%}
        {%- for column in kigen.undeclared_columns() if column[0] == source.schema and column[1] == source.identifier -%}
            {%- do found.append(column[2]) -%}
        {%- endfor -%}
        {%- for column in node.columns.values() -%}
            {%- set name = adapter.quote(column.name) -%}
            {%- set mask = 'null' if column.name in found else kigen._mask_of_column(column, declared) -%}
            {%- do selects.append(kigen.mask('source.' ~ name, mask) ~ ' as ' ~ name) -%}
            {%- if column.name == declared.get('contact') -%}
                {%- set contact = 'cast(source.' ~ name ~ ' as varchar)' -%}
                {%- set is_email = (kigen.node_meta(column).get('pii') or '').startswith('user.contact.email') -%}
                {%- do selects.append(kigen.mask(kigen.normalised_email(contact) if is_email else contact, 'pseudonym') ~ ' as ' ~ adapter.quote(column.name ~ '_pseudonym')) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
select
    {{ selects | join(',\n    ') or 'null as nothing' }}
from {{ source }} as source
cross join {{ kigen.pads() }} as pads
{%- endmacro -%}


{#- The value of a column under a mask.

    value: an expression; mask: `none`, `null`, `prefix`, `domain`, `year` or `pseudonym`. -#}
{%- macro mask(value, mask) -%}
    {%- if mask == 'none' -%}
        {{- return(value) -}}
    {%- elif mask == 'null' -%}
        {{- return('cast(null as varchar)') -}}
    {%- elif mask == 'prefix' -%}
        {{- return('left(cast(' ~ value ~ ' as varchar), 3)') -}}
    {%- elif mask == 'domain' -%}
        {{- return("'@' || nullif(split_part(cast(" ~ value ~ " as varchar), '@', 2), '')") -}}
    {%- elif mask == 'year' -%}
        {{- return('year(' ~ kigen.as_type(value, 'date') ~ ')') -}}
    {%- elif mask == 'pseudonym' -%}
        {{- return(kigen.digest("'masked' || chr(9) || cast(" ~ value ~ ' as varchar)')) -}}
    {%- endif -%}
    {{- exceptions.raise_compiler_error("Model " ~ model.name ~ ": mask '" ~ mask ~ "' is unknown; allowed: none, null, prefix, domain, year, pseudonym.") -}}
{%- endmacro -%}


{#- The mask of a data category: its own, or that of the one here it is a kind of; null for every other of a person. -#}
{%- macro mask_of(category) -%}
    {%- set masks = {
        'user.contact.email': 'domain',
        'user.contact.address.postal_code': 'prefix',
        'user.demographic.date_of_birth': 'year',
        'user.unique_id': 'pseudonym',
        'user.account.username': 'pseudonym',
        'user.device.cookie_id': 'pseudonym',
        'user.device.device_id': 'pseudonym',
    } -%}
    {%- for masked, mask in masks.items() if category == masked or category.startswith(masked ~ '.') -%}
        {{- return(mask) -}}
    {%- endfor -%}
    {{- return('null' if category == 'user' or category.startswith('user.') else 'none') -}}
{%- endmacro -%}


{#- The mask of a declared column: its own, or that of its category; a subject, and the key of a register of
    persons, is a pseudonym. -#}
{%- macro _mask_of_column(column, declared) -%}
    {%- set meta = kigen.node_meta(column) -%}
    {%- set own = (meta.get('kigen') or {}).get('mask') -%}
    {%- set keys = [declared.key] if declared.get('key') is string else (declared.get('key') or []) -%}
    {%- set is_of_persons = declared.get('register') or declared.get('former') -%}
    {%- if own -%}
        {{- return(own) -}}
    {%- elif column.name == declared.get('subject') or (is_of_persons and column.name in keys) -%}
        {{- return('pseudonym') -}}
    {%- endif -%}
    {{- return(kigen.mask_of(meta.get('pii', 'none'))) -}}
{%- endmacro -%}
