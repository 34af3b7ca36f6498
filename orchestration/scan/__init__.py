"""The scanner: which columns look personal, by their names, their values and their tables.

`names` knows what columns are called, `values` what stands in them, `scanner` weighs both. What
leaves the warehouse is shares and counts; a value is looked at in this process only, to try its
check digits, and stands in no finding.
"""
