"""Published tables: a CSV and, beside it, a JSON that says where every number came from.

The JSON carries the SHA-256 of the CSV and of itself, so that a table or a provenance edited by
hand, cut short, or written by half is refused by name instead of being believed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.errors import MissingTableError, UserError
from helpers.files import ROOT, note_reading, write_text
from helpers.machine import commit_of, processor, versions

RESULTS = ROOT / "results"
BUILD = ROOT / "_build"

REQUIRED = (
    "table",
    "protocol",
    "seeds",
    "versions",
    "hardware",
    "device",
    "wall_seconds",
    "commit",
    "date",
    "code_fingerprint",
    "columns",
    "rows",
    "csv_sha256",
    "record_sha256",  # of the other entries
)
KINDS = {"bool": "bool", "int": "int64", "float": "float64", "text": "str"}


@dataclass(frozen=True)
class Table:
    """A tidy frame, one row per network or cell, and the provenance it was published with."""

    frame: pd.DataFrame
    provenance: dict[str, Any]


def provenance(
    protocol: Any,
    *,
    seeds: Sequence[int],
    device: str,
    wall_seconds: float,
    code_fingerprint: str,
    **extra: Any,
) -> dict[str, Any]:
    """Collect what a reader needs to judge or repeat a table.

    `protocol` is a dataclass or a mapping; `wall_seconds` is the time spent computing rows, summed
    over workers. `extra` items are kept as they are and must be JSON; with `versions`, `hardware`
    and `commit` among them, they say what computed the rows, else it is taken to be this process.
    """
    return {
        "protocol": as_json(protocol),
        "seeds": [int(seed) for seed in seeds],
        **here(device),
        "wall_seconds": round(float(wall_seconds), 1),
        "code_fingerprint": code_fingerprint,
        **extra,
    }


def here(device: str) -> dict[str, Any]:
    """Say when, where and with what something is computed now: the part of a provenance that is
    also recorded when a table is verified.
    """
    made = setup()
    return {
        "versions": made["versions"],
        "hardware": made["hardware"],
        "device": device,
        "commit": made["commit"],
        "date": datetime.now(UTC).date().isoformat(),
    }


def setup() -> dict[str, Any]:
    """Say with what something is computed here: versions of libraries, hardware, commit."""
    return {
        "versions": versions(("torch", "numpy", "scipy", "pandas")),
        "hardware": f"{processor()}, {os.cpu_count()} logical cores, {platform.system()}",
        "commit": commit_of(ROOT, "src"),
    }


def merged(setups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge set-ups into one of the same form, that of the first where all are equal.

    Where they differ, hardware, commits and the versions of a library are listed: 'A; B', 'c, d'.
    """
    libraries = {library: None for each in setups for library in each["versions"]}
    return {
        "versions": {
            library: ", ".join(_distinct(each["versions"].get(library) for each in setups))
            for library in libraries
        },
        "hardware": "; ".join(_distinct(each["hardware"] for each in setups)),
        "commit": ", ".join(_distinct(each["commit"] for each in setups)),
    }


def short_commit(commit: str) -> str:
    """Shorten each commit of a provenance to eight digits."""
    return ", ".join(each[:8] for each in commit.split(", "))


def _distinct(values: Iterable[str | None]) -> list[str]:
    return sorted({value for value in values if value})


def write(
    name: str, frame: pd.DataFrame, provenance: Mapping[str, Any], folder: Path | None = None
) -> Path:
    """Write a table and its provenance, and return the path of the CSV.

    Rows are sorted by their text and whole-number columns, floats are printed with the fewest
    digits that read back as the same float, so two runs differ in git only where numbers do. Each
    file appears complete or not at all; between the two, the checksum tells a torn pair apart.

    Raises UserError when the provenance lacks an entry or the disk refuses.
    """
    folder = RESULTS if folder is None else Path(folder)
    frame = _sorted(_plain_types(frame))
    text = frame.to_csv(index=False, lineterminator="\n")
    entry = {
        "table": name,
        "command": command(name),
        **{key: value for key, value in provenance.items() if key != "record_sha256"},
        "columns": {str(column): _kind(frame[column]) for column in frame.columns},
        "rows": len(frame),
        "csv_sha256": _digest(text.encode()),
    }
    entry["record_sha256"] = _record_digest(entry)
    missing = [key for key in REQUIRED if key not in entry]
    if missing:
        raise UserError(
            f"provenance of table '{name}' lacks {', '.join(missing)}; "
            "expected the dictionary that helpers.sweeps.results.provenance(...) makes"
        )
    path = folder / f"{name}.csv"
    write_text(path, text)
    write_text(folder / f"{name}.json", _pretty(entry) + "\n")
    return path


def read(name: str, folder: Path | None = None, protocol: Any = None) -> Table:
    """Read a table after checking it against its provenance.

    With `protocol` (a dataclass or mapping) the table must also have been made by that protocol.

    Raises MissingTableError for a table that was never computed, and UserError for one that is
    edited (in either file), cut short, or made by another protocol, naming the command that makes
    it again.
    """
    folder = RESULTS if folder is None else Path(folder)
    path, record_path = folder / f"{name}.csv", folder / f"{name}.json"
    note_reading("table", name)
    mend = f"run `{command(name)}` to make it again"
    if not path.is_file() and not record_path.is_file():
        raise MissingTableError(f"table '{name}' is not in {folder}; {mend}")
    for file in (path, record_path):
        if not file.is_file():
            raise UserError(f"results table '{name}' has no {file.name} in {folder}; {mend}")
    record = _read_record(record_path, mend)
    content = path.read_bytes().replace(b"\r\n", b"\n")  # a checkout may have changed line ends
    if _digest(content) != record["csv_sha256"] or record["table"] != name:
        raise UserError(
            f"results table {path.name} is not the one its provenance describes (edited, cut "
            f"short, or half written): checksum {_digest(content)[:12]}, expected "
            f"{str(record['csv_sha256'])[:12]}; {mend}, or restore both files from git"
        )
    try:
        frame = _parse(content, record["columns"])
    except ValueError as error:
        raise UserError(
            f"provenance {record_path.name} does not describe the columns of {path.name} "
            f"({error}); {mend}, or restore both files from git"
        ) from error
    if len(frame) != record["rows"]:
        raise UserError(
            f"results table {path.name} has {len(frame)} rows, its provenance says "
            f"{record['rows']}; {mend}"
        )
    if protocol is not None and record["protocol"] != as_json(protocol):
        changed = _differences(record["protocol"], as_json(protocol))
        raise UserError(
            f"results table '{name}' was made by another protocol (differs in {changed}); {mend}"
        )
    return Table(frame, record)


def _read_record(path: Path, mend: str) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not JSON, or not UTF-8
        raise UserError(f"provenance {path.name} is not readable JSON ({error}); {mend}") from error
    if not isinstance(record, dict):
        raise UserError(f"provenance {path.name} is no JSON object; {mend}")
    if missing := [key for key in REQUIRED if key not in record]:
        raise UserError(f"provenance {path.name} lacks {', '.join(missing)}; {mend}")
    if record["record_sha256"] != _record_digest(record):
        raise UserError(
            f"provenance {path.name} is not as it was written (edited): checksum "
            f"{_record_digest(record)[:12]}, expected {str(record['record_sha256'])[:12]}; "
            f"{mend}, or restore both files from git"
        )
    return record


def command(name: str) -> str:
    """Name the command that computes a table and publishes it."""
    return f"python -m helpers run {name} --publish"


def as_json(value: Any) -> Any:
    """Return a dataclass or mapping as the plain lists and dictionaries JSON reads back."""
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return json.loads(json.dumps(plain))


def spelled(protocol: Any) -> str:
    """Return a protocol's settings as one text, the same for equal settings."""
    return json.dumps(as_json(protocol), sort_keys=True)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _record_digest(entry: Mapping[str, Any]) -> str:
    """Checksum a provenance without its own checksum, whatever the layout and order of the JSON."""
    told = {key: value for key, value in as_json(entry).items() if key != "record_sha256"}
    return _digest(json.dumps(told, sort_keys=True).encode())


def _pretty(entry: Mapping[str, Any]) -> str:
    """Print JSON with one entry a line, but a list of plain values on one line."""
    text = json.dumps(entry, indent=1, ensure_ascii=False)
    flat = re.compile(r"\[\n\s*([^\[\]{}]*?)\n\s*\]")
    return flat.sub(lambda found: "[" + re.sub(r",\n\s*", ", ", found[1]) + "]", text)


def _plain_types(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({column: KINDS[_kind(frame[column])] for column in frame.columns})


def _kind(column: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(column):
        return "bool"
    if pd.api.types.is_integer_dtype(column):
        return "int"
    return "float" if pd.api.types.is_float_dtype(column) else "text"


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    exact = [column for column in frame.columns if _kind(frame[column]) in ("text", "int")]
    ordered = frame.sort_values(exact, kind="stable") if exact else frame
    return ordered.reset_index(drop=True)


def _parse(content: bytes, columns: Any) -> pd.DataFrame:
    """Read a CSV whose columns are of the given kinds.

    Raises ValueError when it has others.
    """
    if not isinstance(columns, dict) or not set(map(str, columns.values())) <= KINDS.keys():
        raise ValueError(f"expected a mapping of names to {', '.join(KINDS)}, got {columns!r}")
    raw = pd.read_csv(
        io.BytesIO(content),
        keep_default_na=False,
        na_values={name: [""] for name, kind in columns.items() if kind == "float"},
        dtype={name: "str" for name, kind in columns.items() if kind == "text"},
    )
    if list(raw.columns) != list(columns):
        raise ValueError(f"expected {', '.join(columns)}, got {', '.join(raw.columns)}")
    frame = _plain_types(
        raw.astype({n: "float64" for n, kind in columns.items() if kind == "float"})
    )
    for name, kind in columns.items():
        found = _kind(frame[str(name)])
        if len(frame) and found != kind:
            raise ValueError(f"expected {name} to be {kind}, got {found}")
    return frame


def _differences(old: Any, new: Any) -> str:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return "its whole form"
    return ", ".join(sorted(key for key in old | new if old.get(key) != new.get(key)))
