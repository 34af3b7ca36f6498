{#- The rule of DESIGN section 5, "State of a record", for one governed table. A clock model ends with
    it; what it returns continues the model's `with` clause.

    table: the governed table, as 'shop.members'.
    clocks: the name of the model's CTE with one row per row of the table:
        the key columns; subject_key and contact (null where there is none); dated_at (what an erasure's
        date is compared with); and, for each declared class but `erasure_request`, two columns:
        <class>__clock_source (varchar: the column the clock is read from; null where the class does
        not apply) and <class>__clock_at (timestamp: null where the clock is not known).
    register: the relation that judged the register this table follows (needed where meta.kigen has
        `follows`).
    follows_if: SQL over the CTE's row, `given`: whether there is anything left to follow with.
    kept_if: SQL over the same row: whether the record must stay, whatever its classes say.
    has_readable: whether the CTE has a boolean is_readable, false where a key or a time of the row could
        not be read: such a row is unclassed, as one whose key stands twice.

    Returns one row per record: its keys, subject_key, contact, for each class clock, deadline and
    rank (its state as a number, see state_of_rank: what is stored is narrow), and the record's own state,
    with the class, the deadline and the action it comes from. -#}
{%- macro records_of(table, clocks, register=none, follows_if='true', kept_if=none, has_readable=false) -%}
{%- set as_of_relation = ref('as_of') -%}
{%- set duplicates = ref('duplicate_keys') -%}
{%- set erasures = ref('erasure_reach') -%}
{%- set holds = ref('hold_reach') -%}
{%- set left_mailboxes = ref('left_mailboxes') -%}
{%- set subjects = ref('subjects') -%}
{%- set digests = ref('record_digests') -%}
{%- set purged = source('memory', 'purged_records') -%}
{%- set suppressed = source('memory', 'suppressions') -%}
{%- set notice_rows = kigen.contributed('notices', [['contact', 'varchar'], ['sent_at', 'timestamp']]) -%}
{%- set act_rows = kigen.contributed('activities', [['subject_key', 'varchar'], ['contact', 'varchar'], ['acted_at', 'timestamp']]) -%}
{%- set policy_relation = ref('deletion_classes') -%}
{%- if not execute -%}
select * from {{ clocks }}
{%- else -%}
{%- set declared = kigen.governed_table(table) -%}
{%- set policies = kigen.class_policies(declared) -%}
{%- set keys = declared['keys'] -%}
{%- set given_keys = [] -%}
{%- for key in keys -%}{%- do given_keys.append('given.' ~ key) -%}{%- endfor -%}
{#- Text keys that differ may be read as one. -#}
{%- set has_text_key = [] -%}
{%- for column in adapter.get_columns_in_relation(declared.relation) if column.is_string() -%}
    {%- for key in keys if key | lower == adapter.quote(column.name) | lower -%}{%- do has_text_key.append(key) -%}{%- endfor -%}
{%- endfor -%}
{%- set acting = policies | rejectattr('floor', 'equalto', 'only') | list -%}
{%- set noticed = acting | selectattr('has_notice') | list -%}
{%- set waived = noticed | selectattr('is_waived_for_left_mailbox') | list -%}
{%- set erasable = 'erasure_request' in declared['classes'] -%}
{#- Nobody comes back to where nobody has been purged. -#}
{%- set comes_back = declared.stays_purged and kigen.has_rows(purged) -%}
{%- set follows = declared.follows -%}
{%- if follows and register is none -%}
    {{- exceptions.raise_compiler_error('records_of(' ~ table ~ '): the source says it follows ' ~ follows.register ~ '; give records_of the relation that judges it, register=ref(...)') -}}
{%- endif -%}
{%- set bound = comes_back or follows -%}
{%- set following_action = 'delete' if comes_back and not follows else (follows.action if follows else 'delete') -%}

-- How much there is to look up: where there is nothing, no key is even made for it.
lookups as (

    select
        as_of.as_of,
        (select count(*) from {{ duplicates }} where table_name = '{{ table }}') as duplicate_count,
        (select count(*) from {{ erasures }}) as erasure_count,
        (select count(*) from {{ holds }}) as hold_count
    from {{ as_of_relation }} as as_of

),

noted as (

    select
        given.*,
        lookups.*,
        {{ kigen.record_key(given_keys) }} is null
        or duplicates.record_key is not null
        {%- if has_text_key %}
        or count(*) over (partition by {{ kigen.record_key(given_keys) }}) > 1
        {%- endif %}
        {%- if has_readable %}
        or not coalesce(given.is_readable, false)
        {%- endif %} as is_unclear
        {%- if erasable %},
        least(
            {{ kigen.earliest_moment('by_subject.verified_ats', 'given.dated_at is null or moment >= given.dated_at') }},
            {{ kigen.earliest_moment('by_contact.verified_ats', 'given.dated_at is null or moment >= given.dated_at') }}
            {%- if declared.former %},
            {{ kigen.earliest_moment('by_record.verified_ats', 'given.dated_at is null or moment >= given.dated_at') }}
            {%- endif %}
        ) as erasure_request__clock_at
        {%- endif %}
    from {{ clocks }} as given
    cross join lookups
    left join {{ duplicates }} as duplicates
        on
            duplicates.table_name = '{{ table }}'
            and duplicates.record_key = case when lookups.duplicate_count > 0 then {{ kigen.record_key(given_keys) }} end
    {%- if erasable %}
    left join {{ erasures }} as by_subject
        on
            by_subject.reach_kind = 'subject'
            and by_subject.reach_key = case when lookups.erasure_count > 0 then cast(given.subject_key as varchar) end
    left join {{ erasures }} as by_contact
        on
            by_contact.reach_kind = 'contact'
            and by_contact.reach_key = case when lookups.erasure_count > 0 and given.subject_key is null then given.contact end
    {%- if declared.former %}
    left join {{ erasures }} as by_record
        on
            by_record.reach_kind = 'record'
            and by_record.table_name = '{{ table }}'
            and by_record.reach_key = case when lookups.erasure_count > 0 then {{ kigen.record_key(given_keys) }} end
    {%- endif %}
    {%- endif %}

),

sourced as (

    select
        *
        {%- if erasable %},
        case when erasure_request__clock_at is not null then 'identity_verified_at' end as erasure_request__clock_source
        {%- endif %}
    from noted

),

-- Deadline: clock plus period. A record with a duplicate key has no class.
dated as (

    select
        *,
        {%- for policy in policies %}
        case
            when not is_unclear and {{ policy.deletion_class }}__clock_source is not null
                then {{ kigen.moved_by(policy.deletion_class ~ '__clock_at', policy.period_months | int, policy.period_days | int) }}
        end as {{ policy.deletion_class }}__deadline_at
        {{- ',' if not loop.last }}
        {%- endfor %}
    from sourced

),
{% if noticed %}
-- Only a record whose last notice may be due looks for it.
windowed as (

    select
        *,
        case
            when
                {%- for policy in noticed %}
                as_of >= {{ kigen.moved_by(policy.deletion_class ~ '__deadline_at', -policy.notice_months | int, -policy.notice_days | int) }}
                {{- ' or' if not loop.last }}
                {%- endfor %}
                then contact
        end as window_contact
    from dated

),

notices as (

    select
        contact,
        {{ kigen.moments('sent_at') }} as sent_ats
    from (
        {{ notice_rows }}
    ) as notice_rows
    where contact is not null
    group by contact

),

-- The notice of this cycle: after the clock, and not before the time for it has come.
warned as (

    select
        windowed.*,
        {%- for policy in noticed %}
        {{- ' case when left_mailboxes.contact is null then' if policy.is_waived_for_left_mailbox }}
        {{ kigen.earliest_moment(
            'notices.sent_ats',
            'moment > windowed.' ~ policy.deletion_class ~ '__clock_at and moment >= '
            ~ kigen.moved_by('windowed.' ~ policy.deletion_class ~ '__deadline_at', -policy.notice_months | int, -policy.notice_days | int)
        ) }}
        {{- ' end' if policy.is_waived_for_left_mailbox }} as {{ policy.deletion_class }}__notice_sent_at,
        {%- endfor %}
        left_mailboxes.contact is not null as is_left_mailbox
    from windowed
    left join notices on windowed.window_contact = notices.contact
    left join {{ left_mailboxes }} as left_mailboxes on windowed.window_contact = left_mailboxes.contact

),
{% endif %}
{#- Ranks are the order of DESIGN: 7 expired, 6 held, 5 floored, 4 in_grace, 3 notice_due, 2 unclocked, 1 active, 0 none. -#}
due as (

    select
        *,
        {%- for policy in noticed %}
        greatest(
            {{ policy.deletion_class }}__deadline_at,
            {{ kigen.moved_by(policy.deletion_class ~ '__notice_sent_at', policy.notice_months | int, policy.notice_days | int) }}
        ) as {{ policy.deletion_class }}__ends_at,
        {%- endfor %}
        {%- for policy in acting %}
        case
            when is_unclear or {{ policy.deletion_class }}__clock_source is null then 0
            when {{ policy.deletion_class }}__deadline_at is null then 2
            {%- if policy.has_notice %}
            {%- if policy.is_waived_for_left_mailbox %}
            when is_left_mailbox then case when {{ policy.deletion_class }}__deadline_at <= as_of then 7 else 1 end
            {%- endif %}
            when as_of < {{ kigen.moved_by(policy.deletion_class ~ '__deadline_at', -policy.notice_months | int, -policy.notice_days | int) }} then 1
            when {{ policy.deletion_class }}__notice_sent_at is null then 3
            when
                as_of < greatest(
                    {{ policy.deletion_class }}__deadline_at,
                    {{ kigen.moved_by(policy.deletion_class ~ '__notice_sent_at', policy.notice_months | int, policy.notice_days | int) }}
                )
                then 4
            else 7
            {%- else %}
            when {{ policy.deletion_class }}__deadline_at <= as_of then 7
            else 1
            {%- endif %}
        end as {{ policy.deletion_class }}__due_rank
        {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ 'warned' if noticed else 'dated' }}

),
{% if bound %}
acts as (

    select acts.*
    from (
        {{ act_rows }}
    ) as acts
    cross join {{ as_of_relation }} as as_of
    where acts.acted_at <= as_of.as_of

),

pads as (

    select * from {{ kigen.pads() }}

),
{% if comes_back %}
-- "Who was purged stays purged": rows of this table that the ledger has as deleted.
returned as (

    select
        digests.record_key,
        max(purged.purged_at) as purged_at,
        max_by(purged.deletion_class, purged.purged_at) as deletion_class,
        max_by(purged.deadline_at, purged.purged_at) as deadline_at
    from {{ purged }} as purged
    inner join {{ digests }} as digests
        on
            purged.table_name = digests.table_name
            and purged.record_digest = digests.record_digest
    cross join {{ as_of_relation }} as as_of
    where
        purged.table_name = '{{ table }}'
        and purged.purged_at <= as_of.as_of
    group by digests.record_key

),

returned_rows as (

    select
        returned.*,
        due.subject_key,
        due.contact,
        due.dated_at
    from returned
    inner join due
        on
            returned.record_key = {{ kigen.record_key(keys) }}
            and not due.is_unclear

),

-- Whose person has acted since is no longer bound by it.
acted_since as (

    select returned_rows.record_key
    from returned_rows
    inner join acts on {{ kigen.subject_key('returned_rows.subject_key') }} = acts.subject_key
    where acts.acted_at > returned_rows.purged_at

    union

    select returned_rows.record_key
    from returned_rows
    inner join acts on returned_rows.contact = acts.contact
    where
        returned_rows.subject_key is null
        and acts.acted_at > returned_rows.purged_at
    {%- if declared.register or declared.former %}

    union

    select returned_rows.record_key
    from returned_rows
    cross join {{ as_of_relation }} as as_of
    where
        returned_rows.dated_at > returned_rows.purged_at
        and returned_rows.dated_at <= as_of.as_of
    {%- endif %}
    {%- if declared.former %}

    union

    select returned_rows.record_key
    from returned_rows
    inner join {{ subjects }} as subjects
        on
            subjects.former_table = '{{ table }}'
            and returned_rows.record_key = subjects.former_key
    inner join acts on subjects.subject_key = acts.subject_key
    where acts.acted_at > returned_rows.purged_at
    {%- endif %}

),
{% endif %}
{% if follows %}
-- "When a member row is deleted": the rows of the register that go in this very plan ...
leaving as (

    select
        subject_key,
        contact,
        deletion_class,
        deadline_at
    from {{ register }}
    where
        state = 'expired'
        and action = 'delete'

),

{% if 'subject' in follows.by %}
-- ... and those that went before, for followers that were kept then, or came later.
stray_subjects as (

    select distinct
        due.subject_key,
        {{ kigen.digest("'" ~ follows.register ~ "|' || cast(due.subject_key as varchar)") }} as record_digest
    from due
    cross join pads
    cross join (
        select count(*) as purged_count
        from {{ purged }} as gone
        where gone.table_name = '{{ follows.register }}'
    ) as memory
    left join {{ register }} as register on due.subject_key = register.subject_key
    where
        memory.purged_count > 0
        and due.subject_key is not null
        and register.subject_key is null

),

gone as (

    select
        stray_subjects.subject_key,
        max(purged.purged_at) as purged_at,
        max_by(purged.deletion_class, purged.purged_at) as deletion_class,
        max_by(purged.deadline_at, purged.purged_at) as deadline_at
    from stray_subjects
    inner join {{ purged }} as purged
        on
            purged.table_name = '{{ follows.register }}'
            and stray_subjects.record_digest = purged.record_digest
    cross join {{ as_of_relation }} as as_of
    where purged.purged_at <= as_of.as_of
    group by stray_subjects.subject_key

),

departed_subjects as (

    select
        subject_key,
        deletion_class,
        deadline_at
    from leaving
    where subject_key is not null

    union all

    select
        gone.subject_key,
        gone.deletion_class,
        gone.deadline_at
    from gone
    left join acts
        on
            {{ kigen.subject_key('gone.subject_key') }} = acts.subject_key
            and acts.acted_at > gone.purged_at
    where acts.subject_key is null

),
{% endif %}
{% if 'contact' in follows.by %}
staying_contacts as (

    select contact
    from {{ register }}
    where
        contact is not null
        and not (state = 'expired' and coalesce(action = 'delete', false))

),

stray_contacts as (

    select distinct
        due.contact,
        {{ kigen.digest('due.contact') }} as contact_digest
    from due
    cross join pads
    cross join (
        select count(*) as suppressed_count
        from {{ suppressed }} as suppressions
        where suppressions.reason = 'purge'
    ) as memory
    left join {{ register }} as register on due.contact = register.contact
    where
        memory.suppressed_count > 0
        and due.contact is not null
        and register.contact is null

),

gone_contacts as (

    select
        stray_contacts.contact,
        max(suppressions.since) as purged_at,
        max_by(suppressions.deletion_class, suppressions.since) as deletion_class,
        max_by(suppressions.deadline_at, suppressions.since) as deadline_at
    from stray_contacts
    inner join {{ suppressed }} as suppressions on stray_contacts.contact_digest = suppressions.contact_digest
    cross join {{ as_of_relation }} as as_of
    where
        suppressions.reason = 'purge'
        and suppressions.since <= as_of.as_of
    group by stray_contacts.contact

),

departed_contacts as (

    select
        leaving.contact,
        leaving.deletion_class,
        leaving.deadline_at
    from leaving
    left join staying_contacts on leaving.contact = staying_contacts.contact
    where
        leaving.contact is not null
        and staying_contacts.contact is null

    union all

    select
        gone_contacts.contact,
        gone_contacts.deletion_class,
        gone_contacts.deadline_at
    from gone_contacts
    left join acts
        on
            gone_contacts.contact = acts.contact
            and acts.acted_at > gone_contacts.purged_at
    where acts.contact is null

),
{% endif %}
{% endif %}
binding_rows as (

    {% if comes_back -%}
    select
        returned_rows.record_key,
        returned_rows.deletion_class,
        returned_rows.deadline_at,
        'memory.purged_records' as clock_source
    from returned_rows
    left join acted_since on returned_rows.record_key = acted_since.record_key
    where acted_since.record_key is null
    {%- endif %}
    {%- if comes_back and follows %}

    union all
    {% endif %}
    {%- if follows and 'subject' in follows.by %}
    select
        {{ kigen.record_key(keys) }} as record_key,
        departed_subjects.deletion_class,
        departed_subjects.deadline_at,
        '{{ follows.register }}' as clock_source
    from due
    inner join departed_subjects on due.subject_key = departed_subjects.subject_key
    where
        not due.is_unclear
        and {{ follows_if }}
    {%- endif %}
    {%- if follows and follows.by | length > 1 %}

    union all
    {% endif %}
    {%- if follows and 'contact' in follows.by %}
    select
        {{ kigen.record_key(keys) }} as record_key,
        departed_contacts.deletion_class,
        departed_contacts.deadline_at,
        '{{ follows.register }}' as clock_source
    from due
    inner join departed_contacts on due.contact = departed_contacts.contact
    where
        not due.is_unclear
        and {{ follows_if }}
    {%- endif %}

),

ranked_bindings as (

    select
        *,
        row_number() over (
            partition by record_key
            order by case when clock_source = 'memory.purged_records' then 0 else 1 end, deadline_at nulls last, deletion_class
        ) as place,
        count(*) over () as binding_count
    from binding_rows

),

bindings as (

    select
        record_key,
        deletion_class,
        deadline_at,
        clock_source
    from ranked_bindings
    where place = 1

),

{% endif -%}
bound as (

    select
        due.*,
        {%- if bound %}
        bindings.deletion_class as bound_class,
        bindings.deadline_at as bound_deadline_at,
        bindings.clock_source as bound_clock_source,
        case when bindings.record_key is null then 0 else 7 end as bound_due_rank
        {%- else %}
        cast(null as varchar) as bound_class,
        cast(null as timestamp) as bound_deadline_at,
        cast(null as varchar) as bound_clock_source,
        0 as bound_due_rank
        {%- endif %}
    from due
    {%- if bound %}
    cross join (select count(*) as binding_count from bindings) as counted
    left join bindings
        on bindings.record_key = case when counted.binding_count > 0 then {{ kigen.record_key(keys) }} end
    {%- endif %}

),

{#- Floors, by the action they forbid. -#}
floored as (

    select
        *,
        {%- for action in ['delete', 'anonymise'] %}
        {%- set floors = policies | selectattr('floor', 'in', ['yes', 'only']) | selectattr('action', 'equalto', action) | list %}
        (false
        {%- if kept_if is not none %} or ({{ kept_if }}){% endif %}
        {%- for policy in floors %} or ({{ policy.deletion_class }}__clock_source is not null and {{ policy.deletion_class }}__deadline_at is null){% endfor -%}
        ) as has_untold_floor_to_{{ action }},
        {%- if floors %}
        greatest({% for policy in floors %}{{ policy.deletion_class }}__deadline_at{{ ', ' if not loop.last }}{% endfor %}) as floor_to_{{ action }}
        {%- else %}
        cast(null as timestamp) as floor_to_{{ action }}
        {%- endif %},
        {%- endfor %}
        hold_count > 0 and greatest(
            bound_due_rank{% for policy in acting %}, {{ policy.deletion_class }}__due_rank{% endfor %}
        ) = 7 as looks_for_hold
    from bound

),

hold_keys as (

    select
        reach_kind,
        former_table,
        reach_key,
        min(hold_id) as hold_id
    from {{ holds }}
    where
        table_name is null
        or table_name = '{{ table }}'
        {%- if declared.register %}
        -- A hold on a subject keeps the subject's own row, by which it finds the rest.
        or reach_kind in ('subject', 'contact')
        {%- endif %}
    group by reach_kind, former_table, reach_key

),

held as (

    select
        floored.*,
        least(
            case when floored.looks_for_hold then everything.hold_id end,
            by_subject.hold_id,
            by_contact.hold_id
            {%- if declared.former %},
            by_record.hold_id
            {%- endif %}
        ) as open_hold_id
    from floored
    cross join (select min(hold_keys.hold_id) as hold_id from hold_keys where hold_keys.reach_kind = 'all') as everything
    left join hold_keys as by_subject
        on
            by_subject.reach_kind = 'subject'
            and by_subject.reach_key = case when floored.looks_for_hold then cast(floored.subject_key as varchar) end
    left join hold_keys as by_contact
        on
            by_contact.reach_kind = 'contact'
            and by_contact.reach_key = case when floored.looks_for_hold then floored.contact end
    {%- if declared.former %}
    left join hold_keys as by_record
        on
            by_record.reach_kind = 'record'
            and by_record.former_table = '{{ table }}'
            and by_record.reach_key = case when floored.looks_for_hold then {{ kigen.record_key(keys) }} end
    {%- endif %}

),

ranked as (

    select
        *,
        {%- for policy in acting %}
        case
            {%- if comes_back %}
            -- The ledger's class and deadline stand for its own.
            when bound_due_rank = 7 and bound_clock_source = 'memory.purged_records' and bound_class = '{{ policy.deletion_class }}' then 0
            {%- endif %}
            when {{ policy.deletion_class }}__due_rank < 7 then {{ policy.deletion_class }}__due_rank
            when open_hold_id is not null then 6
            when has_untold_floor_to_{{ policy.action }} or floor_to_{{ policy.action }} > as_of then 5
            else 7
        end as {{ policy.deletion_class }}__rank,
        {%- endfor %}
        case
            when bound_due_rank < 7 then 0
            when open_hold_id is not null then 6
            when has_untold_floor_to_{{ following_action }} or floor_to_{{ following_action }} > as_of then 5
            else 7
        end as bound_full_rank
    from held

),

-- A follower goes under a class of its own where one has it expired itself; a returned row does not.
owned as (

    select
        *,
        greatest(0{% for policy in acting %}, {{ policy.deletion_class }}__rank{% endfor %}) as own_rank,
        case
            when
                coalesce(bound_clock_source <> 'memory.purged_records', true)
                and (
                    greatest(0{% for policy in acting %}, {{ policy.deletion_class }}__rank{% endfor %}) = 7
                    -- One row per record and class: where its own is the member's class, its own stands.
                    {%- for policy in acting %}
                    or ({{ policy.deletion_class }}__rank > 0 and bound_class = '{{ policy.deletion_class }}')
                    {%- endfor %}
                )
                then 0
            else bound_full_rank
        end as bound_rank
    from ranked

),

summed as (

    select
        *,
        greatest(own_rank, bound_rank) as record_rank,
        case
            when greatest(own_rank, bound_rank) < 7 then null
            when
                (bound_rank = 7 and '{{ following_action }}' = 'delete')
                {%- for policy in acting if policy.action == 'delete' %}
                or {{ policy.deletion_class }}__rank = 7
                {%- endfor %}
                then 'delete'
            else 'anonymise'
        end as action
    from owned

),

{#- Of the classes that have the record's state, those that act, and of them the earliest deadline. -#}
timed as (

    select
        *,
        least(
            case when bound_rank = record_rank and record_rank > 0 and (action is null or action = '{{ following_action }}') then bound_deadline_at end
            {%- for policy in acting %},
            case when {{ policy.deletion_class }}__rank = record_rank and record_rank > 0 and (action is null or action = '{{ policy.action }}') then {{ policy.deletion_class }}__deadline_at end
            {%- endfor %}
        ) as deadline_at
    from summed

),

judged as (

    select
        {%- for key in keys %}
        {{ key }},
        {%- endfor %}
        subject_key,
        contact,
        {{ kigen.state_of_rank('record_rank', "'unclassed'") }} as state,
        action,
        least(
            case when bound_rank = record_rank and record_rank > 0 and (action is null or action = '{{ following_action }}') and bound_deadline_at is not distinct from deadline_at then bound_class end
            {%- for policy in acting %},
            case when {{ policy.deletion_class }}__rank = record_rank and record_rank > 0 and (action is null or action = '{{ policy.action }}') and {{ policy.deletion_class }}__deadline_at is not distinct from deadline_at then '{{ policy.deletion_class }}' end
            {%- endfor %}
        ) as deletion_class,
        deadline_at,
        open_hold_id as held_by,
        {%- for policy in acting %}
        case when not is_unclear then {{ policy.deletion_class }}__clock_at end as {{ policy.deletion_class }}__clock_at,
        case when not is_unclear then {{ policy.deletion_class }}__clock_source end as {{ policy.deletion_class }}__clock_source,
        {{ policy.deletion_class }}__deadline_at,
        {%- if policy.has_notice %}
        {{ policy.deletion_class }}__notice_sent_at,
        case when {{ policy.deletion_class }}__notice_sent_at is not null then {{ policy.deletion_class }}__ends_at end as {{ policy.deletion_class }}__grace_until,
        {%- endif %}
        case when {{ policy.deletion_class }}__due_rank = 7 and not has_untold_floor_to_{{ policy.action }} and floor_to_{{ policy.action }} > as_of then floor_to_{{ policy.action }} end as {{ policy.deletion_class }}__floor_until,
        cast({{ policy.deletion_class }}__rank as tinyint) as {{ policy.deletion_class }}__rank,
        {%- endfor %}
        bound_class,
        bound_clock_source,
        bound_deadline_at,
        case when bound_due_rank = 7 and not has_untold_floor_to_{{ following_action }} and floor_to_{{ following_action }} > as_of then floor_to_{{ following_action }} end as bound_floor_until,
        cast(bound_rank as tinyint) as bound_rank
    from timed

)

select * from judged
{%- endif -%}
{%- endmacro -%}
