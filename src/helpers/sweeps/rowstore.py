"""Rows of an unfinished sweep on disk: appended as cells finish, whole or not at all, for one sweep
at a time.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from helpers.errors import UserError
from helpers.files import write_bytes, write_text
from helpers.sweeps import results

Row = dict[str, Any]


@dataclass(frozen=True)
class CellResult:
    """What one cell gives: rows of the table, and small arrays kept for `Experiment.assemble`."""

    rows: list[Row]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """A cell's result, the device that computed it, the seconds it took, and the set-up there."""

    result: CellResult
    device: str
    seconds: float
    cpu_seconds: float  # less than `seconds` where the machine was busy with other work
    setup: dict[str, Any]  # as `results.setup` tells it where the cell was computed


def cell_key(cell: Any) -> str:
    """Hash a cell: its type's name and all its values."""
    text = json.dumps([type(cell).__name__, asdict(cell)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class RowStore:
    """Rows of one sweep: rows.jsonl, one line per cell, and arrays/KEY.npz."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "rows.jsonl"
        self.equal_codes = folder / "equal_codes.json"

    def records(self) -> Iterator[Row]:
        """Read every whole line; a line torn by a kill is passed over."""
        if not self.file.is_file():
            return
        for line in self.file.read_bytes().split(b"\n"):
            try:
                record = json.loads(line)
                if record["digest"] == _digest(record):
                    yield record
            except (ValueError, KeyError, TypeError):
                continue

    def codes(self) -> set[str]:
        return {record["code"] for record in self.records()}

    def load(self, code: str) -> dict[str, Row]:
        """Map cell keys to the records that `code`, or code accepted as equal to it, computed."""
        good = {code, *self._equal(code)}
        found = {record["key"]: record for record in self.records() if record["code"] in good}
        return {key: record for key, record in found.items() if self._arrays_whole(record)}

    def append(self, cell: Any, outcome: Outcome, code: str) -> Row:
        record = {
            "key": cell_key(cell),
            "code": code,
            "cell": asdict(cell),
            "device": outcome.device,
            "seconds": round(outcome.seconds, 3),
            "cpu_seconds": round(outcome.cpu_seconds, 3),
            "setup": outcome.setup,
            "arrays": "",  # checksum of the file of arrays, where there is one
            "rows": results.as_json([_plain(row) for row in outcome.result.rows]),
        }
        if outcome.result.arrays:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **outcome.result.arrays)  # type: ignore[arg-type]
            write_bytes(self._array_file(record), buffer.getvalue())
            record["arrays"] = _checksum(buffer.getvalue())
        record["digest"] = _digest(record)
        self._append_line(json.dumps(record).encode())
        return record

    def result(self, record: Row) -> CellResult:
        if not record["arrays"]:
            return CellResult(record["rows"])
        with np.load(self._array_file(record), allow_pickle=False) as arrays:
            return CellResult(record["rows"], dict(arrays))

    def accept(self, old: str, new: str) -> None:
        pairs = [*self._pairs(), [old, new]]
        write_text(self.equal_codes, json.dumps(pairs) + "\n")

    def _append_line(self, line: bytes) -> None:
        try:
            with self.file.open("ab") as file:
                start = file.tell()
                if start:  # end a line that a kill tore, so that it spoils only itself
                    with self.file.open("rb") as reader:
                        reader.seek(-1, os.SEEK_END)
                        line = line if reader.read(1) == b"\n" else b"\n" + line
                try:
                    file.write(line + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    os.truncate(self.file, start)
                    raise
        except OSError as error:
            raise UserError(
                f"cannot add a row to {self.file} ({error.strerror or error}); rows finished "
                "before are kept; free space, then run the same command to resume"
            ) from error

    def _equal(self, code: str) -> set[str]:
        equal, queue = set(), [code]
        while queue:
            current = queue.pop()
            for old, new in self._pairs():
                if new == current and old not in equal:
                    equal.add(old)
                    queue.append(old)
        return equal

    def _pairs(self) -> list[list[str]]:
        if not self.equal_codes.is_file():
            return []
        try:
            pairs = json.loads(self.equal_codes.read_text(encoding="utf-8"))
            return [[str(old), str(new)] for old, new in pairs]
        except (ValueError, TypeError) as error:  # read as empty, it would cost all accepted rows
            raise UserError(
                f"cannot read {self.equal_codes} ({error}), which says whose rows count as the "
                f"present code's; delete it, then run `python -m helpers accept "
                f"{self.folder.name}` to check them again"
            ) from error

    def _array_file(self, record: Row) -> Path:
        return self.folder / "arrays" / f"{record['key']}-{record['code']}.npz"

    def _arrays_whole(self, record: Row) -> bool:
        file = self._array_file(record)
        return not record["arrays"] or (
            file.is_file() and _checksum(file.read_bytes()) == record["arrays"]
        )


def _plain(row: Mapping[str, Any]) -> Row:
    """Turn NumPy and torch scalars into Python's, so that JSON keeps every digit."""
    return {name: value.item() if hasattr(value, "item") else value for name, value in row.items()}


def _digest(record: Row) -> str:
    """Checksum a record without its own checksum."""
    told = {name: value for name, value in record.items() if name != "digest"}
    return _checksum(json.dumps(told, sort_keys=True).encode())


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


@contextmanager
def only_one(folder: Path, wait: bool) -> Iterator[None]:
    """Hold the sweep of one table; the lock ends with the process, however that ends."""
    holder = folder / "holder.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout as error:
        try:
            who = json.loads(holder.read_text())
            other = f"process {who['pid']} on {who['host']}"
        except (OSError, ValueError, KeyError):
            other = "another process"
        raise UserError(
            f"table '{folder.name}' is being swept by {other}; wait for it or stop it, "
            "then run again"
        ) from error
    except OSError as error:
        raise UserError(
            f"cannot use the work folder {folder} ({error.strerror or error}); make it writable"
        ) from error
    try:
        who = {"pid": os.getpid(), "host": socket.gethostname()}
        write_text(holder, json.dumps(who) + "\n")
        yield
    finally:
        lock.release()
