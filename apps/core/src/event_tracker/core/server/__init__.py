"""The server: everything that uses gunicorn or gevent directly."""
