"""What each process's `__main__` does."""

import sys
from collections.abc import Callable
from typing import TypeVar

from event_tracker.core.logs import configure_logs
from event_tracker.core.settings import InvalidSettingsError
from event_tracker.streams.process.settings import KafkaProcessSettings

Settings = TypeVar("Settings", bound=KafkaProcessSettings)


def start(name: str, read: Callable[[], Settings], run: Callable[[Settings], None]) -> None:
    """Read the settings from the environment, and run. If they are wrong, exit and list every mistake."""
    try:
        settings = read()
    except InvalidSettingsError as error:
        sys.exit(f"{name}: these settings are wrong:\n{error}")
    configure_logs(name, settings.log_level)
    run(settings)
