"""The sections of the table, one in each module: each starts its contenders, measures and stops them."""
