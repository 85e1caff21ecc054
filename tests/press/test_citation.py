"""One source says who made the book and under which licences; every other file agrees with it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml

from helpers.errors import UserError
from helpers.press.citation import codemeta, derived_files, read_citation, zenodo

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((Path(__file__).parent / "cff-1.2.0-schema.json").read_text())
ZENODO_REQUIRED = {"title", "upload_type", "description", "creators", "access_right", "license"}


@pytest.fixture
def citation():
    return read_citation(ROOT)


@pytest.fixture
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(authors):
    return [author.get("name") for author in authors]


def test_citation_file_follows_the_schema(citation):
    jsonschema.validate(citation, SCHEMA, format_checker=jsonschema.FormatChecker())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**citation, "licence": "MIT"}, SCHEMA)


def test_files_made_from_it_are_up_to_date():
    for name, text in derived_files(ROOT).items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, "run: python -m helpers metadata"


def test_every_file_names_the_same_authors(citation, project):
    expected = names(citation["authors"])
    assert names(codemeta(citation, "")["author"]) == expected
    assert names(zenodo(citation)["creators"]) == expected
    assert names(project["authors"]) == expected
    assert yaml.safe_load((ROOT / "_config.yml").read_text())["author"] == ", ".join(expected)
    assert f"Copyright (c) 2026 {expected[0]}" in (ROOT / "LICENSE").read_text()


def test_every_file_names_the_same_licences_and_version(citation, project):
    assert project["license"].split(" AND ") == citation["license"]
    assert project["version"] == citation["version"]
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert "Code MIT, text CC BY 4.0" in readme
    assert citation["license"] == ["MIT", "CC-BY-4.0"]


def test_every_file_names_the_same_title_and_paper(citation, project):
    heading = (ROOT / "README.md").read_text().splitlines()[0].removeprefix("# ")
    assert heading.casefold() == citation["title"].casefold()
    assert codemeta(citation, "")["name"] == zenodo(citation)["title"] == citation["title"]
    (paper,) = citation["references"]
    number = paper["url"].rsplit("/", 1)[1]
    assert f"arXiv:{number}" in (ROOT / "README.md").read_text()
    assert number in project["description"]
    bibliography = (ROOT / "book" / "references.bib").read_text()
    entry = re.search(r"@\w+\{bennett2026,(.*?)\n\}", bibliography, re.DOTALL)
    assert entry
    assert number in entry[1]


def test_zenodo_has_what_a_deposit_needs(citation):
    deposit = zenodo(citation)
    assert set(deposit) >= ZENODO_REQUIRED
    assert all(deposit[name] for name in ZENODO_REQUIRED)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", deposit["publication_date"])


def test_people_are_named_as_each_format_wants_them(citation):
    person = {"given-names": "Ada", "family-names": "Byron", "orcid": "https://orcid.org/0"}
    known = {**citation, "authors": [person]}
    (author,) = codemeta(known, "")["author"]
    assert author == {
        "@type": "Person",
        "@id": "https://orcid.org/0",
        "givenName": "Ada",
        "familyName": "Byron",
    }
    assert zenodo(known)["creators"] == [{"name": "Byron, Ada"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "CITATION.cff cannot be read"),
        ("a: [", "CITATION.cff cannot be read"),
        ("title: x\n", "CITATION.cff lacks abstract, authors, license"),
    ],
)
def test_a_bad_citation_file_is_named(text, message, tmp_path):
    if text is not None:
        (tmp_path / "CITATION.cff").write_text(text)
    with pytest.raises(UserError, match=message):
        read_citation(tmp_path)
