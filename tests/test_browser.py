"""Chromium, as tests start it."""

import os

import psutil
from browsing import PLAYWRIGHT_DISABLES

SWITCH = "--disable-features="


def test_what_playwright_disables_stays_disabled(browser):
    """A later list of features replaces the first, which is Playwright's, and may change with it."""
    (command,) = [
        process.cmdline()
        for process in psutil.Process(os.getpid()).children(recursive=True)
        if "--remote-debugging-pipe" in process.cmdline()
    ]
    first, last = [argument.removeprefix(SWITCH).split(",") for argument in command if argument.startswith(SWITCH)]
    assert first == PLAYWRIGHT_DISABLES
    assert set(first) < set(last)
