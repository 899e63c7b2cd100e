"""The SQL of statistics: named statements, what fills them, and what runs them."""
