-- One row per row of the register: who it is, where they are reached, when they acted last.
-- A date later than T does not exist yet. One that cannot be read may be the very thing that decides: the row is
-- then not readable, and set aside.
with customers as (

    select * from {{ source('crm', 'customers') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

read as (

    select
        customer_no,
        {{ kigen.normalised_email('email') }} as email,
        try_strptime(joined_on, '%Y%m%d') as joined_at,
        try_strptime(last_visit_on, '%Y%m%d') as visited_at,
        coalesce(left_on, '') <> '' as says_left,
        try_strptime(left_on, '%Y%m%d') as left_at,
        (coalesce(joined_on, '') = '' or try_strptime(joined_on, '%Y%m%d') is not null)
        and (coalesce(last_visit_on, '') = '' or try_strptime(last_visit_on, '%Y%m%d') is not null)
        and (coalesce(left_on, '') = '' or try_strptime(left_on, '%Y%m%d') is not null) as is_readable
    from customers

),

known as (

    select
        read.customer_no,
        read.email,
        read.is_readable,
        case when read.joined_at <= as_of.as_of then read.joined_at end as joined_at,
        case when read.visited_at <= as_of.as_of then read.visited_at end as visited_at,
        case when read.left_at <= as_of.as_of then read.left_at end as left_at,
        read.says_left and coalesce(read.left_at <= as_of.as_of, true) as has_left
    from read
    cross join as_of

),

standings as (

    select
        *,
        'crm.customers' as table_name,
        customer_no as subject_key,
        email as contact,
        not has_left as is_active,
        greatest(joined_at, visited_at) as acted_at,
        cast(null as varchar) as former_table,
        cast(null as varchar) as former_key
    from known

)

select * from standings
