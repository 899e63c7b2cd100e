"""What every service needs: settings, connection pool, migrations, problem details, metrics, logs, health.

`core` knows HTTP, PostgreSQL and Prometheus. It knows nothing of the domain: no module here knows what an event is.
"""
