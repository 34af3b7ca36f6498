{{ masked(source('shop', 'consent_events')) }}
