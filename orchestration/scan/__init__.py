"""The scanner: which columns look personal, by their names, their values and their tables.

`names` knows what columns are called, `values` what stands in them, `context` what a table is about;
`fits` says what values can be, `guess` what they say alone, `weigh` weighs all, `scanner` goes through
a schema. What leaves the warehouse is shares and counts; a value is looked at in this process only, to
try its check digits, and stands in no finding.
"""
