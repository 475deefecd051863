"""Between the contract's messages and the domain's types, in both directions, in one place.

Pure: no store, no clock, no decision about what is allowed beyond what cannot be represented.
"""
