"""PostgreSQL: the pool, named statements, migrations, replication."""
