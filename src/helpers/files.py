"""The checkout's folder, files written whole or not at all, and a list of what a run has read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from helpers.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
READINGS_VARIABLE = "HELPERS_READINGS"


def write_text(path: Path, text: str) -> None:
    """Write a file, in UTF-8, so that it appears whole or not at all.

    Raises UserError when the disk is full or read-only; the old file, if any, stays.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of bytes as `write_text` does."""
    try:
        place(path, content)
    except OSError as error:
        raise UserError(
            f"cannot write {path} ({error.strerror or error}); nothing was changed; "
            "free space or choose a writable folder, then run the same command again"
        ) from error


def place(path: Path, content: bytes) -> None:
    """Write a file under a temporary name in its folder, then move it into place.

    Raises OSError where the disk refuses; the old file, if any, stays, and no half-written one.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, raw = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        temporary = Path(raw)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp's 0600 would hide the file from other users
        temporary.replace(path)
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def note_reading(kind: str, name: str) -> None:
    """Note that this run read something found by name: a table, a protocol, or code.

    The press asks each chapter's run for such a list (it names the file in HELPERS_READINGS), so
    that the chapter runs again when one of them changes. Elsewhere nothing happens.
    """
    if path := os.environ.get(READINGS_VARIABLE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{kind} {name}\n")
