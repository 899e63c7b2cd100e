"""What the kernel holds, whatever DuckDB does: the process can't open files or sockets, write to disk, or grow without end."""

import ctypes
import resource
import signal
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38

SLACK_BYTES = 128 * 2**20
"""What the process may take beyond DuckDB's limit: what DuckDB doesn't count, and the answer."""


def harden_process() -> None:
    """End with the service; never gain rights, and leave no core file with people's data."""
    with suppress(OSError, AttributeError):  # not on Linux
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    _limit(resource.RLIMIT_CORE, 0)


def confine(memory: int, seconds: float) -> None:
    """From now on, nothing can be opened: the limit on open files is 0, and what is open stays so.

    Args:
        memory: DuckDB's own limit in bytes. The process may grow by that and SLACK_BYTES.
        seconds: of processor time; then it is killed.
    """
    # What is mapped from files isn't counted: only what is the process's own.
    _limit(resource.RLIMIT_DATA, _data_bytes() + memory + SLACK_BYTES)
    _limit(resource.RLIMIT_CPU, int(seconds) + 1)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, 0)


def _limit(kind: int, most: int) -> None:
    resource.setrlimit(kind, (most, most))


def _data_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0
