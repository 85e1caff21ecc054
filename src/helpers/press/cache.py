"""When a chapter must run again: a key over all that its outputs depend on.

A chapter's key covers its code cells and their tags, every definition of `helpers` that they reach,
the injected parameters, the versions of Python and of the libraries, and the machine's kind. What a
run finds by name (tables, protocols, other chapters' claims) is noted while it runs, and looked at
again before the next. The data need no part of their own: `helpers.data` holds their checksums.
Prose and figure metadata are left out on purpose: they are taken from the notebook as it is now,
and the outputs from the last run.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from helpers.errors import UserError
from helpers.experiments import find, protocol_state
from helpers.files import write_text
from helpers.machine import installed_version
from helpers.press.project import Chapter, Project, source_of, tags_of, walk_files
from helpers.sweeps.fingerprint import chapter_fingerprint
from helpers.sweeps.results import RESULTS, spelled

DISTRIBUTION = "flat-minima-book"


@dataclass(frozen=True)
class Record:
    """The last good run of a chapter: what it printed, and what it cost.

    `outputs` has one list of notebook outputs per code cell; `peak_mb` is the largest memory, in
    MB, of the kernel and all its children together, `peak_process_mb` of one process among them.
    """

    key: str
    outputs: list[list[dict[str, Any]]]
    counts: list[int | None]
    language: dict[str, Any]
    seconds: float
    peak_mb: int
    peak_process_mb: int
    date: str
    commit: str
    cell_seconds: list[float] = field(default_factory=list)
    readings: list[str] = field(default_factory=list)
    readings_key: str = ""

    @property
    def digest(self) -> str:
        """Return a hash of the outputs."""
        return _sha(json.dumps(self.outputs, sort_keys=True))


def record_path(project: Project, chapter: Chapter, profile: str) -> Path:
    """Return where the record of a chapter at a profile lies."""
    return project.build / "cache" / profile / f"{chapter.name.replace('/', '--')}.json"


def load_record(project: Project, chapter: Chapter, profile: str) -> Record | None:
    """Return the record of the last good run, or None where there is none that can be read."""
    path = record_path(project, chapter, profile)
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def save_record(project: Project, chapter: Chapter, profile: str, record: Record) -> None:
    """Write the record of a run, whole or not at all."""
    write_text(record_path(project, chapter, profile), json.dumps(asdict(record)))


def chapter_key(
    chapter: Chapter,
    parameters: Mapping[str, str],
    *,
    environment: Mapping[str, str],
    upstream: Iterable[str] = (),
) -> str:
    """Return the key of a chapter: equal keys mean that its code and its machine are the same.

    `environment` is what `environment_versions` returned; `upstream` holds hashes of other things
    that the chapter reads, such as the runs of the chapters before it.
    """
    sources = [source_of(cell) for cell in chapter.code_cells]
    parts = {
        "code": sources,
        "tags": [sorted(tags_of(cell)) for cell in chapter.code_cells],
        "helpers": _fingerprint(sources),
        "package data": _package_data(),
        "worker": _sha(Path(__file__).with_name("worker.py").read_bytes()),
        "parameters": dict(parameters),
        "environment": dict(environment),
        "upstream": list(upstream),
    }
    return _sha(json.dumps(parts, sort_keys=True))


def readings_key(readings: Iterable[str]) -> str:
    """Return a hash over the present state of what a run noted as read (`files.note_reading`)."""
    return _sha(json.dumps({reading: _state(*reading.split(" ", 1)) for reading in readings}))


def is_fresh(record: Record, key: str) -> bool:
    """Tell whether a chapter's last run is still good: same code, and the same things read."""
    return record.key == key and record.readings_key == readings_key(record.readings)


def _state(kind: str, name: str) -> str:
    """Return the state of one thing read: a table's files, a protocol with its code, or code."""
    if kind == "table":
        files = (RESULTS / f"{name}.csv", RESULTS / f"{name}.json")
        return " ".join(_sha(path.read_bytes()) if path.is_file() else "–" for path in files)
    if kind == "code":
        return chapter_fingerprint((), [name])
    try:
        return spelled(find(name)) if kind == "settings" else protocol_state(name)
    except UserError:  # there is no such table any more
        return "–"


def _fingerprint(sources: Iterable[str]) -> str:
    try:
        return chapter_fingerprint(sources)
    except SyntaxError:  # the run will say so, and leaves no record
        return "not Python"


def _package_data() -> str:
    """Hash the files of the package that are no code, such as the paper's printed numbers."""
    package = Path(__file__).parents[1]
    data = [p for p in walk_files(package / "page") if p.suffix != ".py"]
    return _sha("".join(_sha(path.read_bytes()) for path in data))


def environment_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries the project asks for, and the platform."""
    names = [re.split(r"[^\w.-]", line)[0] for line in _runtime_requirements()]
    found = {name: version for name in sorted(names) if (version := installed_version(name))}
    system = f"{platform.system()} {platform.machine()}"
    return {"python": platform.python_version(), "platform": system, **found}


def hash_tree(folder: Path) -> str:
    """Return a hash of the names and contents below a folder."""
    entries = [
        f"{path.relative_to(folder).as_posix()} {_sha(path.read_bytes())}"
        for path in (walk_files(folder) if folder.is_dir() else ())
    ]
    return _sha("\n".join(entries))


def _runtime_requirements() -> list[str]:
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return ["numpy", "torch"]
    return [line for line in lines if "extra ==" not in line]


def _sha(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()
