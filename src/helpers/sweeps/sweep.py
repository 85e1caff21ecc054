"""Run an experiment as a list of independent cells: resumable, on one core or on a cluster.

A cell carries everything its rows depend on, so a row is identified by its cell and by the
fingerprint of the code that computed it. Change a learning rate or a line of the trainer, and the
rows it touches are computed again, and no others. The code that makes the table from the rows has a
fingerprint of its own: change it, and the table is made again from the rows that are kept. Rows are
appended to a file and forced to disk as cells finish: killed at any moment, a sweep loses at most
the cells in flight.
"""

from __future__ import annotations

import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import pandas as pd

from helpers.device import choose_device, device_name
from helpers.errors import UserError
from helpers.sweeps import results
from helpers.sweeps.engines import one_thread, stream, worker_devices
from helpers.sweeps.fingerprint import code_fingerprint, method_fingerprint
from helpers.sweeps.progress import show
from helpers.sweeps.rowstore import CellResult, Outcome, Row, RowStore, cell_key, only_one
from helpers.sweeps.settings import change

WORK = results.BUILD / "sweeps"
MAX_STACK = 25

__all__ = [
    "CellResult",
    "Experiment",
    "assembly_fingerprint",
    "cells_left",
    "change",
    "fingerprint",
    "progress_of",
    "run",
]


class Experiment(ABC):
    """A protocol: subclass it as a frozen dataclass whose fields are its settings.

    `name` (a field or a property) is the name of its table. `key` names the columns that tell rows
    apart. `tolerance` is the relative difference up to which a row computed again, on other
    hardware or another engine, counts as the same.
    """

    key: ClassVar[tuple[str, ...]] = ("dataset", "n", "regime", "seed")
    tolerance: ClassVar[float] = 1e-3
    name: str

    @abstractmethod
    def cells(self) -> Sequence[Any]:
        """List the cells: frozen dataclasses of plain values that carry all a row depends on."""

    @staticmethod
    @abstractmethod
    def run_cell(cell: Any, device: str) -> CellResult:
        """Compute one cell; random numbers come from seeds in the cell alone."""

    @classmethod
    def run_stack(cls, cells: Sequence[Any], device: str) -> list[CellResult]:
        """Compute several cells at once; override it where a GPU trains a stack of networks."""
        return [cls.run_cell(cell, device) for cell in cells]

    def stack_key(self, cell: Any) -> Any:
        """Say which cells may share a stack on a GPU: those of equal key. By default none do."""
        return cell

    @abstractmethod
    def smoke(self) -> Self:
        """Return a copy that runs in seconds: tiny, but through the same code."""

    def assemble(self, found: Sequence[CellResult]) -> pd.DataFrame:
        """Make the table from the cells' results, in the order of `cells()`."""
        return pd.DataFrame([row for result in found for row in result.rows])

    def cost(self, cell: Any) -> float:
        """Guess the relative cost of a cell; only the time left that is shown depends on it."""
        return 1.0


def fingerprint(experiment: Experiment) -> str:
    """Fingerprint the code that computes one cell of this experiment."""
    return _fingerprint(type(experiment))


def assembly_fingerprint(experiment: Experiment) -> str:
    """Fingerprint the code that makes the table of this experiment from its cells' results."""
    return _assembly_fingerprint(type(experiment))


def run(
    experiment: Experiment,
    *,
    engine: str = "local",
    workers: int = 1,
    device: str = "auto",
    folder: Path | None = None,
    progress: bool = True,
    wait: bool = False,
) -> results.Table:
    """Compute the cells that are not yet computed, then write and return the table.

    Rows are kept under `folder`/NAME/ and the finished table as `folder`/NAME.csv with its
    provenance. `engine` is local, process (with `workers`), or a Dask scheduler's address; every
    cell is computed by one thread, so on the CPU the engine does not change a row. With `wait`, a
    sweep of the same table by another process is waited for instead of refused.

    Raises UserError when another process sweeps this table, when the disk refuses, or when the
    engine is lost; rows finished by then stay, and the same command resumes.
    """
    folder = WORK if folder is None else Path(folder)
    cells = list(experiment.cells())
    with only_one(folder / experiment.name, wait):
        store = RowStore(folder / experiment.name)
        code = fingerprint(experiment)
        kept = store.load(code)
        missing = [cell for cell in cells if cell_key(cell) not in kept]
        if not missing and (table := _finished(experiment, folder, code)) is not None:
            return table
        groups = _groups(experiment, missing, _stack_size(device, engine) if missing else 1)
        tasks = [_Task(type(experiment), group, device, code) for group in groups]
        with (
            show(experiment.name, [experiment.cost(cell) for cell in missing], progress) as advance,
            closing(stream(_compute, tasks, engine, workers)) as finished,
        ):
            for index, outcomes in finished:
                for cell, outcome in zip(groups[index], outcomes, strict=True):
                    kept[cell_key(cell)] = store.append(cell, outcome, code)
                    advance(experiment.cost(cell))
        records = [kept[cell_key(cell)] for cell in cells]
        frame = experiment.assemble([store.result(record) for record in records])
        known = [record["cpu_seconds"] for record in records if "cpu_seconds" in record]
        entry = results.provenance(
            experiment,
            seeds=sorted({cell.seed for cell in cells if hasattr(cell, "seed")}),
            device=", ".join(sorted({record["device"] for record in records})),
            wall_seconds=sum(record["seconds"] for record in records),
            cpu_seconds=round(sum(known), 1) if len(known) == len(records) else None,
            code_fingerprint=code,
            assembly_fingerprint=assembly_fingerprint(experiment),
            experiment=f"{type(experiment).__module__}.{type(experiment).__name__}",
            row_fingerprints=sorted({record["code"] for record in records}),  # incl. accepted ones
            cells=len(cells),
            **_origins(records),
        )
        results.write(experiment.name, frame, entry, folder)
    return results.read(experiment.name, folder)


def progress_of(experiment: Experiment, folder: Path | None = None) -> tuple[int, int]:
    """Count the cells computed so far, and all of them."""
    cells = len(experiment.cells())
    return cells - len(cells_left(experiment, folder)), cells


def cells_left(experiment: Experiment, folder: Path | None = None) -> list[Any]:
    """List the cells that are not yet computed."""
    store = RowStore((WORK if folder is None else Path(folder)) / experiment.name)
    kept = store.load(fingerprint(experiment))
    return [cell for cell in experiment.cells() if cell_key(cell) not in kept]


@dataclass(frozen=True)
class _Task:
    experiment: type[Experiment]
    cells: tuple[Any, ...]
    device: str
    code: str


def _compute(task: _Task) -> list[Outcome]:
    """Compute one cell, or one stack of cells, where the engine put it."""
    here = _fingerprint(task.experiment)
    if here != task.code:
        raise UserError(
            f"worker on {socket.gethostname()} has other code than the machine that started the "
            f"sweep ({here} against {task.code}); install the same commit on both"
        )
    start, cpu_start = time.perf_counter(), time.process_time()
    if len(task.cells) == 1:
        found = [compute_cell(task.experiment, task.cells[0], task.device)]
    else:
        found = task.experiment.run_stack(task.cells, task.device)
    seconds = (time.perf_counter() - start) / len(found)
    cpu_seconds = (time.process_time() - cpu_start) / len(found)
    device = device_name(task.device)
    return [Outcome(result, device, seconds, cpu_seconds, _setup()) for result in found]


def compute_cell(kind: type[Experiment], cell: Any, device: str) -> CellResult:
    with one_thread():
        return kind.run_cell(cell, device)


@cache  # as at the first cell: the commit may change under a running sweep, its code does not
def _setup() -> dict[str, Any]:
    return results.setup()


def _origins(records: Sequence[Row]) -> dict[str, Any]:
    """Say with what the cells were computed, wherever that was: the set-up where all agree.

    Where they differ, `setups` lists each with its number of cells; `assembled_by` is the set-up
    that made the table of them, where it is another. Records of older code do not tell; they are
    counted, and credited to this process.
    """
    here = _setup()
    told = [record.get("setup", here) for record in records]
    distinct = [setup for index, setup in enumerate(told) if setup not in told[:index]] or [here]
    found = results.merged(distinct)
    if len(distinct) > 1:
        found["setups"] = [{**setup, "cells": told.count(setup)} for setup in distinct]
    if distinct != [here]:
        found["assembled_by"] = here
    unknown = sum("setup" not in record for record in records)
    return found | ({"cells_of_unknown_setup": unknown} if unknown else {})


@cache  # as imported: the file may change under a running sweep, its code does not
def _fingerprint(kind: type[Experiment]) -> str:
    names = ["run_cell", *(["run_stack"] if "run_stack" in vars(kind) else [])]
    return code_fingerprint(kind.__module__, *(f"{kind.__qualname__}.{name}" for name in names))


@cache
def _assembly_fingerprint(kind: type[Experiment]) -> str:
    return method_fingerprint(kind, "assemble")


def _stack_size(device: str, engine: str) -> int:
    """Return how many networks share a stack: one in cache on a CPU, many where all have a GPU."""
    on_cluster = "://" in engine  # the workers' devices are not this machine's
    found = worker_devices(engine, device) if on_cluster else [choose_device(device).type]
    return MAX_STACK if set(found) == {"cuda"} else 1


def _groups(experiment: Experiment, cells: Sequence[Any], size: int) -> list[tuple[Any, ...]]:
    if size == 1:
        return [(cell,) for cell in cells]
    together: dict[Any, list[Any]] = {}
    for cell in cells:
        together.setdefault(experiment.stack_key(cell), []).append(cell)
    return [
        tuple(group[start : start + size])
        for group in together.values()
        for start in range(0, len(group), size)
    ]


def _finished(experiment: Experiment, folder: Path, code: str) -> results.Table | None:
    """Return the table in the work folder if it is whole and made by this protocol and code, the
    cells' and the table's.
    """
    try:
        table = results.read(experiment.name, folder, protocol=experiment)
    except UserError:
        return None
    made_by = [table.provenance.get(f"{part}_fingerprint") for part in ("code", "assembly")]
    return table if made_by == [code, assembly_fingerprint(experiment)] else None
