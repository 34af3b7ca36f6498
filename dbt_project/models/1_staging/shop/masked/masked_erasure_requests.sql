{{ masked(source('shop', 'erasure_requests')) }}
