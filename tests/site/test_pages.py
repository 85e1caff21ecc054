"""Every page of the site, as a browser and as a reader without one would meet it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

FIRST_VIEW_BUDGET = 300 * 1024  # bytes, gzipped
UNSET = re.compile(r"\$[^$\s][^$]*\$|\\\(|\\\[|\{(?:glue|numref|eq|prf:ref|cite)[^}]*\}`")


class Document(HTMLParser):
    """Read what the tests ask about from a page."""

    VOID = frozenset(("area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source"))
    SILENT = frozenset(("script", "style", "code", "pre", "annotation", "kbd"))

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: list[str] = []
        self.links: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if attributes.get("id"):
            self.ids.append(attributes["id"])
        for name in ("href", "src"):
            if attributes.get(name) and tag != "use":
                self.links.append(attributes[name])
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data):
        if not self.SILENT.intersection(self._open):
            self.text.append(data)


@pytest.fixture(scope="session")
def documents(site, pages) -> dict[Path, Document]:
    return {site / page: Document(site / page) for page in [*pages, "index.html"]}


def problems(found: dict[str, list]) -> str:
    return "\n".join(f"{page}: {item}" for page, items in found.items() for item in items)


def test_links_and_anchors_lead_somewhere(site, documents):
    broken: dict[str, list] = {}
    for path, document in documents.items():
        for link in document.links:
            if re.match(r"[a-z]+:", link):
                continue
            target, anchor = urldefrag(unquote(link))
            file = (path.parent / target.split("?")[0]).resolve() if target else path
            if not file.exists():
                broken.setdefault(path.name, []).append(link)
            elif anchor and file in documents and anchor not in documents[file].ids:
                broken.setdefault(path.name, []).append(f"{link} (no such anchor)")
    assert not broken, problems(broken)


def test_ids_are_unique(documents):
    twice = {
        path.name: sorted({one for one in document.ids if document.ids.count(one) > 1})
        for path, document in documents.items()
    }
    assert not any(twice.values()), problems(twice)


def test_formulas_and_references_are_set(site, documents):
    raw: dict[str, list] = {}
    for path, document in documents.items():
        raw[path.name] = UNSET.findall("".join(document.text))
        if "katex-error" in path.read_text(encoding="utf-8"):
            raw[path.name].append("katex-error")
    assert not any(raw.values()), problems(raw)


def test_every_picture_says_what_it_shows(documents):
    silent: dict[str, list] = {}
    for path, document in documents.items():
        for tag, attributes in document.elements:
            if tag == "img" and not attributes.get("alt"):
                silent.setdefault(path.name, []).append(attributes.get("src"))
            is_figure = tag == "svg" and attributes.get("class") == "figure"
            if is_figure and not (attributes.get("aria-label") and attributes["role"] == "img"):
                silent.setdefault(path.name, []).append("an inline figure")
    assert not silent, problems(silent)


def test_no_cell_shows_an_error(documents):
    failed = {
        path.name: [attributes["class"]]
        for path, document in documents.items()
        for _tag, attributes in document.elements
        if "traceback" in (attributes.get("class") or "").split()
    }
    assert not failed, problems(failed)


def test_chapters_offer_their_clean_notebook(site, documents):
    import nbformat

    offered = [
        (path.parent / link).resolve()
        for path, document in documents.items()
        for link in document.links
        if "_downloads/notebooks/" in link
    ]
    assert offered
    for path in offered:
        cells = nbformat.read(path, as_version=4).cells
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_addresses_that_chapters_once_had_lead_to_them(site):
    moved = sorted(site.glob("book/[0-9]*.html"))
    assert len(moved) >= 12
    for path in moved:
        document = Document(path)
        assert document.links, path.name
        assert all((path.parent / link).is_file() for link in document.links)
        assert "http-equiv" in path.read_text(encoding="utf-8")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.xdist_group("site")
class TestBrowser:
    """What only a browser can tell."""

    def test_console_stays_silent_and_nothing_is_missing(self, visits):
        found = {one.page: one.console + one.failed for one in visits}
        assert not any(found.values()), problems(found)

    def test_no_request_leaves_the_host(self, visits):
        found = {one.page: one.foreign for one in visits}
        assert not any(found.values()), problems(found)

    def test_first_view_is_light(self, visits):
        heavy = {
            one.page: [sum(one.bytes_gzipped.values()), one.bytes_gzipped]
            for one in visits
            if sum(one.bytes_gzipped.values()) > FIRST_VIEW_BUDGET
        }
        assert not heavy, problems(heavy)

    def test_phone_does_not_scroll_sideways(self, visits):
        wide = {one.page: [one.phone_width, *one.wide_elements] for one in visits}
        wide = {page: items for page, items in wide.items() if items[0] > 360}
        assert not wide, problems(wide)

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_nothing_serious(self, visits, scheme):
        found = {one.page: one.axe[scheme] for one in visits}
        assert not any(found.values()), problems(found)

    def test_colour_mode_changes_and_lasts(self, tab, address, pages):
        tab.goto(address + pages[0])
        ground = "getComputedStyle(document.body).backgroundColor"
        mode, light = "document.documentElement.dataset.mode", tab.evaluate(ground)
        assert tab.evaluate(mode) == "auto"
        button = tab.get_by_role("button", name="Colour mode")
        button.click()
        assert tab.evaluate(mode) == "dark"
        dark = tab.evaluate(ground)
        assert dark != light
        tab.reload()
        assert tab.evaluate(ground) == dark
        button.click()
        assert (tab.evaluate(mode), tab.evaluate(ground)) == ("light", light)

    def test_search_finds_a_word_of_a_page(self, tab, address, documents, pages):
        (path, document) = next(iter(documents.items()))
        start = "".join(document.text)
        word = max(re.findall(r"\b[a-z]{7,12}\b", start), key=start.count)
        tab.goto(address + pages[-2], wait_until="networkidle")
        tab.keyboard.press("Control+k")
        tab.get_by_role("searchbox").fill(word)
        tab.keyboard.press("Enter")
        # The hits come one after the other.
        tab.wait_for_selector(f'#search-results li a[href*="{path.stem}"]', timeout=60_000)

    def test_first_tab_stop_skips_to_the_text(self, tab, address, pages):
        tab.goto(address + pages[0])
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.textContent") == "Skip to main content"
        box = tab.evaluate("document.activeElement.getBoundingClientRect().top")
        assert box >= 0  # seen, not only there
        tab.keyboard.press("Enter")
        assert tab.evaluate("location.hash") == "#main-content"

    def test_chapters_open_from_a_phone(self, browser, address, pages):
        context = browser.new_context(viewport={"width": 360, "height": 780})
        tab = context.new_page()
        tab.goto(address + pages[0])
        tab.get_by_role("button", name="Chapters").click()
        tab.get_by_role("navigation", name="Main").get_by_role("link").first.click()
        tab.wait_for_load_state()
        assert tab.url.startswith(address + "book/")
        context.close()

    def test_policy_stops_a_script_that_is_not_ours(self, tab, address, pages):
        tab.goto(address + pages[0])
        tab.evaluate(
            """() => { const s = document.createElement('script');
            s.textContent = 'window.intruder = true'; document.body.append(s); }"""
        )
        assert tab.evaluate("window.intruder === undefined")

    def test_figures_take_the_colour_of_the_text(self, tab, address, documents, site):
        drawn = [
            path
            for path, document in documents.items()
            if any(one.get("class") == "figure" for tag, one in document.elements if tag == "svg")
        ]
        if not drawn:
            pytest.skip("no page has a figure yet")
        tab.goto(address + drawn[0].relative_to(site).as_posix())
        ink = "getComputedStyle(document.querySelector('svg.figure')).color"
        body = "getComputedStyle(document.body).color"
        light = tab.evaluate(ink)
        assert light == tab.evaluate(body)
        tab.emulate_media(color_scheme="dark")
        # By selector: the page's own policy forbids the eval that a polled function needs.
        tab.wait_for_selector("html[data-theme=dark]", state="attached")
        assert tab.evaluate(ink) == tab.evaluate(body) != light
