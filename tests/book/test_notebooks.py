"""The chapters as sources: clean, small-celled, listed, and each exercise solved."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import pytest

from helpers.press.project import chapters as read_chapters
from helpers.press.project import find_project, source_of, tags_of

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
FOLDERS = {path.parent.name for path in (ROOT / "src/helpers/chapters").glob("*/__init__.py")}
CHAPTERS = [path for path in NOTEBOOKS if path.stem.replace("-", "_") in FOLDERS]
NOTEBOOK_METADATA = {"kernelspec", "language_info", "helpers", "jupytext", "mystnb"}
CELL_METADATA = {"tags", "mystnb", "slideshow"}
PLOTTING = re.compile(r"\bplt\.(subplots|figure|subplot_mosaic)\(")


def each(paths: list[Path]) -> Any:
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.stem)


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def prose(path: Path) -> str:
    cells = nbformat.read(path, 4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_every_notebook_is_in_the_table_of_contents() -> None:
    listed = {chapter.path for chapter in read_chapters(find_project(start=ROOT))}
    assert set(NOTEBOOKS) <= listed


def test_every_chapter_folder_has_its_notebook_and_links_to_it() -> None:
    assert {path.stem.replace("-", "_") for path in CHAPTERS} == FOLDERS
    for path in CHAPTERS:
        package = ROOT / "src/helpers/chapters" / path.stem.replace("-", "_")
        assert f"book/{path.name}" in (package / "__init__.py").read_text(encoding="utf-8")


def guards(path: Path) -> list[str]:
    """Return the sentences that a notebook's guards quote."""
    calls = [
        node
        for cell in code_cells(path)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"holds", "page.holds"}
    ]
    quoted = [call.args[0] for call in calls]
    assert all(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in quoted)
    return [ast.literal_eval(one) for one in quoted]


@each(NOTEBOOKS)
def test_every_guarded_sentence_stands_in_the_text_word_for_word(path: Path) -> None:
    text = " ".join(prose(path).split())
    missing = [one for one in guards(path) if " ".join(one.split()) not in text]
    assert missing == []


@each(CHAPTERS)
def test_every_chapter_guards_its_findings(path: Path) -> None:
    assert len(guards(path)) >= 5


@each(NOTEBOOKS)
def test_machinery_never_shows(path: Path) -> None:
    hidden = {"hide-input", "remove-cell", "remove-input", "hide-cell", "parameters"}
    plumbing = re.compile(r"\b(put|holds|page\.box|glue)\(")
    shown = [
        cell.id
        for cell in code_cells(path)
        if plumbing.search(cell.source) and not hidden & set(tags_of(cell))
    ]
    assert shown == []


@each(NOTEBOOKS)
def test_chapters_are_referred_to_by_name(path: Path) -> None:
    assert re.findall(r"\b[Cc]hapters? \d+", prose(path)) == []


@each(NOTEBOOKS)
def test_is_valid_and_has_stable_ids(path: Path) -> None:
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    repeated = [name for name, count in Counter(c.id for c in notebook.cells).items() if count > 1]
    assert not repeated


@each(NOTEBOOKS)
def test_holds_no_outputs_and_no_noise(path: Path) -> None:
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    assert set(notebook.metadata) <= NOTEBOOK_METADATA
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert set(cell.metadata) <= CELL_METADATA, cell.id
        if cell.cell_type == "code":
            assert cell.outputs == [], cell.id
            assert cell.execution_count is None, cell.id


@each(NOTEBOOKS)
def test_cells_are_short(path: Path) -> None:
    lengths = [len(cell.source.splitlines()) for cell in code_cells(path)]
    assert max(lengths) <= 25
    assert statistics.median(lengths) <= 6


@each(NOTEBOOKS)
def test_declares_the_parameters_that_are_injected(path: Path) -> None:
    tagged = [cell for cell in code_cells(path) if "parameters" in tags_of(cell)]
    assert len(tagged) == 1
    names = {
        target.id
        for node in ast.parse(source_of(tagged[0])).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert {"profile", "device"} <= names


@each(NOTEBOOKS)
def test_figures_have_alternative_text(path: Path) -> None:
    for cell in code_cells(path):
        if PLOTTING.search(cell.source):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) >= 20, f"{cell.id}: say in words what the figure shows"


@each(CHAPTERS)
def test_every_exercise_has_a_solution(path: Path) -> None:
    text = prose(path)
    exercises = re.findall(r"\{exercise(?:-start)?\}[^\n]*\n(?::.*\n)*?:label: *(\S+)", text)
    unlabelled = len(re.findall(r"\{exercise(?:-start)?\}", text)) - len(exercises)
    solved = re.findall(r"\{solution(?:-start)?\} *(\S+)", text)
    assert unlabelled == 0
    assert exercises, "a chapter ends in exercises"
    assert sorted(exercises) == sorted(solved)


@each(CHAPTERS)
def test_has_one_title_and_a_summary(path: Path) -> None:
    text = re.sub(r"```.*?```", "", prose(path), flags=re.DOTALL)
    assert len(re.findall(r"^# \S", text, flags=re.MULTILINE)) == 1
    assert re.search(r"^## Summary", text, flags=re.MULTILINE)


def test_ruff_is_content_with_the_chapters() -> None:
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "book"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_labels_are_unique_over_the_whole_book():
    named = []
    for path in NOTEBOOKS:
        figures = [cell.metadata.get("mystnb", {}).get("figure", {}) for cell in code_cells(path)]
        named += [figure["name"] for figure in figures if "name" in figure]
        named += re.findall(r"^(?::name:|:label:) (\S+)$|^\((\S+)\)=$", prose(path), re.MULTILINE)
    flat = ["".join(one) for one in named]
    assert [label for label, times in Counter(flat).items() if times > 1] == []
    assert len(flat) > 100
