"""`tracker simulate`: made-up events whose right answers are known."""
