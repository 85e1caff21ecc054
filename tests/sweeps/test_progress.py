"""Progress: the time left is right at any length of cell."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from helpers.sweeps.progress import show


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Screen(io.StringIO):
    """A terminal, as far as can be asked."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "left"), [(0.5, "0:00:25"), (90.0, "1:13:30"), (4_000.0, "54:26:40")]
)
def test_time_left_is_known_after_one_cell_of_any_length(seconds: float, left: str) -> None:
    clock, screen = Clock(), Screen()
    console = Console(file=screen, force_terminal=True, width=120)
    with show("table", [1.0] * 50, console=console, clock=clock) as advance:
        clock.now += seconds
        assert "left -:--:--" in screen.getvalue().replace("\x1b[0m", "").replace("\x1b[36m", "")
        advance(1.0)
    assert left in screen.getvalue()
    assert "1/50 cells" in screen.getvalue()


def test_time_left_follows_the_costs() -> None:
    clock, log = Clock(), io.StringIO()
    with show("table", [2.0, 2.0, 6.0], console=Console(file=log), clock=clock) as advance:
        for cost in (2.0, 2.0, 6.0):
            clock.now += 60
            advance(cost)
    assert [line.split(" · ")[1] for line in log.getvalue().splitlines()] == [
        "left 0:04:00",
        "left 0:03:00",
        "left 0:00:00",
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
