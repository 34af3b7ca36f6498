{#- A proof is a model of violations: it holds where it is empty. A red one says how many there are. -#}
{% test proof_holds(model) %}
    select * from {{ model }}
{% endtest %}
