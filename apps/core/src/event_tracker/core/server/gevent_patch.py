"""Patches the standard library for gevent. A service imports this before anything else.

psycopg chooses how to wait when it is imported, and must find `select` patched. prometheus_client comes before the patch: no
greenlet ever waits while it holds one of its locks, so it doesn't need gevent's, which cost more than the counting does.
"""

import prometheus_client
from gevent import monkey

monkey.patch_all()

__all__ = ["prometheus_client"]
