"""What makes a chapter stale: its own code, what it reaches, what it read; nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.files import READINGS_VARIABLE, note_reading
from helpers.press import cache
from helpers.press.cache import Record, is_fresh, readings_key

FINGERPRINTS = """
import json, sys
from pathlib import Path
from helpers.ledger.registry import _module_name
from helpers.press.project import Project, chapters, source_of
from helpers.sweeps.fingerprint import chapter_fingerprint
root = Path(sys.argv[1])
found = {
    chapter.path.stem: chapter_fingerprint([source_of(cell) for cell in chapter.code_cells])
    for chapter in chapters(Project(root, root / "_build"))
}
for slug in sys.argv[2:]:
    found[f"claims of {slug}"] = chapter_fingerprint((), [_module_name(slug)])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def copy(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the package and the chapters, to be edited."""
    target = tmp_path_factory.mktemp("copy")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("src", "book"):
        shutil.copytree(root / folder, target / folder, ignore=ignore)
    shutil.copy(root / "_toc.yml", target)
    return target


def fingerprints(copy: Path) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", FINGERPRINTS, str(copy), "vanishing", "pair-proxy"],
        env={**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def edited(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text, f"{path.name} no longer holds {before!r}"
    path.write_text(text.replace(before, after), encoding="utf-8")


def changed(copy: Path, name: str, before: str, after: str) -> set[str]:
    """Edit a file of the package, name what became stale, and take the edit back."""
    path = copy / "src" / "helpers" / name
    first = fingerprints(copy)
    edited(path, before, after)
    second = fingerprints(copy)
    edited(path, after, before)
    assert first.keys() == second.keys()
    return {key for key in first if first[key] != second[key]}


def test_a_chapters_own_module_makes_that_chapter_stale_and_no_other(copy: Path) -> None:
    found = changed(copy, "chapters/pair_proxy/figures.py", "def ", "def  ")
    assert found == {"pair-proxy"}


def test_a_chapters_claims_make_the_ledger_stale_too(copy: Path) -> None:
    found = changed(
        copy, "chapters/pair_proxy/claims.py", "Whether a last layer", "If a last layer"
    )
    assert found == {"pair-proxy", "claims of pair-proxy"}


def test_a_measure_makes_stale_what_reaches_it(copy: Path) -> None:
    found = changed(copy, "measures/lempel_ziv.py", "def ", "def  ")
    assert "weakest-not-shortest" not in found
    assert "status" not in found


def test_what_a_run_read_is_noted_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(READINGS_VARIABLE, raising=False)
    note_reading("table", "one")
    monkeypatch.setenv(READINGS_VARIABLE, str(tmp_path / "readings"))
    note_reading("table", "one")
    note_reading("code", "helpers.errors")
    assert (tmp_path / "readings").read_text() == "table one\ncode helpers.errors\n"


def test_a_table_that_changes_makes_its_readers_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "RESULTS", tmp_path)
    readings = ["table one", "protocol vanishing_mnist_500", "code helpers.errors"]
    (tmp_path / "one.csv").write_text("a\n1\n")
    record = Record("key", [], [], {}, 0.0, 0, 0, "", "", [], readings, readings_key(readings))
    assert is_fresh(record, "key")
    assert not is_fresh(record, "another")
    (tmp_path / "two.csv").write_text("a\n1\n")
    assert is_fresh(record, "key")
    (tmp_path / "one.csv").write_text("a\n2\n")
    assert not is_fresh(record, "key")


@pytest.mark.parametrize("kind", ["table", "settings", "protocol", "code"])
def test_what_was_read_and_has_been_renamed_makes_its_reader_stale(kind: str) -> None:
    reading = f"{kind} no_longer_here"
    record = Record("key", [], [], {}, 0.0, 0, 0, "", "", [], [reading], "as it was")
    assert not is_fresh(record, "key")
