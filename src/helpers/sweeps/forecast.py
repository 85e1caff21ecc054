"""How long a list of tables will take: from what they took when published, else from their kin."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.errors import UserError
from helpers.sweeps import results
from helpers.sweeps import sweep as sweeps
from helpers.sweeps.sweep import Experiment

ENOUGH = 30.0
"""Seconds of expected work that must be done before the speed seen corrects what is expected."""


@dataclass(frozen=True)
class Left:
    """What is left of a table: cells, and seconds on one core (None where nothing tells)."""

    cells: int
    seconds: float | None

    def spread_over(self, workers: int) -> float:
        """Return the seconds that so many workers take; 0 where nothing tells."""
        return (self.seconds or 0.0) / max(1, min(workers, self.cells))


def took(experiment: Experiment) -> float | None:
    """Return the seconds on one core that the published table took; None if there is none."""
    try:
        return core_seconds(results.read(experiment.name, protocol=experiment).provenance)
    except UserError:
        return None


def core_seconds(provenance: Mapping[str, Any]) -> float:
    """Return the seconds on one core that a table took."""
    return float(provenance.get("cpu_seconds") or provenance["wall_seconds"])


def expected(experiment: Experiment, others: Iterable[Experiment]) -> float | None:
    """Return the seconds on one core for a whole table; None where nothing tells.

    A table that is not published is judged by the published one of the same kind whose cells cost
    most nearly the same.
    """
    if (own := took(experiment)) is not None:
        return own
    kin = [(other, took(other)) for other in others if type(other) is type(experiment)]
    known = [(other, seconds) for other, seconds in kin if seconds is not None]
    if not known:
        return None
    cost = _mean_cost(experiment)
    nearest, seconds = min(known, key=lambda pair: abs(math.log(_mean_cost(pair[0]) / cost)))
    return seconds * _cost(experiment) / _cost(nearest)


def left_of(experiment: Experiment, others: Iterable[Experiment], folder: Path) -> Left:
    """Return what is left of a table in a work folder, by the cost of its missing cells."""
    missing = sweeps.cells_left(experiment, folder)
    whole = expected(experiment, others)
    if whole is not None:
        whole *= sum(experiment.cost(cell) for cell in missing) / _cost(experiment)
    return Left(len(missing), whole)


class Journey:
    """The tables of one run in their order, and the time left for all of them.

    What is expected is divided among the workers, and multiplied by how much longer than expected
    the tables so far have taken.
    """

    def __init__(
        self,
        names: Sequence[str],
        look: Callable[[str], Left],
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.names = list(names)
        self.look = look
        self.workers = workers
        self.clock = clock
        self.left = {name: look(name) for name in names}
        self.expected = self.spent = 0.0
        self.started = clock()

    def start(self, name: str) -> str:
        """Note that a table is begun; return a line with its number and the time left in all."""
        self.left[name] = self.look(name)  # rows may have been accepted, or come from elsewhere
        self.started = self.clock()
        line = f"{name}: table {self.names.index(name) + 1} of {len(self.names)}"
        ahead = [self.left[each] for each in self.names[self.names.index(name) :]]
        seconds = sum(left.spread_over(self.workers) for left in ahead) * self.factor()
        unknown = any(left.seconds is None for left in ahead)
        if not seconds and unknown:
            return line
        return f"{line} · {'at least' if unknown else 'about'} {_hours(seconds)} left in all"

    def end(self, name: str) -> None:
        """Note that a table is done."""
        if self.left[name].seconds is not None:
            self.expected += self.left[name].spread_over(self.workers)
            self.spent += self.clock() - self.started

    def factor(self) -> float:
        """Return how many times longer than expected the tables so far have taken."""
        return self.spent / self.expected if self.expected >= ENOUGH else 1.0


def _hours(seconds: float) -> str:
    """Return seconds as H:MM, rounded up."""
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d}"


def _cost(experiment: Experiment) -> float:
    return sum(experiment.cost(cell) for cell in experiment.cells())


def _mean_cost(experiment: Experiment) -> float:
    return _cost(experiment) / len(experiment.cells())
