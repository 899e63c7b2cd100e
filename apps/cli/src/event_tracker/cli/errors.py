"""What ends a command that speaks to a service."""

from typing import Any

import click
import msgspec


class ServiceError(click.ClickException):
    """What a service did that ends the command: one line for people, exit code 2."""

    exit_code = 2


class UnavailableError(ServiceError):
    """Nothing answers, or nothing but failures for as long as we were willing to try."""


class Problem(msgspec.Struct):
    """A problem document (RFC 9457), as far as it is shown."""

    detail: str = ""
    code: str = ""
    errors: list[dict[str, Any]] = []  # msgspec copies it for each instance


class RefusedError(ServiceError):
    """The service answered, and sending the same again would change nothing."""

    def __init__(self, message: str, status: int, problem: Problem) -> None:
        super().__init__(message)
        self.status, self.problem = status, problem
