"""Progress: the time left is right at any length of cell."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from helpers.sweeps.progress import Pace, TimeLeft, hms, show


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def shown(pace: Pace) -> str:
    """Return what a bar says of the time left, as Rich draws it."""
    console = Console(file=io.StringIO(), width=80)
    bar = Progress(TimeLeft(pace), console=console)
    bar.add_task("x", total=pace.total)
    console.print(bar.get_renderable())
    return console.file.getvalue().strip()


@pytest.mark.parametrize("seconds", [0.5, 90.0, 4_000.0])
def test_time_left_is_known_after_one_cell_of_any_length(seconds: float) -> None:
    clock = Clock()
    pace = Pace(50.0, clock)
    assert shown(pace) == "-:--:--"
    clock.now += seconds
    pace.advance(1.0)
    assert pace.left() == pytest.approx(49 * seconds)
    assert shown(pace) == hms(49 * seconds)


def test_time_left_follows_the_costs_and_counts_down_between_cells() -> None:
    clock = Clock()
    pace = Pace(10.0, clock)
    clock.now += 60
    pace.advance(2.0)
    clock.now += 60
    pace.advance(2.0)
    assert pace.left() == pytest.approx(120 * 6 / 4)
    clock.now += 50
    assert pace.left() == pytest.approx(130)
    clock.now += 500  # the cell under way takes longer than thought
    assert pace.left() == 0
    pace.advance(6.0)
    assert pace.left() == 0


def test_times_are_hours_minutes_and_seconds() -> None:
    assert [hms(s) for s in (None, 0, 59.2, 3_600, 90_061)] == [
        "-:--:--",
        "0:00:00",
        "0:01:00",
        "1:00:00",
        "25:01:01",
    ]


def test_a_log_gets_a_line_about_once_a_minute_and_no_bar() -> None:
    clock, log = Clock(), io.StringIO()
    console = Console(file=log, force_terminal=True, width=80)  # FORCE_COLOR, as CI sets it
    with show("table", [1.0] * 10, console=console, clock=clock) as advance:
        for _ in range(10):
            clock.now += 25
            advance(1.0)
    assert log.getvalue().splitlines() == [
        "table: 3/10 cells · left 0:02:55",
        "table: 6/10 cells · left 0:01:40",
        "table: 9/10 cells · left 0:00:25",
    ]


@pytest.mark.parametrize(("costs", "wanted"), [([], True), ([1.0], False)])
def test_nothing_to_show_is_shown_as_nothing(costs: list[float], wanted: bool) -> None:
    log, clock = io.StringIO(), Clock()
    with show("table", costs, wanted, Console(file=log), clock) as advance:
        clock.now += 100
        advance(1.0)
    assert log.getvalue() == ""
