"""A built site, a server for it, and one visit to each of its pages in a real browser."""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.server
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from helpers.doctor import find_browser
from helpers.press import jupyter_book as builder
from helpers.press.project import Project

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BROWSERS = 2
COMPRESSED = {".woff2", ".png", ".jpg", ".ico"}


@dataclass
class Visit:
    """What a browser saw on one page."""

    page: str
    console: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    bytes_gzipped: dict[str, int] = field(default_factory=dict)
    phone_width: int = 0
    wide_elements: list[str] = field(default_factory=list)
    axe: dict[str, list[str]] = field(default_factory=dict)


def current_site(project: Project) -> bool:
    """Tell whether the site was built from the sources as they are now."""
    stamp = project.build / "site.json"
    if not stamp.is_file() or not builder.is_current(project, builder.site_key(project)):
        return False
    sources = [*(ROOT / "book").rglob("*"), *(ROOT / "src" / "helpers").rglob("*.py")]
    return all(path.stat().st_mtime <= stamp.stat().st_mtime for path in sources)


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Path:
    """Return a built site: BOOK_SITE, else the present one if current, else a smoke build."""
    if named := os.environ.get("BOOK_SITE"):
        return Path(named).resolve()
    project = Project(ROOT, ROOT / "_build")
    if current_site(project):
        return project.html
    return request.getfixturevalue("smoke_book").html


@pytest.fixture(scope="session")
def pages(site: Path) -> list[str]:
    """Return the addresses of all pages of the book, below the site's root."""
    found = sorted(
        path.relative_to(site).as_posix()
        for path in site.glob("book/**/*.html")
        if "This page has moved" not in path.read_text(encoding="utf-8")
    )
    assert found, "the site has no pages"
    return [*found, "search.html"]


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serve files without a line of log for each."""

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Serve the site on a free port of this machine."""
    handler = functools.partial(QuietHandler, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Start the installed Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or find_browser()
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Share one Chromium among the tests that use a page."""
    with chromium() as started:
        yield started


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """Open a fresh tab of desktop size in light mode."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def visits(address: str, pages: list[str]) -> list[Visit]:
    """Visit every page once, with an empty cache: wide and light, then dark, then on a phone.

    In several browsers at once, each in a thread of its own.
    """

    def tour(part: list[str]) -> list[Visit]:
        with chromium() as own:
            return [visit(own, address, page) for page in part]

    with ThreadPoolExecutor(BROWSERS) as pool:
        parts = pool.map(tour, (pages[first::BROWSERS] for first in range(BROWSERS)))
        return [one for part in parts for one in part]


def visit(browser: Any, address: str, page: str) -> Visit:
    """Load one page and note what happened."""
    from axe_playwright_python.sync_playwright import Axe

    seen = Visit(page)
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")

    def follow(route: Any) -> None:
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            seen.foreign.append(route.request.url)
            route.abort()

    def weigh(response: Any) -> None:
        if response.status >= 400:
            seen.failed.append(f"{response.status} {response.url}")
        elif response.url.startswith(address):
            body = response.body()
            packed = Path(response.url.split("?")[0]).suffix in COMPRESSED
            size = len(body) if packed else len(gzip.compress(body))
            seen.bytes_gzipped[response.url.removeprefix(address)] = size

    context.route("**/*", follow)
    tab = context.new_page()
    tab.on("console", lambda m: seen.console.append(m.text) if m.type == "error" else None)
    tab.on("pageerror", lambda error: seen.console.append(str(error)))
    tab.on("response", weigh)
    tab.goto(address + page)
    tab.wait_for_load_state("networkidle")
    tab.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        tab.wait_for_selector(f"html[data-theme={scheme}]", state="attached")
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if scheme == "dark":  # only colours differ
            options["runOnly"] = ["color-contrast"]
        result = Axe().run(tab, options=options).response
        seen.axe[scheme] = [
            f"{rule['id']}: {node['html'][:160]}"
            for rule in result["violations"]
            if rule["impact"] in {"serious", "critical"}
            for node in rule["nodes"][:3]
        ]
    tab.set_viewport_size({"width": 360, "height": 780})
    tab.wait_for_timeout(100)
    seen.phone_width = tab.evaluate("document.documentElement.scrollWidth")
    if seen.phone_width > 360:
        seen.wide_elements = tab.evaluate(
            """() => [...document.querySelectorAll('main *')]
            .filter(e => e.getBoundingClientRect().right > 361)
            .map(e => e.outerHTML.slice(0, 120)).slice(0, 4)"""
        )
    context.close()
    return seen
