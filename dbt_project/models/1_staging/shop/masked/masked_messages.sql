{{ masked(source('mailing', 'messages')) }}
