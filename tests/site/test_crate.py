"""The site's description as a research object: complete, connected, and true of its files."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from helpers.press.site.crate import NAME, write_crate

ROOT = Path(__file__).resolve().parents[2]
RUN = {"seconds": 41.3, "date": "2026-01-02T03:04:05+00:00", "commit": "f00d", "device": "cpu"}
PROVENANCE = {
    "date": "2026-01-03T00:00:00+00:00",
    "profile": "laptop",
    "versions": {"python": "3.11.7", "torch": "2.14.1"},
    "chapters": {"01-a": RUN},
}


@pytest.fixture
def site(tmp_path):
    """A small site with one chapter, one other page and two real tables."""
    root, site = tmp_path / "root", tmp_path / "site"
    (root / "results").mkdir(parents=True)
    shutil.copy(ROOT / "CITATION.cff", root)
    for name in ("theory", "vanishing_mnist_500"):
        for end in ("csv", "json"):
            shutil.copy(ROOT / "results" / f"{name}.{end}", root / "results")
    for name in ("book/01-a.html", "book/notation.html", "_downloads/notebooks/01-a.ipynb"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(name)
    write_crate(site, root, PROVENANCE, "Short title")
    return site


@pytest.fixture
def graph(site):
    return {each["@id"]: each for each in json.loads((site / NAME).read_text())["@graph"]}


def references(value):
    """Yield every {"@id": …} inside an entity's values."""
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value["@id"]
        else:
            for inner in value.values():
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_descriptor_and_root_are_as_the_specification_asks(graph):
    descriptor, root = graph[NAME], graph["./"]
    assert descriptor["@type"] == "CreativeWork"
    assert descriptor["conformsTo"]["@id"] == "https://w3id.org/ro/crate/1.1"
    assert descriptor["about"] == {"@id": "./"}
    assert root["@type"] == "Dataset"
    assert all(root[name] for name in ("name", "description", "license", "author", "hasPart"))
    assert root["datePublished"] == "2026-01-03"


def test_every_entity_is_listed_once_has_a_type_and_is_found(site):
    entities = json.loads((site / NAME).read_text())["@graph"]
    ids = [each["@id"] for each in entities]
    assert len(ids) == len(set(ids))
    assert all(each["@type"] for each in entities)
    outside = "https://w3id.org/ro/crate/1.1"
    linked = {name for each in entities for name in references(list(each.values()))}
    assert linked - {outside} <= set(ids)
    assert set(ids) - {NAME} <= linked  # nothing lies about unconnected


def test_files_are_those_of_the_site_and_all_tables_are_there(site, graph):
    files = [each for each in graph.values() if "File" in each["@type"]]
    assert {each["@id"] for each in files} == {
        *("book/01-a.html", "book/notation.html", "_downloads/notebooks/01-a.ipynb"),
        *("results/theory.csv", "results/theory.json"),
        *("results/vanishing_mnist_500.csv", "results/vanishing_mnist_500.json"),
    }
    assert {part["@id"] for part in graph["./"]["hasPart"]} == {each["@id"] for each in files}
    for each in files:
        content = (site / each["@id"]).read_bytes()
        assert each["sha256"] == hashlib.sha256(content).hexdigest()
        assert each["contentSize"] == str(len(content))


def test_each_table_and_chapter_says_what_computed_it(graph):
    action = graph["#run-table-vanishing_mnist_500"]
    record = json.loads((ROOT / "results" / "vanishing_mnist_500.json").read_text())
    assert action["@type"] == "CreateAction"
    assert action["endTime"] == record["date"]
    for fact in (record["commit"], record["hardware"], f"{record['wall_seconds']} s"):
        assert fact in action["description"]
    used = {graph[each["@id"]]["name"] for each in action["instrument"]}
    assert used == set(record["versions"])
    page = graph["#run-01-a"]
    assert page["result"] == {"@id": "book/01-a.html"}
    assert {"@id": "_downloads/notebooks/01-a.ipynb"} in page["instrument"]
    assert "profile laptop, device cpu, commit f00d, wall time 41.3 s" in page["description"]


def test_a_book_without_a_citation_file_has_no_description(tmp_path):
    write_crate(tmp_path, tmp_path, {}, "t")
    assert list(tmp_path.iterdir()) == []
