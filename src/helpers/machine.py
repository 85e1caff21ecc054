"""Which commit, which hardware and which versions: the one place that knows."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path


def commit_of(root: Path, part: str = ".", digits: int = 40) -> str:
    """Return the git commit of a folder, with a '+' where tracked or new files of a part differ."""
    head = output_of("git", "-C", str(root), "rev-parse", f"--short={digits}", "HEAD")
    if not head:
        return "unknown"
    changed = output_of("git", "-C", str(root), "status", "--porcelain", "--", part)
    return f"{head}+" if changed else head


def processor() -> str:
    """Return the processor's model, as the system names it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    if platform.system() == "Darwin":
        return output_of("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor()
    return platform.processor() or platform.machine()


def gpu_name() -> str | None:
    """Return the name of the first NVIDIA GPU, or None. Does not import torch."""
    if not shutil.which("nvidia-smi"):
        return None
    names = output_of("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    return names.splitlines()[0] if names else None


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of those libraries that are installed."""
    found = {name: installed_version(name) for name in libraries}
    return {"python": platform.python_version(), **{k: v for k, v in found.items() if v}}


def installed_version(name: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def output_of(*command: str) -> str:
    """Return what a command prints, stripped; nothing where it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
