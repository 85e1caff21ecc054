"""What made the pages: commit, hardware, versions, and the measured times per chapter."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import UserError
from helpers.machine import gpu_name, processor, versions

if TYPE_CHECKING:
    import pandas as pd

BUILD_VARIABLE = "HELPERS_BUILD"


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def hardware() -> str:
    """Return the processor, the cores that may be used, the memory and the GPU, in one line."""
    import joblib
    import psutil

    memory = psutil.virtual_memory().total / 2**30
    parts = [processor(), f"{joblib.cpu_count()} cores", f"{memory:.0f} GiB of memory", gpu_name()]
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
    return versions(("torch", "numpy", "scipy", "jupyter-book"))


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
