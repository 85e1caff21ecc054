"""The command line: python -m helpers COMMAND.

Heavy imports happen inside the commands, so that --help answers at once.
"""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from helpers.cli import book, environment, tables
from helpers.cli.base import app, say_error
from helpers.errors import UserError

__all__ = ["app", "book", "environment", "main", "tables"]  # the modules' commands join the app

DISK = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EROFS: "the disk is read-only; use a folder that can be written to",
    errno.EACCES: "permission denied; use a folder that you may write to",
    errno.EPERM: "not permitted; use a folder that you may write to",
    errno.EFBIG: "the file is larger than the limit set for files (ulimit -f); raise the limit",
    errno.EEXIST: "something else of that name is in the way; move it, or use another folder",
    errno.ENOTDIR: "a file is in the way of a folder; move it, or use another folder",
}
MOVED = {"--list": "tables", "--verify": "verify NAME", "--accept": "accept NAME"}


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _refuse_moved(given)
        app([each for each in given if each != "--debug"], prog_name="python -m helpers")
    except Exception as error:
        if debug:
            raise
        say_error(_in_words(error))
    sys.exit(1)


def _in_words(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and error.errno in DISK:
        return f"cannot write {error.filename or 'a file'}: {DISK[error.errno]}"
    if isinstance(error, OSError) and error.filename:
        return f"cannot use {error.filename}: {error.strerror or error}; use another place"
    told = f"{type(error).__name__}: {error}"
    return f"{told[:500]}; this should not happen: --debug shows where it did"


def _refuse_moved(given: Sequence[str]) -> None:
    """Name the command that took the place of an option of `run`."""
    for option, command in MOVED.items():
        if given[:1] == ["run"] and option in given:
            raise UserError(f"`run {option}` is now `python -m helpers {command}`")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
