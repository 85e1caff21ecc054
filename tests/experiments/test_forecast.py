"""The time that tables will take: published times, kin, workers, and the speed seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from helpers.sweeps import forecast, results
from helpers.sweeps import sweep as sweeps
from helpers.sweeps.forecast import Journey, Left
from helpers.sweeps.sweep import CellResult, Experiment


@dataclass(frozen=True)
class Cell:
    seed: int
    n: int


@dataclass(frozen=True)
class Costly(Experiment):
    name: str
    n: int
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    key = ("seed",)

    def cells(self) -> list[Cell]:
        return [Cell(seed, self.n) for seed in self.seeds]

    @staticmethod
    def run_cell(cell: Cell, device: str) -> CellResult:
        return CellResult([{"seed": cell.seed}])

    def cost(self, cell: Cell) -> float:
        return cell.n

    def smoke(self) -> Costly:
        return replace(self, seeds=(0,))


class Other(Costly):
    """Another kind of protocol, of which nothing is known."""


SMALL, LARGE, LARGER = Costly("small", 10), Costly("large", 100), Costly("larger", 200)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Publish `small` and `large`, which took 40 and 1,000 seconds."""
    folder = tmp_path / "results"
    for protocol, seconds in ((SMALL, 40.0), (LARGE, 1_000.0)):
        table = sweeps.run(protocol, folder=tmp_path / "work", progress=False)
        record = {**table.provenance, "cpu_seconds": seconds}
        results.write(protocol.name, table.frame, record, folder)
    monkeypatch.setattr(results, "RESULTS", folder)
    return tmp_path


def test_a_table_is_expected_to_take_what_it_took_or_what_its_kin_took(published: Path) -> None:
    every = [SMALL, LARGE, LARGER, Other("other", 5)]
    assert [forecast.expected(each, every) for each in every] == [40, 1_000, 2_000, None]
    assert forecast.left_of(LARGE, every, published / "work") == Left(0, 0)
    assert forecast.left_of(LARGE, every, published / "empty") == Left(4, 1_000)
    more = replace(LARGER, name="small", n=10, seeds=(0, 1, 2, 3, 4, 5))  # made by another protocol
    assert forecast.left_of(more, every, published / "work") == Left(2, pytest.approx(20))


def journey(workers: int, **left: Left) -> tuple[Journey, Any]:
    clock = Clock()
    return Journey(list(left), left.__getitem__, workers, clock), clock


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_time_left_counts_workers_and_follows_the_speed_seen() -> None:
    way, clock = journey(2, a=Left(10, 1_200), b=Left(1, 600), c=Left(50, 6_000))
    assert way.start("a") == "a: table 1 of 3 · about 1:10 left in all"
    clock.now += 1_200  # twice as long as two workers should take
    way.end("a")
    assert way.start("b") == "b: table 2 of 3 · about 2:00 left in all"
    clock.now += 600  # one cell has one worker
    way.end("b")
    assert way.start("c") == "c: table 3 of 3 · about 1:15 left in all"


def test_a_table_of_which_nothing_is_known_makes_it_at_least() -> None:
    way, _ = journey(1, a=Left(10, 90), b=Left(10, None), c=Left(1, 30))
    assert way.start("a") == "a: table 1 of 3 · at least 0:02 left in all"
    assert way.start("c") == "c: table 3 of 3 · about 0:01 left in all"
    assert journey(1, a=Left(10, None))[0].start("a") == "a: table 1 of 1"


def test_tables_done_in_no_time_do_not_count_as_speed() -> None:
    way, clock = journey(1, a=Left(10, 10), b=Left(0, 0), c=Left(10, 3_600))
    way.start("a")
    clock.now += 100  # mostly the start of the workers
    way.end("a")
    way.start("b")
    way.end("b")
    assert way.start("c") == "c: table 3 of 3 · about 1:00 left in all"
