"""The chapters, run at the smoke profile through the same code as the whole book."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from helpers.press.project import Project
from helpers.press.project import chapters as read_chapters

pytestmark = pytest.mark.slow


def executed(project: Project) -> dict[str, nbformat.NotebookNode]:
    return {
        chapter.name: nbformat.read(project.executed / f"{chapter.name}.ipynb", 4)
        for chapter in read_chapters(project)
    }


def test_every_chapter_ran_without_an_error(smoke_chapters: Project) -> None:
    for name, notebook in executed(smoke_chapters).items():
        for cell in notebook.cells:
            if cell.cell_type == "code" and cell.source.strip():
                assert cell.execution_count, f"{name}: {cell.id} did not run"
                kinds = [output.output_type for output in cell.outputs]
                assert "error" not in kinds, f"{name}: {cell.id}"


def test_no_chapter_leaves_warnings_on_its_page(smoke_chapters: Project) -> None:
    for name, notebook in executed(smoke_chapters).items():
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                if output.output_type == "stream" and output.name == "stderr":
                    pytest.fail(f"{name}: {cell.id} wrote to stderr:\n{output.text[:500]}")


def test_every_picture_has_alternative_text(smoke_chapters: Project) -> None:
    for name, notebook in executed(smoke_chapters).items():
        for cell in notebook.cells:
            data = {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}
            if any(kind.startswith("image/") for kind in data):
                alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
                assert len(alt) >= 20, f"{name}: {cell.id}"


def test_pages_show_the_parameters_that_ran(smoke_chapters: Project) -> None:
    for name, notebook in executed(smoke_chapters).items():
        tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
        values: dict[str, object] = {}
        exec(tagged[0].source, values)
        assert values["profile"] == "smoke", name
        assert values["device"] == "cpu", name
        assert not any("injected-parameters" in c.metadata.get("tags", []) for c in notebook.cells)


def test_no_page_names_a_folder_of_this_machine(smoke_chapters: Project) -> None:
    home = str(Path.home())
    for name, notebook in executed(smoke_chapters).items():
        text = json.dumps([c.get("outputs", []) for c in notebook.cells])
        assert str(smoke_chapters.root) not in text, name
        assert f"{home}/" not in text, name


def test_provenance_covers_every_chapter(smoke_chapters: Project) -> None:
    path = smoke_chapters.executed / "book" / "_provenance.json"
    provenance = json.loads(path.read_text(encoding="utf-8"))
    assert provenance["profile"] == "smoke"
    assert set(provenance["chapters"]) == {c.path.stem for c in read_chapters(smoke_chapters)}
    for cost in provenance["chapters"].values():
        assert cost["seconds"] > 0
        assert 10 < cost["peak_process_mb"] <= cost["peak_mb"]
