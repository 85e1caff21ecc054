"""Run chapters in parallel processes, watch them, and keep what each one gave."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from helpers.files import READINGS_VARIABLE
from helpers.press.cache import Record, readings_key, save_record
from helpers.press.project import Chapter, Project
from helpers.press.provenance import BUILD_VARIABLE, now

CELL_TIMEOUT = {"smoke": 180.0, "laptop": 900.0, "paper": 6 * 3600.0}
START_TIMEOUT = 120.0
GRACE = 60.0
"""Seconds that a worker gets, past a cell's own limit, to notice the limit and to clean up."""
POLL = 0.1
MEASURE_EVERY = 0.5
"""Seconds between two looks at the memory of the running chapters (a look at every process)."""


@dataclass(frozen=True)
class Plan:
    """How to run chapters: the parameters to inject, the limits and the number of processes."""

    profile: str
    parameters: dict[str, str]
    workers: int
    cell_timeout: float
    commit: str = "unknown"
    start_timeout: float = START_TIMEOUT


@dataclass(frozen=True)
class Failure:
    """Why a chapter did not finish. `cell` counts code cells from 1; 0 means before the first."""

    chapter: Chapter
    kind: str
    cell: int = 0
    source: str = ""
    traceback: str = ""
    message: str = ""

    def headline(self) -> str:
        """Return one line that says where and what."""
        where = f"{self.chapter.path.name}, code cell {self.cell} of {len(self.chapter.code_cells)}"
        if not self.cell:
            where = self.chapter.path.name
        verb = {
            "raised": "raised",
            "hung": "hangs",
            "died": "stopped",
            "invalid": "is not a valid notebook",
        }.get(self.kind, "could not be run")
        return f"{where} {verb}: {self.message}"


@dataclass
class Running:
    """A chapter's process, and what has been seen of it so far. Memory is in MB."""

    chapter: Chapter
    process: subprocess.Popen[bytes]
    scratch: Path
    started: float
    moved: float
    cell: int = 0
    peak_mb: float = 0.0
    peak_process_mb: float = 0.0


@dataclass
class Outcome:
    """What a run gave: a record per finished chapter, a failure per other, the peak of all (MB)."""

    records: dict[str, Record] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    peak_mb: float = 0.0


Listener = Callable[[str, Chapter, Any], None]
"""Told of `started`, `cell` (its number), `finished` (a Record) and `failed` (a Failure)."""


def run_chapters(
    project: Project,
    chapters: Sequence[tuple[Chapter, str]],
    plan: Plan,
    listener: Listener = lambda *_: None,
) -> Outcome:
    """Run each (chapter, key), at most `plan.workers` at once, in the order given.

    A chapter that raises, hangs or dies does not stop the others. Each record is saved as soon as
    its chapter ends. An interrupt ends the running chapters, keeps the finished ones, and is raised
    again.
    """
    waiting = list(chapters)
    keys = {chapter.name: key for chapter, key in chapters}
    running: list[Running] = []
    outcome = Outcome()
    measured = 0.0
    threads = threads_per_worker(plan.workers)
    try:
        while waiting or running:
            while waiting and len(running) < plan.workers:
                chapter = waiting.pop(0)[0]
                running.append(_start(project, chapter, plan, threads))
                listener("started", chapter, None)
            time.sleep(POLL)
            if time.monotonic() - measured >= MEASURE_EVERY:
                measured = time.monotonic()
                outcome.peak_mb = max(outcome.peak_mb, sum(_measure(each) for each in running))
            for each in list(running):
                if _cell_moved(each):
                    listener("cell", each.chapter, each.cell)
                alive = each.process.poll() is None
                overdue = alive and time.monotonic() - each.moved > _patience(each, plan)
                if alive and not overdue:
                    continue
                running.remove(each)
                done = _collect(each, keys[each.chapter.name], plan, overdue=overdue)
                if isinstance(done, Failure):
                    outcome.failures.append(done)
                    listener("failed", each.chapter, done)
                else:
                    save_record(project, each.chapter, plan.profile, done)
                    outcome.records[each.chapter.name] = done
                    listener("finished", each.chapter, done)
    finally:
        for each in running:
            _end(each)
    return outcome


def threads_per_worker(workers: int) -> int:
    """Return the threads for each of `workers` processes, so that together they fill the cores."""
    import joblib

    return max(1, joblib.cpu_count() // workers)


def child_environment(project: Project, threads: int, scratch: Path) -> dict[str, str]:
    """Return a chapter's environment: fixed hashes, few threads, nobody's own start-up files."""
    variables = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA")
    limits = {f"{name}_NUM_THREADS": str(threads) for name in variables}
    return {
        **limits,
        **os.environ,
        "PYTHONHASHSEED": "0",
        "IPYTHONDIR": str(scratch / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        BUILD_VARIABLE: str(project.build),
        READINGS_VARIABLE: str(scratch / "readings.txt"),
    }


def _start(project: Project, chapter: Chapter, plan: Plan, threads: int) -> Running:
    scratch = project.build / "running" / chapter.name.replace("/", "--")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    request = {
        "notebook": str(chapter.path),
        "folder": str(chapter.path.parent),
        "parameters": plan.parameters,
        "cell_timeout": plan.cell_timeout,
        "start_timeout": plan.start_timeout,
        "events": str(scratch / "events.jsonl"),
        "result": str(scratch / "result.json"),
    }
    (scratch / "request.json").write_text(json.dumps(request), encoding="utf-8")
    with (scratch / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "helpers.press.worker", str(scratch / "request.json")],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=child_environment(project, threads, scratch),
            start_new_session=True,
        )
    began = time.monotonic()
    return Running(chapter, process, scratch, began, began)


def _patience(running: Running, plan: Plan) -> float:
    return GRACE + (plan.cell_timeout if running.cell else plan.start_timeout)


def _tree(running: Running) -> list[psutil.Process]:
    with suppress(psutil.Error):
        parent = psutil.Process(running.process.pid)
        return [parent, *parent.children(recursive=True)]
    return []


def _measure(running: Running) -> float:
    """Note and return the resident memory, in MB, of the chapter's processes now."""
    sizes = []
    for process in _tree(running):
        with suppress(psutil.Error):
            sizes.append(process.memory_info().rss / 1e6)
    running.peak_mb = max(running.peak_mb, sum(sizes))
    running.peak_process_mb = max(running.peak_process_mb, *sizes, 0.0)
    return sum(sizes)


def _cell_moved(running: Running) -> bool:
    with suppress(OSError, ValueError):
        lines = (running.scratch / "events.jsonl").read_text(encoding="utf-8").splitlines()
        cell = int(json.loads(lines[-1])["cell"]) if lines else 0
        if cell != running.cell:
            running.cell = cell
            running.moved = time.monotonic()
            return True
    return False


def _collect(running: Running, key: str, plan: Plan, *, overdue: bool) -> Record | Failure:
    """End the chapter's process and read what it left."""
    seconds = time.monotonic() - running.started
    _end(running)
    chapter = running.chapter
    if overdue:
        return Failure(
            chapter, "hung", running.cell, message=f"no sign of life; ended after {seconds:.0f} s"
        )
    try:
        result = json.loads((running.scratch / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        log = (running.scratch / "log.txt").read_text(encoding="utf-8", errors="replace")
        last = (log.strip().splitlines() or ["it left no result"])[-1]
        return Failure(chapter, "lost", running.cell, traceback=log, message=last)
    readings = _readings(running.scratch / "readings.txt")
    shutil.rmtree(running.scratch, ignore_errors=True)
    if kind := result.pop("failure", None):
        return Failure(chapter, kind, **result)
    largest = round(max(result.pop("peak_process_mb"), running.peak_process_mb))
    return Record(
        key=key,
        seconds=round(seconds, 1),
        peak_mb=max(largest, round(running.peak_mb)),
        peak_process_mb=largest,
        date=now(),
        commit=plan.commit,
        readings=readings,
        readings_key=readings_key(readings),
        **result,
    )


def _readings(path: Path) -> list[str]:
    return sorted(set(path.read_text(encoding="utf-8").splitlines())) if path.is_file() else []


def _end(running: Running) -> None:
    """End a chapter's processes, the kernel and its children included."""
    tree = _tree(running)
    for process in tree:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(tree, timeout=5)
    with suppress(subprocess.TimeoutExpired):
        running.process.wait(timeout=5)
    if running.process.stdin:
        running.process.stdin.close()


def longest_first(
    chapters: Iterable[tuple[Chapter, str]], seconds: dict[str, float]
) -> list[tuple[Chapter, str]]:
    """Order chapters by their last time, longest first, so that the processes end together."""
    return sorted(chapters, key=lambda pair: -seconds.get(pair[0].name, float("inf")))
