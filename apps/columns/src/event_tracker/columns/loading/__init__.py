"""What a question reads, on the local disk: blocks as they are, and the rows of hours that have no valid block."""
