"""Time two ways of doing the same work side by side: pinned, interleaved, medians, saved."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.files import write_text
from helpers.machine import processor

OUTPUT = Path(__file__).resolve().parents[1] / "_build" / "benchmarks"


@dataclass(frozen=True)
class Ratio:
    """Hold a comparison: median seconds a repeat of each way, and how many times faster."""

    name: str
    slow: float
    fast: float
    slow_runs: tuple[float, ...] = field(repr=False)
    fast_runs: tuple[float, ...] = field(repr=False)

    @property
    def ratio(self) -> float:
        """Return the ratio of the medians."""
        return self.slow / self.fast

    def times(self, unit: float) -> dict[str, float | str]:
        """Return columns for a table: medians and ranges of both ways, and the ratio."""
        return {
            "plain loop": unit * self.slow,
            "its range": span(unit * t for t in self.slow_runs),
            "ours": unit * self.fast,
            "our range": span(unit * t for t in self.fast_runs),
            "times faster": self.ratio,
        }


def span(values: Iterable[float]) -> str:
    """Return the least and the largest of some numbers as text, to three significant digits."""
    found = list(values)
    return f"{min(found):.3g}–{max(found):.3g}"


def machine() -> str:
    """Name the machine: processor, cores, system."""
    return (
        f"{processor()}, {platform.machine()} {platform.system()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}"
    )


def pin_to_one_core() -> None:
    """Hold this process, and the libraries it calls, to one core (the last it may use)."""
    import torch
    from threadpoolctl import threadpool_limits

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    threadpool_limits(1)


def seconds(work: Callable[[], Any]) -> float:
    """Return the CPU seconds that one call takes this process.

    Pinned to one core this is the wall time of a quiet machine, and other load disturbs it less.
    """
    start = time.process_time()
    work()
    return time.process_time() - start


def compare(
    name: str, slow: Callable[[], Any], fast: Callable[[], Any], repeats: int = 5, scale: float = 1
) -> Ratio:
    """Time both ways in turns, so that a busy moment falls on both; one warm-up of each first.

    `scale` divides the times, such as the number of steps that one call takes.
    """
    slow(), fast()
    runs = [(seconds(slow) / scale, seconds(fast) / scale) for _ in range(repeats)]
    slow_runs, fast_runs = zip(*runs, strict=True)
    medians = statistics.median(slow_runs), statistics.median(fast_runs)
    return Ratio(name, *medians, slow_runs, fast_runs)


def sgemm_peak(size: int = 1024, repeats: int = 15) -> float:
    """Return the FLOP/s of the best of a few square float32 products: the floor's yardstick."""
    import torch

    a, b = torch.rand(size, size), torch.rand(size, size)
    out = torch.empty(size, size)
    return 2 * size**3 / min(seconds(lambda: torch.mm(a, b, out=out)) for _ in range(repeats))


def growth_exponent(sizes: Sequence[float], times: Sequence[float]) -> float:
    """Return the slope of log time against log size, a straight line over the upper half."""
    import numpy as np

    upper = len(sizes) // 2 + 1
    return float(np.polyfit(np.log(sizes[-upper:]), np.log(times[-upper:]), 1)[0])


def measure_growth(
    sizes: Mapping[str, Sequence[int]],
    base: Mapping[str, int],
    measure: Callable[[dict[str, int]], Mapping[str, Any]],
    quick: bool,
    **names: str,
) -> list[dict[str, Any]]:
    """Measure while one setting at a time moves away from `base`; a row a size, each printed.

    `measure` returns at least cpu_seconds for a setting; the rows of a setting that varies get its
    growth exponent. `names` are columns that all rows share; quick leaves out the two largest sizes
    of each.
    """
    rows = []
    for varied, known in sizes.items():
        found = []
        for size in known[:-2] if quick else known:
            setting = {**base, varied: size}
            row = {**names, "varied": varied, "size": size, **setting, **measure(setting)}
            print(row, flush=True)
            found.append(row)
        taken = [row["cpu_seconds"] for row in found]
        exponent = growth_exponent([row["size"] for row in found], taken)
        rows += [row | {"exponent": exponent} for row in found]
    return rows


def show(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print one table; numbers to three significant digits."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name in rows[0]:
        numeric = not isinstance(rows[0][name], str)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()))
    console = Console(width=120)
    console.print(table)
    console.print(f"on {machine()}", highlight=False)


def save(name: str, rows: Sequence[dict[str, Any]], **extra: Any) -> Path:
    """Write rows and the machine they were taken on to _build/benchmarks/NAME.json, atomically."""
    record = {
        "machine": machine(),
        "python": platform.python_version(),
        "taken": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **extra,
        "rows": list(rows),
    }
    path = OUTPUT / f"{name}.json"
    write_text(path, json.dumps(record, indent=1) + "\n")
    return path
