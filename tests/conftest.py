"""What tests share: the book's folder, a book built at the smoke profile, a word on browsers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from helpers.doctor import find_browser
from helpers.press.project import Project

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the browser tests where there is no browser."""
    if find_browser():
        return
    for item in items:
        if "browser" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="no chromium"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once how to get the browser tests, where they were skipped."""
    if not find_browser():
        terminalreporter.write_line(
            "The browser tests were skipped: there is no chromium here. To run them, install it "
            "(Debian: apt-get install chromium; macOS: brew install --cask chromium).",
            yellow=True,
        )


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the book."""
    return ROOT


@pytest.fixture(scope="session")
def smoke_chapters() -> Project:
    """Run every chapter at the smoke profile, once for all test processes; build no site."""
    return smoke_build("--no-site")


@pytest.fixture(scope="session")
def smoke_book() -> Project:
    """Build the whole book at the smoke profile, once for all test processes."""
    return smoke_build()


def smoke_build(*options: str) -> Project:
    """Build in _build/smoke, where what is good already is kept."""
    project = Project(ROOT, ROOT / "_build" / "smoke")
    project.build.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "helpers", "book", "--profile", "smoke", "--device", "cpu"]
    with filelock.FileLock(project.build / ".tests.lock"):
        done = subprocess.run(
            [*command, "--build-dir", str(project.build), *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        pytest.fail(f"the book does not build at the smoke profile:\n{done.stdout}{done.stderr}")
    return project
