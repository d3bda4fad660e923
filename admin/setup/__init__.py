"""`tollgate setup asterisk`: looks at the Asterisk that is there, plans, writes, takes back."""
