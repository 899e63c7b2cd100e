"""Events on their way into PostgreSQL: the row, the statement, and the record that carries a row through Kafka."""
