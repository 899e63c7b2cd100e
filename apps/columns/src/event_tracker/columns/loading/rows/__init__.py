"""The rows of hours that have no valid block: which are on the local disk, and how the others are read."""
