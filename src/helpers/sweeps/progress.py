"""Show how far a list of cells has come, and the time left, on a terminal or in a log."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich import get_console
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

Clock = Callable[[], float]
LINE_SECONDS = 60.0


class Pace:
    """The time left, from the time that the cells so far took for their share of the cost.

    Rich's own estimate looks at the last 30 seconds alone, and knows nothing where a cell takes
    longer than that. Between two cells the time left counts down.
    """

    def __init__(self, total: float, clock: Clock = time.monotonic) -> None:
        self.total = total
        self.done = 0.0
        self.clock = clock
        self.start = self.last = clock()

    def advance(self, cost: float) -> None:
        """Note that cells of this cost have ended."""
        self.done += cost
        self.last = self.clock()

    def left(self) -> float | None:
        """Return the seconds left; None before the first cell has ended."""
        if self.done <= 0:
            return None
        whole = (self.last - self.start) * max(0.0, self.total - self.done) / self.done
        return max(0.0, whole - (self.clock() - self.last))


class TimeLeft(ProgressColumn):
    """A column with the time left."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self.pace = pace

    def render(self, task: Task) -> Text:
        """Return the time left as hours, minutes and seconds."""
        return Text(hms(self.pace.left()), style="progress.remaining")


def hms(seconds: float | None) -> str:
    """Return seconds as H:MM:SS, rounded up, or dashes for None."""
    if seconds is None:
        return "-:--:--"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


@contextmanager
def show(
    name: str,
    costs: Sequence[float],
    wanted: bool = True,
    console: Console | None = None,
    clock: Clock = time.monotonic,
) -> Iterator[Callable[[float], None]]:
    """Show cells done, time spent and time left; yield what to call with the cost of a done cell.

    A terminal gets a bar, and anything else a line about once a minute. `costs` are those of the
    cells to compute: what was kept from before does not count as speed.
    """
    console = console or get_console()
    pace = Pace(sum(costs), clock)
    if not (wanted and costs):
        yield pace.advance
    elif _moves(console):
        with _bar(name, len(costs), pace, console) as advance:
            yield advance
    else:
        yield _lines(name, len(costs), pace, console)


def _moves(console: Console) -> bool:
    """Tell whether what was shown can be drawn over; FORCE_COLOR does not make a log a screen."""
    return console.is_jupyter or (console.is_interactive and console.file.isatty())


@contextmanager
def _bar(name: str, cells: int, pace: Pace, console: Console) -> Iterator[Callable[[float], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]}/{task.fields[all]} cells ·"),
        TimeElapsedColumn(),
        TextColumn("· left"),
        TimeLeft(pace),
    )
    done = 0
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(name, total=pace.total, done=0, all=cells)

        def advance(cost: float) -> None:
            nonlocal done
            done += 1
            pace.advance(cost)
            bar.update(task, advance=cost, done=done)

        yield advance


def _lines(name: str, cells: int, pace: Pace, console: Console) -> Callable[[float], None]:
    done, said = 0, pace.start

    def advance(cost: float) -> None:
        nonlocal done, said
        done += 1
        pace.advance(cost)
        if pace.last - said >= LINE_SECONDS:
            said = pace.last
            line = f"{name}: {done}/{cells} cells · left {hms(pace.left())}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    return advance
