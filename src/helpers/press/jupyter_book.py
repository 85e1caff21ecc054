"""Build the site with Jupyter Book from executed copies of the chapters."""

from __future__ import annotations

import ast
import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.errors import UserError
from helpers.files import write_bytes, write_text
from helpers.machine import installed_version
from helpers.press.cache import Record, hash_tree
from helpers.press.project import (
    Chapter,
    Notebook,
    Project,
    documents,
    source_of,
    tags_of,
    walk_files,
)

BUILDERS = ("jupyter-book", "sphinx", "myst-nb", "sphinx-book-theme", "sphinx-design")


def executed_notebook(chapter: Chapter, record: Record, parameters: Mapping[str, str]) -> Notebook:
    """Return the chapter as it is now, with the outputs of its last run.

    The parameters cell shows the values that ran, not the defaults in the source. Raises UserError
    when the chapter has other cells than the run had: it was edited meanwhile.
    """
    notebook = copy.deepcopy(chapter.notebook)
    notebook.setdefault("metadata", {})["language_info"] = record.language
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    if len(code) != len(record.outputs):
        raise UserError(f"{chapter.path.name} was edited while it ran; build the book again")
    for cell, outputs, count in zip(code, record.outputs, record.counts, strict=True):
        cell["outputs"] = outputs
        cell["execution_count"] = count
        if "parameters" in tags_of(cell):
            cell["source"] = effective_parameters(source_of(cell), parameters)
    return notebook


def effective_parameters(source: str, parameters: Mapping[str, str]) -> str:
    """Return a parameters cell with the injected values in place of its defaults."""
    lines = source.encode().splitlines(keepends=True)
    for node in reversed(ast.parse(source).body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        name = targets[0].id if isinstance(targets[0], ast.Name) else ""
        value = getattr(node, "value", None)
        if name not in parameters or not isinstance(value, ast.expr):
            continue
        first, last = value.lineno - 1, (value.end_lineno or value.lineno) - 1
        before, after = lines[first][: value.col_offset], lines[last][value.end_col_offset :]
        lines[first : last + 1] = [before + json.dumps(parameters[name]).encode() + after]
    return b"".join(lines).decode()


def gather_sources(project: Project, notebooks: Mapping[Path, Notebook]) -> None:
    """Lay out the source of the site: executed notebooks, pages, bibliography and static files.

    `notebooks` maps each notebook's path to its executed form. Files that no longer belong are
    removed, and files that have not changed are left alone.
    """
    wanted: dict[Path, bytes] = {}
    for path, notebook in notebooks.items():
        text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        wanted[path.relative_to(project.root)] = text.encode()
    for path in walk_files(project.root / "book"):
        if path.suffix != ".ipynb":
            wanted[path.relative_to(project.root)] = path.read_bytes()
    for path in documents(project):
        if path.suffix != ".ipynb":
            wanted[path.relative_to(project.root)] = path.read_bytes()
    for path in list(walk_files(project.executed)):
        name = path.relative_to(project.executed)
        if name not in wanted and name.name != "_provenance.json":
            path.unlink()
    for name, content in wanted.items():
        target = project.executed / name
        if not target.is_file() or target.read_bytes() != content:
            write_bytes(target, content)


def site_key(project: Project) -> str:
    """Return a hash over all that the site is made from."""
    settings = _settings(project.root)
    extensions = (settings.get("sphinx") or {}).get("local_extensions") or {}
    extra = ((settings.get("sphinx") or {}).get("config") or {}).get("html_extra_path") or []
    folders = [project.executed, project.root / "src" / "helpers", project.root / "results"]
    folders += [project.root / str(path) for path in [*extensions.values(), *extra]]
    parts = [hash_tree(folder) for folder in folders]
    parts += [(project.root / name).read_text("utf-8") for name in ("_config.yml", "_toc.yml")]
    citation = project.root / "CITATION.cff"
    parts += [citation.read_text("utf-8") if citation.is_file() else ""]
    parts += [installed_version(name) or "" for name in BUILDERS]
    parts += [os.environ.get("BOOK_URL", "")]
    return json.dumps(parts)


def is_current(project: Project, key: str) -> bool:
    """Tell whether the site that is there was made from the same things."""
    stamp = project.build / "site.json"
    try:
        same = json.loads(stamp.read_text(encoding="utf-8")) == key
    except (OSError, ValueError):
        return False
    return same and (project.html / "index.html").is_file()


def build_site(project: Project, key: str) -> None:
    """Build the site beside the last good one, then put it in its place.

    Raises UserError, with the warnings, when Jupyter Book warns or fails; the last site then stays.
    """
    work = project.build / "site"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    command = [
        *(sys.executable, "-c", "from jupyter_book.cli.main import main; main()"),
        *("build", str(project.executed), "--config", str(project.root / "_config.yml")),
        *("--toc", str(project.root / "_toc.yml"), "--path-output", str(work)),
        *("-W", "--keep-going", "--all", "-q"),
    ]
    log = project.build / "site.log"
    with log.open("wb") as file:
        done = subprocess.run(
            command, stdout=file, stderr=subprocess.STDOUT, cwd=project.root, check=False
        )
    made = work / "_build" / "html"
    if done.returncode != 0 or not (made / "index.html").is_file():
        text = log.read_text(encoding="utf-8", errors="replace")
        raise UserError(f"the site was not built:\n{warnings_in(text, project)}")
    old = project.build / "html.old"
    shutil.rmtree(old, ignore_errors=True)
    if project.html.exists():
        project.html.rename(old)
    made.rename(project.html)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(work, ignore_errors=True)
    write_text(project.build / "site.json", json.dumps(key))


def warnings_in(log: str, project: Project) -> str:
    """Return the warnings and errors of a Jupyter Book log, with the paths of the sources."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", log).replace(f"{project.executed}/", "")
    lines = [line for line in plain.splitlines() if line.strip()]
    found = [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL)\b|Error:", line)]
    return "\n".join(dict.fromkeys(found)) or "\n".join(lines[-20:])


def _settings(root: Path) -> dict[str, Any]:
    import yaml

    path = root / "_config.yml"
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"there is no _config.yml beside _toc.yml in {root}") from error
    except yaml.YAMLError as error:
        raise UserError(f"_config.yml cannot be read: {error}") from error
    return settings if isinstance(settings, dict) else {}
