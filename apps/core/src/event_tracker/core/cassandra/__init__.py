"""How Cassandra is reached. Needs the extra `cassandra`; imported only where it is used."""
