"""The server: everything that touches gunicorn or gevent."""
