"""What stands between Kafka and PostgreSQL, each a process of its own. `storer` stores what collectors put into a topic."""
