"""Finds the files that a command names: files, folders and patterns; `-` is standard input."""

import glob
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

STANDARD_INPUT = "-"

REPORT_SUFFIX = ".rejected.ndjson"
"""The end of the name of a file with rejected lines. Such files aren't sent with their folder."""

LONGEST_RECORD = 64 * 1024 * 1024
"""Bytes of a line that are read to tell such a file. A line of 5 MB may be several times longer as escaped JSON."""


class _Record(msgspec.Struct):
    """What each line of a file with rejected lines has. See RejectedLines.write."""

    line: int
    errors: list[dict[str, str]]
    event: msgspec.Raw


_read_record = msgspec.json.Decoder(_Record).decode


def find_files(arguments: tuple[str, ...]) -> list[str]:
    """The files that arguments name, each once. Those of a folder, and of folders in it, are in order of their names.

    A file with rejected lines that is named beside others is left out, and it is said so: the shell names it for `access.log*`.

    Raises:
        UsageError: if an argument names none, or all of them only rejected lines.
    """
    found: dict[str, None] = {}
    reports: list[str] = []
    for argument in arguments:
        if argument.endswith(REPORT_SUFFIX) and is_report(Path(argument)):
            reports.append(argument)
            continue
        files = list(_files(argument))
        if not files:
            raise click.UsageError(f"{argument}: there is no file to send.")
        found |= dict.fromkeys(files)
    if reports and not found:
        raise click.UsageError(
            f"{reports[0]} has rejected lines with their errors: put what each has as event, corrected, into a file of another name."
        )
    for report in reports:
        click.echo(f"{report} is left out: it has rejected lines.", err=True)
    return list(found)


def is_report(path: Path) -> bool:
    """Whether a file has rejected lines as `tracker send` writes them, by its first line."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        try:
            _read_record(file.readline(LONGEST_RECORD))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
    return True


def _files(argument: str) -> Iterator[str]:
    path = Path(argument)
    if path.is_dir():
        yield from _files_of(path)
    elif argument == STANDARD_INPUT or path.exists():
        yield argument
    elif glob.has_magic(argument):
        for match in sorted(glob.glob(argument, recursive=True)):
            if Path(match).is_dir():
                yield from _files_of(Path(match))
            elif not match.endswith(REPORT_SUFFIX):
                yield match
    else:
        raise click.UsageError(f"{argument}: No such file or directory.")


def _files_of(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not is_hidden and not path.name.endswith(REPORT_SUFFIX):
            yield str(path)


def sizes(files: list[str]) -> int | None:
    """The sum of their sizes, in bytes; None if one of them is a pipe, which has none."""
    if not all(Path(file).is_file() for file in files):
        return None
    return sum(Path(file).stat().st_size for file in files)
