{{ masked(source('shop', 'members')) }}
