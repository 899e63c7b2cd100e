"""Makes load over HTTP with wrk, and reads its results."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from bench import BENCH
from bench.contest import Sample

TIMEOUT_SECONDS = 30
"""wrk counts a slower answer as a timeout."""

NEARLY = 0.8
"""The part of a run after which memory is measured: every buffer has been used by then."""


def run_wrk(
    url: str,
    requests: Path,
    connections: int,
    seconds: float,
    *,
    method: str,
    path: str,
    media_type: str,
    per_request: int,
    headers: dict[str, str],
    nearly: Callable[[], None],
) -> Sample:
    """Send the requests of a file over `connections` for `seconds`; call `nearly` shortly before the end.

    Args:
        path: that bodies are posted to.
        per_request: what one request counts for: the events in it.
    """
    seconds = max(1, round(seconds))
    process = subprocess.Popen(
        [
            "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_SECONDS}s",
            *(f"-H{name}: {value}" for name, value in headers.items()), "-s", str(BENCH / "wrk.lua"), url,
        ],
        env={**os.environ, "REQUESTS": str(requests), "METHOD": method, "TARGET": path, "MEDIA_TYPE": media_type},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    try:
        try:
            process.wait(seconds * NEARLY)
        except subprocess.TimeoutExpired:
            nearly()
        output, _ = process.communicate(timeout=seconds + TIMEOUT_SECONDS + 30)
    finally:
        process.kill()
    found = re.search(r"RESULT (\{.*\})", output)
    if not found:
        raise RuntimeError(f"wrk ended without a result: {output[-400:]}")
    result = json.loads(found.group(1))
    return Sample(
        rate=result["requests"] * per_request / result["microseconds"] * 1e6,
        p50_ms=result["p50_us"] / 1000,
        p99_ms=result["p99_us"] / 1000,
        acknowledged=(result["requests"] - result["failed"]) * per_request,
        failed=result["failed"],
        lost=result["lost"],
        answer_bytes=result["bytes"] // max(1, result["requests"]),
    )
