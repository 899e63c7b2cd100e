"""Runs small programs that use the client, as processes of their own."""

import subprocess
import sys
import textwrap

HEAD = """
import atexit, os, signal, sys, time
from event_tracker.client import Client
URL, *ARGUMENTS = sys.argv[1:]
"""


def start_program(text, url, *arguments, head=HEAD):
    """Start a program; its output is read line by line."""
    return subprocess.Popen(
        [sys.executable, "-c", head + textwrap.dedent(text), url, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_program(text, url, *arguments, head=HEAD):
    """Run a program to its end. Returns what it printed."""
    process = start_program(text, url, *arguments, head=head)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors, errors
    return output
