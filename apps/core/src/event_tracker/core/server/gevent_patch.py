"""Makes the process gevent's. A service imports this before anything else.

psycopg chooses how to wait when it is imported, and must find `select` patched. prometheus_client comes before the patch: its locks
guard no waiting, so one greenlet can never hold another up in them, and gevent's locks cost more than the counting does.
"""

import prometheus_client
from gevent import monkey

monkey.patch_all()

__all__ = ["prometheus_client"]
