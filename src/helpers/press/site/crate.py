"""The site as a research object: ro-crate-metadata.json (RO-Crate 1.1, JSON-LD).

It names the pages, the notebooks that made them and the published tables, and says of each page and
table by what, when, where and how long it was computed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from helpers.files import write_text
from helpers.press.citation import SPDX, Metadata, codemeta, read_citation
from helpers.press.site.pages import read_provenance

NAME = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/ro/crate/1.1"
CONTENT_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
}


def describe_site(app: Sphinx, exception: Exception | None) -> None:
    """Write the description once the pages are finished; not after a failed build."""
    if exception is None and app.builder.name == "html":
        provenance = read_provenance(app.srcdir)
        # The build runs from the root of the book.
        write_crate(Path(app.outdir), Path.cwd(), provenance, app.config.html_title)


def write_crate(site: Path, root: Path, provenance: Mapping[str, Any], title: str) -> None:
    """Copy the published tables into a finished site, and write its research-object description.

    `root` is the book's folder, `provenance` what the build says of the pages. Does nothing for a
    book without CITATION.cff.
    """
    if not (root / "CITATION.cff").is_file():
        return
    tables = sorted((root / "results").glob("*.csv"))
    for path in tables:
        for file in (path, path.with_suffix(".json")):
            target = site / "results" / file.name
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, target)
    entities = crate(site, read_citation(root), provenance, title, [path.stem for path in tables])
    write_text(site / NAME, json.dumps(entities, indent=1, ensure_ascii=False) + "\n")


def crate(
    site: Path,
    citation: Mapping[str, Any],
    provenance: Mapping[str, Any],
    title: str,
    tables: Iterable[str],
) -> Metadata:
    """Return the description of a site folder."""
    chapters = provenance.get("chapters", {})
    parts: list[Metadata] = []
    actions: list[Metadata] = []
    for page in sorted(site.glob("book/*.html")):
        parts.append(_file(site, page))
        notebook = site / "_downloads" / "notebooks" / f"{page.stem}.ipynb"
        if page.stem in chapters and notebook.is_file():
            parts.append(_file(site, notebook, kind=["File", "SoftwareSourceCode"]))
            made = {**provenance, **chapters[page.stem]}
            actions.append(_action(f"#run-{page.stem}", [parts[-2]], made, [parts[-1]]))
    for name in tables:
        record = json.loads((site / "results" / f"{name}.json").read_text(encoding="utf-8"))
        files = [_file(site, site / "results" / f"{name}{end}") for end in (".csv", ".json")]
        files[0] |= {"name": f"Table {name}", "variableMeasured": list(record["columns"])}
        parts += files
        actions.append(_action(f"#run-table-{name}", files, record, []))
    software = _software({name for action in actions for name in action.pop("versions")})
    described = codemeta(citation, "")
    agents = [_identified(author) for author in described["author"]]
    papers = described["referencePublication"]
    publishers = [agent for agent in agents if agent["@type"] == "Organization"]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": citation["title"],
        "alternateName": title,
        "description": citation["abstract"],
        "version": citation["version"],
        "datePublished": str(provenance.get("date") or citation["date-released"])[:10],
        "license": _references({"@id": SPDX + name} for name in citation["license"]),
        "author": _references(agents),
        **({"publisher": _references(publishers[:1])} if publishers else {}),
        "keywords": citation["keywords"],
        "citation": _references(papers),
        "hasPart": _references(parts),
        "mentions": _references(actions),
    }
    licences = [
        {"@id": SPDX + name, "@type": "CreativeWork", "name": name} for name in citation["license"]
    ]
    writers = [_identified(author) for paper in papers for author in paper["author"]]
    for paper in papers:
        paper["author"] = _references(_identified(author) for author in paper["author"])
    graph = [_descriptor(), root, *parts, *actions, *software, *agents, *papers, *writers]
    return {"@context": f"{PROFILE}/context", "@graph": [*graph, *licences]}


def _descriptor() -> Metadata:
    return {
        "@id": NAME,
        "@type": "CreativeWork",
        "conformsTo": {"@id": PROFILE},
        "about": {"@id": "./"},
    }


def _file(site: Path, path: Path, kind: Any = "File") -> Metadata:
    content = path.read_bytes()
    return {
        "@id": path.relative_to(site).as_posix(),
        "@type": kind,
        "name": path.name,
        "encodingFormat": CONTENT_TYPES[path.suffix],
        "contentSize": str(len(content)),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _action(
    name: str, results: list[Metadata], made: Mapping[str, Any], notebook: list[Metadata]
) -> Metadata:
    """Describe one computation; `made` is a table's provenance, or a page's."""
    seconds = made.get("wall_seconds", made.get("seconds"))
    facts = {
        "profile": made.get("profile"),
        "device": made.get("device"),
        "hardware": made.get("hardware"),
        "commit": made.get("commit"),
        "wall time": f"{seconds} s",
    }
    versions = [f"{library} {version}" for library, version in made.get("versions", {}).items()]
    return {
        "@id": name,
        "@type": "CreateAction",
        "name": f"Compute {results[0]['name']}",
        "description": ", ".join(f"{key} {value}" for key, value in facts.items() if value),
        "endTime": str(made.get("date", "")),
        "instrument": _references([*notebook, *({"@id": _software_id(v)} for v in versions)]),
        "result": _references(results),
        "versions": versions,
    }


def _software(names: Iterable[str]) -> list[Metadata]:
    return [
        {
            "@id": _software_id(name),
            "@type": "SoftwareApplication",
            "name": name.split()[0],
            "softwareVersion": name.split()[-1],
        }
        for name in sorted(names)
    ]


def _software_id(name: str) -> str:
    return "#software-" + name.replace(" ", "-")


def _identified(author: Metadata) -> Metadata:
    given = f"{author.get('givenName', '')} {author.get('familyName', '')}".strip()
    name = author.get("name", given)
    return {"@id": "#" + "-".join(name.split()), "name": name, **author}


def _references(entities: Iterable[Mapping[str, Any]]) -> Any:
    """Point at entities; at a single one without a list, as RO-Crate recommends."""
    found = [{"@id": entity["@id"]} for entity in entities]
    return found[0] if len(found) == 1 else found
