{#- The name of a state, by its place in "the furthest of its classes" (DESIGN section 5).

    rank: an integer expression; nothing: SQL for a rank of 0, no class. -#}
{%- macro state_of_rank(rank, nothing) -%}
    case {{ rank }}
        when 7 then 'expired'
        when 6 then 'held'
        when 5 then 'floored'
        when 4 then 'in_grace'
        when 3 then 'notice_due'
        when 2 then 'unclocked'
        when 1 then 'active'
        else {{ nothing }}
    end
{%- endmacro -%}
