"""What every service needs and none owns: settings, pool, migrations, problem details, metrics, logs, health.

`core` knows HTTP, PostgreSQL and Prometheus, and no word of the domain: nothing here knows what an event is.
"""
