{{ masked(source('shop', 'orders')) }}
