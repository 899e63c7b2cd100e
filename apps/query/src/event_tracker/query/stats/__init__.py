"""The questions of analytics: how many, who, in which order, and who comes back (docs/definitions.md).

They pass the same four rooms as every question: `routes`, `parameters`, `store`, `queries.sql`. `intervals` cuts a range of
time along a local calendar; `plan` tells what a statement read.
"""
