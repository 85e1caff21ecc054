"""What made the pages: commit, hardware, versions, and the measured times per chapter."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

BUILD_VARIABLE = "HELPERS_BUILD"


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def commit_of(root: Path) -> str:
    """Return the git commit of a folder, with a '+' where files differ from it."""
    head = _output_of("git", "-C", str(root), "rev-parse", "--short=8", "HEAD")
    if not head:
        return "unknown"
    changed = _output_of("git", "-C", str(root), "status", "--porcelain", "--", ".")
    return f"{head}+" if changed else head


def hardware() -> str:
    """Return the processor, the cores that may be used, the memory and the GPU, in one line."""
    import joblib
    import psutil

    memory = psutil.virtual_memory().total / 2**30
    parts = [_processor(), f"{joblib.cpu_count()} cores", f"{memory:.0f} GiB of memory", gpu_name()]
    return ", ".join(part for part in parts if part)


def device_used(name: str) -> str:
    """Return the device that `name` leads to: what `auto` finds here, else `name` itself."""
    if name != "auto":
        return name
    if not gpu_name():
        return "cpu"
    from helpers.device import choose_device

    return choose_device(name).type


def main_versions() -> dict[str, str]:
    """Return the versions that a page states: Python and the libraries numbers depend on most."""
    from helpers.press.cache import installed_version

    found = {name: installed_version(name) for name in ("torch", "numpy", "scipy", "jupyter-book")}
    return {"python": platform.python_version(), **{k: v for k, v in found.items() if v}}


def gpu_name() -> str | None:
    """Return the name of the first NVIDIA GPU, or None. Does not import torch."""
    if not shutil.which("nvidia-smi"):
        return None
    names = _output_of("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    return names.splitlines()[0] if names else None


def build_folder() -> Path:
    """Return the folder of the build that this process belongs to (default: _build of the book)."""
    from helpers.press.project import find_project

    named = os.environ.get(BUILD_VARIABLE)
    return Path(named) if named else find_project().build


def read_times(path: Path | None = None) -> dict[str, Any]:
    """Return what the last build measured: profile, device, hardware and a record per chapter.

    `path` defaults to chapters.json of the build. Raises UserError where there is none yet.
    """
    path = path or build_folder() / "chapters.json"
    try:
        times: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError("no times are measured yet; run `make book` first") from error
    except ValueError as error:
        raise UserError(f"{path.name} is damaged; delete it and run `make book` again") from error
    return times


def chapter_times(path: Path | None = None) -> pd.DataFrame:
    """Return the measured cost of each chapter, a row per chapter in reading order.

    Columns: chapter, seconds, peak_mb (the kernel and its children together), peak_process_mb,
    cells, date and commit of the run. Raises UserError where no build has measured them yet.
    """
    import pandas as pd

    rows = [{"chapter": name, **cost} for name, cost in read_times(path)["chapters"].items()]
    columns = ["chapter", "seconds", "peak_mb", "peak_process_mb", "cells", "date", "commit"]
    return pd.DataFrame(rows, columns=columns)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    if platform.system() == "Darwin":
        return _output_of("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor()
    return platform.processor() or platform.machine()


def _output_of(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
