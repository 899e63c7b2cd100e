"""Finds the files that a command names: files, folders and patterns; `-` is standard input."""

import glob
from collections.abc import Iterator
from pathlib import Path

import click

STANDARD_INPUT = "-"

REPORT_SUFFIX = ".rejected.ndjson"
"""The end of the name of a file with rejected lines. Such files aren't sent with their folder."""


def find_files(arguments: tuple[str, ...]) -> list[str]:
    """The files that arguments name, each once. Those of a folder, and of folders in it, are in order of their names.

    Raises:
        UsageError: if an argument names none.
    """
    found: dict[str, None] = {}
    for argument in arguments:
        files = list(_files(argument))
        if not files:
            raise click.UsageError(f"{argument}: there is no file to send.")
        found |= dict.fromkeys(files)
    return list(found)


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
