{{ masked(source('legacy_shop', 'customers')) }}
