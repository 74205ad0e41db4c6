"""What callers hear before and while a person is found for them.

Speaks to one caller through a small telephone (``leg.py``). Knows nothing of
Asterisk, of agents or of the database.
"""
