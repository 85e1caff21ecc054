"""After the build: a content security policy, clean notebooks, no unused style rules."""

from __future__ import annotations

import base64
import copy
import hashlib
import html
import posixpath
import re
import string
from pathlib import Path

import nbformat
import tinycss2
from sphinx.application import Sphinx

from helpers.press.site.fonts import subset_font

POLICY_MARK = "@@CONTENT-SECURITY-POLICY@@"
_INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
_SCRIPT_SOURCE = re.compile(r'<script[^>]*\bsrc="[^"]*?_static/([^"?]+)')
_STYLE_LINK = re.compile(
    r'<link\b(?=[^>]*rel="stylesheet")[^>]*href="(?P<root>[^"]*?)_static/(?P<sheet>[^"?]+)[^"]*"[^>]*>'
)
_WORD = re.compile(r"[A-Za-z_][\w-]*")
_CLASS_OR_ID = re.compile(r"[.#](-?[A-Za-z_][\w-]*)")
# Written by hand and small, or with names that scripts put together.
_KEEP_WHOLE = {"book.css"}


def finish_site(app: Sphinx, exception: Exception | None) -> None:
    """Finish the written pages; do nothing after a failed or a non-HTML build."""
    if exception is not None or app.builder.name != "html":
        return
    site = Path(app.outdir)
    pages = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(POLICY_MARK, content_policy(text)), encoding="utf-8")
    drop_unused_styles(site, pages)
    subset_formula_fonts(site, pages, Path(app.srcdir) / "book" / "_static")
    bundle_styles(site, pages)
    # The build runs from the root of the book.
    folders = Path(app.srcdir) / "book", Path.cwd() / "book", site / "_downloads" / "notebooks"
    write_clean_notebooks(*folders)
    write_front_door(site, app.config.root_doc, app.config.html_title)
    (site / ".nojekyll").touch()  # some hosts hide folders that start with an underscore


def write_front_door(site: Path, root: str, title: str) -> None:
    """Write index.html, which leads to the landing page, unless that is what it is."""
    if root != "index":
        name = html.escape(title)
        (site / "index.html").write_text(
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
            f'<meta http-equiv="refresh" content="0; url={root}.html">'
            f'<link rel="canonical" href="{root}.html"></head>'
            f'<body><main><h1><a href="{root}.html">{name}</a></h1></main></body></html>\n',
            encoding="utf-8",
        )


def content_policy(page: str) -> str:
    """Return a policy under which exactly this page's own scripts run.

    Styles may be inline: formulas and figures carry them.
    """
    digests = dict.fromkeys(
        base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        for body in _INLINE_SCRIPT.findall(page)
    )
    scripts = " ".join(["'self'", *(f"'sha256-{digest}'" for digest in digests)])
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'"
    )


def clean_notebook(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a notebook without outputs and without the cell that papermill injects."""
    clean = copy.deepcopy(notebook)
    clean.cells = [
        cell for cell in clean.cells if "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    for cell in clean.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    clean.metadata.pop("papermill", None)
    return clean


def write_clean_notebooks(executed: Path, sources: Path, target: Path) -> None:
    """Write the clean form of every executed notebook to `target`.

    That is the file in `sources` (the book's own folder) where there is one: an executed copy
    without outputs may still carry the parameters of its run.
    """
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(executed.glob("*.ipynb")):
        origin = sources / path.name
        notebook = nbformat.read(origin if origin.is_file() else path, as_version=4)
        nbformat.write(clean_notebook(notebook), target / path.name)


def drop_unused_styles(site: Path, pages: list[Path]) -> None:
    """Rewrite the site's style sheets without the rules that no page and no script can use.

    A rule stays when each class and id of one of its selectors occurs as a word somewhere in a
    page or in a script that a page asks for: a generous test, but the theme's sheets shrink to a
    fraction.
    """
    words: set[str] = set()
    for page in pages:
        text = page.read_text(encoding="utf-8")
        words.update(_WORD.findall(text))
        for script in set(_SCRIPT_SOURCE.findall(text)):
            path = site / "_static" / script
            if path.is_file():
                words.update(_WORD.findall(path.read_text(encoding="utf-8")))
    for sheet in (site / "_static").rglob("*.css"):
        if sheet.name not in _KEEP_WHOLE:
            text = sheet.read_text(encoding="utf-8")
            sheet.write_text(used_rules(text, words), encoding="utf-8")


def subset_formula_fonts(site: Path, pages: list[Path], originals: Path) -> None:
    """Leave in the fonts of the formulas the characters that some page uses: half the bytes.

    originals: the folder of static files that the site's were copied from; the site's own fonts
    may be subsets already, of an older text.
    """
    used = set(string.printable)
    for page in pages:
        used.update(html.unescape(page.read_text(encoding="utf-8")))
    for font in sorted(originals.glob("katex/fonts/*.woff2")):
        target = site / "_static" / font.relative_to(originals)
        target.write_bytes(subset_font(font, used))


def bundle_styles(site: Path, pages: list[Path]) -> None:
    """Let each page ask for one style sheet, which holds all of its own in their order."""
    for page in pages:
        text = page.read_text(encoding="utf-8")
        links = list(_STYLE_LINK.finditer(text))
        sheets = list(dict.fromkeys(link["sheet"] for link in links))
        if len(sheets) < 2:
            continue
        css = "\n".join(_moved(site / "_static" / sheet, sheet) for sheet in sheets)
        name = f"site-{hashlib.sha256(css.encode()).hexdigest()[:12]}.css"
        (site / "_static" / name).write_text(css, encoding="utf-8")
        bundle = f'<link rel="stylesheet" href="{links[0]["root"]}_static/{name}"/>'
        text = (
            _STYLE_LINK.sub("", text[: links[0].start()])
            + bundle
            + _STYLE_LINK.sub("", text[links[0].end() :])
        )
        page.write_text(text, encoding="utf-8")


def _moved(path: Path, sheet: str) -> str:
    """Return a style sheet as it must read one folder up, in _static itself."""

    def move(match: re.Match[str]) -> str:
        target = match[1].strip("\"'")
        if re.match(r"(?:[a-z]+:|#|/)", target):
            return match[0]
        return f"url({posixpath.normpath(posixpath.join(posixpath.dirname(sheet), target))})"

    return re.sub(r"url\(([^)]+)\)", move, path.read_text(encoding="utf-8"))


def used_rules(sheet: str, words: set[str]) -> str:
    """Return a style sheet without rules whose classes and ids are not among `words`."""
    rules = tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)
    return "".join(_keep(rule, words) for rule in rules)


def _keep(rule: tinycss2.ast.Node, words: set[str]) -> str:
    if rule.type == "at-rule" and rule.lower_at_keyword in {"media", "supports"}:
        inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
        kept = "".join(_keep(nested, words) for nested in inner)
        prelude = tinycss2.serialize(rule.prelude)
        return f"@{rule.at_keyword}{prelude}{{{kept}}}" if kept else ""
    if rule.type == "at-rule" and rule.lower_at_keyword == "font-face":
        return "" if "Font Awesome" in tinycss2.serialize(rule.content) else rule.serialize()
    if rule.type != "qualified-rule":
        return "" if rule.type == "error" else rule.serialize()
    selectors = re.split(r",(?![^(]*\))", tinycss2.serialize(rule.prelude))
    kept_selectors = [one for one in selectors if _usable(one, words)]
    if not kept_selectors:
        return ""
    return f"{','.join(kept_selectors).strip()}{{{tinycss2.serialize(rule.content).strip()}}}"


def _usable(selector: str, words: set[str]) -> bool:
    outside = re.sub(r":(?:not|is|where|has)\([^)]*\)", "", selector)
    return all(name in words for name in _CLASS_OR_ID.findall(outside))
