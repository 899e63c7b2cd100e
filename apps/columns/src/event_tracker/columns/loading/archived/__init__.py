"""Events that only the lake has, brought to the local disk as blocks are."""
