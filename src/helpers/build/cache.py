"""When a chapter must run again: a key over all that its outputs depend on.

A chapter's key covers its code cells and their tags, every module of `helpers` that its imports
reach, the injected parameters, the tables in results/, the versions of Python and of the
libraries, and the machine's kind. The data need no part of their own: `helpers.data` holds their
checksums, and is itself a module that imports reach. Prose and figure metadata are left out on
purpose: they are taken from the notebook as it is now, and the outputs from the last run.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from helpers.build.project import Chapter, Project, source_of, tags_of, walk_files
from helpers.files import write_text

DISTRIBUTION = "flat-minima-book"
PACKAGE = "helpers"


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
    project: Project,
    chapter: Chapter,
    parameters: Mapping[str, str],
    *,
    environment: Mapping[str, str],
    upstream: Iterable[str] = (),
) -> str:
    """Return the key of a chapter: equal keys mean that its outputs are still good.

    `environment` is what `environment_versions` returned; `upstream` holds hashes of other things
    that the chapter reads, such as the runs of the chapters before it.
    """
    package = Path(__file__).parents[1]
    sources = [source_of(cell) for cell in chapter.code_cells]
    reached = reachable_files(package, sources)
    worker = Path(__file__).with_name("worker.py")
    parts = {
        "code": sources,
        "tags": [sorted(tags_of(cell)) for cell in chapter.code_cells],
        "helpers": {p.relative_to(package).as_posix(): _sha(p.read_bytes()) for p in reached},
        "worker": _sha(worker.read_bytes()),
        "parameters": dict(parameters),
        "results": hash_tree(project.root / "results"),
        "environment": dict(environment),
        "upstream": list(upstream),
    }
    return _sha(json.dumps(parts, sort_keys=True))


def environment_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries the project asks for, and the platform."""
    names = [re.split(r"[^\w.-]", line)[0] for line in _runtime_requirements()]
    found = {name: version for name in sorted(names) if (version := installed_version(name))}
    system = f"{platform.system()} {platform.machine()}"
    return {"python": platform.python_version(), "platform": system, **found}


def installed_version(name: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def hash_tree(folder: Path) -> str:
    """Return a hash of the names and contents below a folder."""
    entries = [
        f"{path.relative_to(folder).as_posix()} {_sha(path.read_bytes())}"
        for path in (walk_files(folder) if folder.is_dir() else ())
    ]
    return _sha("\n".join(entries))


def reachable_files(package: Path, sources: Iterable[str]) -> list[Path]:
    """Return the files of a package that code reaches by import, directly or through others.

    Imports inside functions count. Code that cannot be parsed, or that imports by a computed name,
    reaches everything. Files that are not Python (package data) always count.
    """
    everything = list(walk_files(package))
    reached = {path for path in everything if path.suffix != ".py"}
    waiting: list[str] = []
    for source in sources:
        names = imported_names(source, package.name)
        if names is None:
            return everything
        waiting.extend(names)
    while waiting:
        for path, module in _files_of(package, waiting.pop()):
            if path in reached:
                continue
            reached.add(path)
            names = imported_names(path.read_text(encoding="utf-8"), package.name, module)
            if names is None:
                return everything
            waiting.extend(names)
    return sorted(reached)


def imported_names(source: str, package: str, module: str | None = None) -> set[str] | None:
    """Return the dotted names below `package` that code may import, or None if it cannot be told.

    `module` is the package that relative imports start from. A name may be that of a module or of
    something in it: the caller looks which files there are.
    """
    try:
        tree = ast.parse(_without_magics(source))
    except SyntaxError:
        return None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = (module or package).split(".")
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Name | ast.Attribute):
            called = node.id if isinstance(node, ast.Name) else node.attr
            if called in {"import_module", "__import__"}:
                return None
    return {name for name in names if name == package or name.startswith(f"{package}.")}


def _files_of(package: Path, name: str) -> Iterable[tuple[Path, str]]:
    """Yield each file that importing a dotted name runs, with the package it lies in."""
    folder, dotted = package, package.name
    yield from _existing(folder / "__init__.py", dotted)
    for part in name.split(".")[1:]:
        yield from _existing(folder / f"{part}.py", dotted)
        folder, dotted = folder / part, f"{dotted}.{part}"
        yield from _existing(folder / "__init__.py", dotted)


def _existing(path: Path, dotted: str) -> Iterable[tuple[Path, str]]:
    if path.is_file():
        yield path, dotted


def _without_magics(source: str) -> str:
    return re.sub(r"^[ \t]*[%!?].*$", "pass", source, flags=re.MULTILINE)


def _runtime_requirements() -> list[str]:
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return ["numpy", "torch"]
    return [line for line in lines if "extra ==" not in line]


def _sha(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()
