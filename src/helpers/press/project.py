"""What is in the book: the table of contents and its notebooks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import toc
from helpers.errors import UserError

Notebook = dict[str, Any]
Cell = dict[str, Any]


@dataclass(frozen=True)
class Project:
    """The folders of a book: `root` holds _toc.yml, and all that is made goes below `build`."""

    root: Path
    build: Path

    @property
    def executed(self) -> Path:
        """Return the folder of executed copies, the source that Jupyter Book reads."""
        return self.build / "executed"

    @property
    def html(self) -> Path:
        """Return the folder of the finished site."""
        return self.build / "html"

    @property
    def times(self) -> Path:
        """Return the file of measured times per chapter."""
        return self.build / "chapters.json"


@dataclass(frozen=True)
class Chapter:
    """A notebook in the table of contents. `name` is its document name, such as book/01-slug."""

    name: str
    path: Path
    notebook: Notebook

    @property
    def code_cells(self) -> list[Cell]:
        """Return the code cells, in order."""
        return [cell for cell in self.notebook["cells"] if cell["cell_type"] == "code"]

    @property
    def after_all(self) -> bool:
        """Tell whether the chapter reads the others' runs (metadata helpers: {after: all})."""
        own = self.notebook.get("metadata", {}).get("helpers", {})
        return isinstance(own, dict) and own.get("after") == "all"


def find_root(start: Path | None = None) -> Path:
    """Return the nearest folder, from `start` upwards, that holds _toc.yml. Raises UserError."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "_toc.yml").is_file():
            return folder
    raise UserError(f"no _toc.yml in {here} or above it; run this in the book's own folder")


def find_project(build: Path | None = None, start: Path | None = None) -> Project:
    """Return the project around `start` (default: the current folder), built below `build`."""
    root = find_root(start)
    return Project(root, (build or root / "_build").resolve())


def documents(project: Project) -> list[Path]:
    """Return the files that _toc.yml lists, in reading order.

    Raises UserError for a table of contents that is malformed or names a file that is not there.
    """
    return [_file_of(project.root, name) for name in toc.documents(project.root)]


def chapters(project: Project) -> list[Chapter]:
    """Return the notebooks among the documents, in reading order. Raises UserError."""
    return [read_chapter(project, path) for path in documents(project) if path.suffix == ".ipynb"]


def read_chapter(project: Project, path: Path) -> Chapter:
    """Read one notebook. Raises UserError where it is not a notebook of format 4."""
    where = path.relative_to(project.root)
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(
            f"{where} is not a valid notebook: {_first_line(error)}; "
            f"restore it (git checkout -- {where}) or mend the JSON"
        ) from error
    if not (
        isinstance(notebook, dict)
        and notebook.get("nbformat") == 4
        and isinstance(notebook.get("cells"), list)
        and all(isinstance(cell, dict) and "cell_type" in cell for cell in notebook["cells"])
    ):
        raise UserError(
            f"{where} is not a valid notebook: expected format 4 with a list of cells; "
            "open and save it in JupyterLab, or restore it"
        )
    return Chapter(where.with_suffix("").as_posix(), path, notebook)


def source_of(cell: Cell) -> str:
    """Return a cell's source as one string (the format allows a list of lines)."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def tags_of(cell: Cell) -> list[str]:
    """Return a cell's tags."""
    return list(cell.get("metadata", {}).get("tags", []))


def walk_files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder in a fixed order, without hidden and compiled ones."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(p.startswith(".") or p == "__pycache__" for p in parts):
            yield path


def _file_of(root: Path, name: str) -> Path:
    for suffix in ("", ".ipynb", ".md"):
        path = root / f"{name}{suffix}"
        if path.suffix in {".ipynb", ".md"} and path.is_file():
            if not path.resolve().is_relative_to(root.resolve()):
                raise UserError(
                    f"_toc.yml lists '{name}', which lies outside {root}; only the book's own "
                    "files are run: copy it into book/"
                )
            return path
    raise UserError(f"_toc.yml lists '{name}', but there is no {name}.ipynb or {name}.md")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
