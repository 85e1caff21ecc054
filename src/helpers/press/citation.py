"""Who made the book and under which licences: read from CITATION.cff, the one place that says it.

codemeta.json and .zenodo.json are made from it by `python -m helpers metadata`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.errors import UserError
from helpers.files import write_text

SPDX = "https://spdx.org/licenses/"
Metadata = dict[str, Any]


def read_citation(root: Path) -> Metadata:
    """Read CITATION.cff of a folder.

    Raises UserError where it is missing, is no YAML, or lacks an entry that is used here.
    """
    import yaml

    path = root / "CITATION.cff"
    try:
        citation = yaml.load(path.read_text(encoding="utf-8"), _TextLoader)
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"CITATION.cff cannot be read ({error}); restore it from git") from error
    needed = ("title", "abstract", "authors", "license", "version", "date-released", "keywords")
    missing = [name for name in needed if name not in (citation or {})]
    if missing:
        raise UserError(f"CITATION.cff lacks {', '.join(missing)}; expected CFF 1.2.0")
    return dict(citation)


def codemeta(citation: Mapping[str, Any], requires_python: str) -> Metadata:
    """Describe the software as CodeMeta 3.0."""
    return {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": citation["title"],
        "description": citation["abstract"],
        "version": citation["version"],
        "datePublished": citation["date-released"],
        "author": [_agent(author) for author in citation["authors"]],
        "license": [SPDX + name for name in citation["license"]],
        "keywords": citation["keywords"],
        "programmingLanguage": "Python",
        "runtimePlatform": f"Python {requires_python}",
        "developmentStatus": "active",
        "referencePublication": [_paper(each) for each in citation.get("references", [])],
    }


def zenodo(citation: Mapping[str, Any]) -> Metadata:
    """Describe a deposit for Zenodo, whose form takes one licence: the first, with a note."""
    first, *others = citation["license"]
    papers = [each["url"] for each in citation.get("references", [])]
    return {
        "title": citation["title"],
        "description": citation["abstract"],
        "version": citation["version"],
        "publication_date": citation["date-released"],
        "upload_type": "software",
        "access_right": "open",
        "license": first,
        "notes": f"Code under {first}; text, figures and tables under {', '.join(others)}.",
        "creators": [{"name": _name(author, family_first=True)} for author in citation["authors"]],
        "keywords": citation["keywords"],
        "related_identifiers": [
            {"identifier": url, "relation": "reviews", "scheme": "url"} for url in papers
        ],
    }


def derived_files(root: Path) -> dict[str, str]:
    """Return the files that are made from CITATION.cff, by name, as they should read."""
    import tomllib

    citation = read_citation(root)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    made = {
        "codemeta.json": codemeta(citation, project["requires-python"]),
        ".zenodo.json": zenodo(citation),
    }
    return {
        name: json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        for name, content in made.items()
    }


def write_derived_files(root: Path) -> list[str]:
    """Write codemeta.json and .zenodo.json; return their names."""
    files = derived_files(root)
    for name, text in files.items():
        write_text(root / name, text)
    return list(files)


def _agent(author: Mapping[str, str]) -> Metadata:
    if "family-names" not in author:
        return {"@type": "Organization", "name": _name(author)}
    known = {"givenName": "given-names", "familyName": "family-names", "affiliation": "affiliation"}
    found = {name: author[key] for name, key in known.items() if key in author}
    return {"@type": "Person", **({"@id": author["orcid"]} if "orcid" in author else {}), **found}


def _name(author: Mapping[str, str], family_first: bool = False) -> str:
    if "family-names" not in author:
        return author["name"]
    names = [author.get("given-names", ""), author["family-names"]]
    return ", ".join(reversed(names)) if family_first else " ".join(names).strip()


def _paper(reference: Mapping[str, Any]) -> Metadata:
    return {
        "@type": "ScholarlyArticle",
        "@id": reference["url"],
        "name": reference["title"],
        "author": [_agent(author) for author in reference["authors"]],
        "datePublished": str(reference["year"]),
    }


def _text_loader() -> Any:
    """Make a YAML loader that leaves dates as the text that they are in the file."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader


_TextLoader = _text_loader()
