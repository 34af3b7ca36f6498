{{ masked(source('mailing', 'delivery_list_recipients')) }}
