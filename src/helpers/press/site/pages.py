"""What each page is given: only the scripts it needs, inline figures, and its provenance."""

from __future__ import annotations

import html
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from helpers.press.site.figures import inline_svg

logger = logging.getLogger(__name__)

PARAMETER_TAGS = {"parameters", "injected-parameters"}
_IMAGE = re.compile(r'<img\b[^>]*\bsrc="[^"]*_images/([^"/]+\.svg)"[^>]*>')
_ADDRESS = re.compile(r'<meta property="og:url"[^>]*>\n?')
_ATTRIBUTE = re.compile(r'\balt="([^"]*)"')
# Thebe starts kernels on another host; the others are inline settings, which toggle-settings.js
# holds instead (the page's name serves a version switcher that the book does not have).
_UNWANTED = (
    "thebe",
    "togglehint",
    "toggleopenonprint",
    "togglebuttonselector =",
    "documentation_options.",
)
# "1.2. " before a heading: without its last point.
_NUMBER = re.compile(r'(<span class="section-number">[\d.]*\d)\.( </span>)')
# A number that the run put into the text, with a hyphen for its sign.
_HYPHEN_SIGN = re.compile(r'(<span class="pasted-text">)-(?=[\d.])')
# The theorem and exercise directives give every body the same id.
_SHARED_ID = re.compile(r' id="(?:proof|exercise|solution)-content"')


def drop_parameter_cells(app: Sphinx, docname: str, content: list[str]) -> None:
    """Hide the parameter cells: a default that did not run must not be shown as if it had."""
    if Path(app.env.doc2path(docname)).suffix != ".ipynb":
        return
    notebook = json.loads(content[0])
    for cell in notebook["cells"]:
        tags = cell.get("metadata", {}).get("tags", [])
        if PARAMETER_TAGS & set(tags) and "remove-cell" not in tags:
            cell["metadata"]["tags"] = [*tags, "remove-cell"]
    content[0] = json.dumps(notebook)


@lru_cache(maxsize=1)
def read_provenance(sources: str | Path) -> dict[str, Any]:
    """Return what the builder wrote, beside the pages' sources, about their run; empty without."""
    path = Path(sources) / "book" / "_provenance.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def run_facts(chapter: str, provenance: dict[str, Any]) -> list[str]:
    """Say how and when a chapter was run: ["profile laptop", "device cpu", "41 s", …].

    Then the date and the commit of the run. Empty for a chapter that the builder did not run.
    """
    record = provenance.get("chapters", {}).get(chapter)
    if record is None:
        return []
    settings = {name: record.get(name, provenance.get(name)) for name in ("profile", "device")}
    facts = [f"{name} {value}" for name, value in settings.items() if value]
    seconds = record.get("seconds")
    if isinstance(seconds, int | float):
        facts.append(_duration(seconds))
    if record.get("date"):
        facts.append(f"on {str(record['date'])[:10]}")
    if record.get("commit"):
        facts.append(f"commit {record['commit']}")
    return facts


def origin_facts(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """Say what made the whole book, as (name, value) pairs; nothing about what is not known."""
    versions = provenance.get("versions", {})
    seconds = [record.get("seconds", 0) for record in provenance.get("chapters", {}).values()]
    named = {
        "commit": str(provenance.get("commit", "")),
        "date": str(provenance.get("date", ""))[:10],
        "profile": str(provenance.get("profile", "")),
        "device": str(provenance.get("device", "")),
        "chapters computed in": _duration(sum(seconds)) if seconds else "",
        "hardware": str(provenance.get("hardware", "")),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    return [(name, value) for name, value in named.items() if value]


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def inline_figures(app: Sphinx, pagename: str, body: str) -> str:
    """Put every SVG image of a page's body in the body itself; warn where one has no alt text."""
    sources = {target: source for source, target in app.builder.images.items()}
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        source = sources.get(match[1])
        alt = _ATTRIBUTE.search(match[0])
        label = html.unescape(alt[1]) if alt else ""
        if not label or label.rstrip("/").endswith(".svg"):
            logger.warning("a figure has no alt text (%s)", match[1], location=pagename)
        if source is None:
            return match[0]
        count += 1
        text = (Path(app.srcdir) / source).read_text(encoding="utf-8")
        return inline_svg(text, label, f"f{count}-")

    return _IMAGE.sub(replace, body)


def tidy_body(body: str) -> str:
    """Drop shared ids and the full stop after section numbers; give numbers true minus signs."""
    return _HYPHEN_SIGN.sub("\\1\N{MINUS SIGN}", _NUMBER.sub(r"\1\2", _SHARED_ID.sub("", body)))


def prepare_page(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Fill the context of one page before it is written."""
    for kind in ("script_files", "css_files"):
        context[kind] = [item for item in context.get(kind, []) if not _is_unwanted(item)]
    for script in context["script_files"]:
        if getattr(script, "filename", None):  # inline ones cannot wait, and need not
            script.attributes["defer"] = "defer"
    if not app.config.html_baseurl:  # an address that leads nowhere is worse than none
        context["metatags"] = _ADDRESS.sub("", context.get("metatags", ""))
    if context.get("body"):
        body = inline_figures(app, pagename, context["body"])
        # Sphinx gives the bibliography the role of a list but its entries another.
        body = body.replace(
            '<div role="list" class="citation-list">', '<div class="citation-list">'
        )
        context["body"] = tidy_body(body)
        if "katex-error" in context["body"]:
            logger.warning("a formula cannot be set", location=pagename)
    provenance = read_provenance(app.srcdir)
    context["origin_facts"] = origin_facts(provenance)
    source = Path(app.env.doc2path(pagename)) if doctree is not None else None
    if source is not None and source.suffix == ".ipynb":
        context["run_facts"] = run_facts(source.stem, provenance)
        context["notebook"] = f"_downloads/notebooks/{source.name}"


def _is_unwanted(item: Any) -> bool:
    attributes = getattr(item, "attributes", {})
    name, body = str(getattr(item, "filename", item) or ""), str(attributes.get("body", ""))
    if "documentation_options.js" in name:
        return False
    return any(word in f"{name} {body}".lower() for word in _UNWANTED)
