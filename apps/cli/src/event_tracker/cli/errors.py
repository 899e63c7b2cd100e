"""The errors that end a command which uses a service."""

from typing import Any

import click
import msgspec


class ServiceError(click.ClickException):
    """The service failed or refused the request. The command ends with this message and exit code 2."""

    exit_code = 2


class UnavailableError(ServiceError):
    """The service didn't answer, or answered only with temporary failures until the patience was over."""


class Problem(msgspec.Struct):
    """The members of a problem document (RFC 9457) that are used here."""

    detail: str = ""
    code: str = ""
    errors: list[dict[str, Any]] = []  # msgspec copies it for each instance


class RefusedError(ServiceError):
    """The service refused the request, and would refuse it again."""

    def __init__(self, message: str, status: int, problem: Problem) -> None:
        super().__init__(message)
        self.status, self.problem = status, problem
