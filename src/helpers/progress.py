"""Show how far a list of cells has come, and the time left, on a terminal or in a log."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

Clock = Callable[[], float]


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
    name: str, costs: Sequence[float], wanted: bool = True, clock: Clock = time.monotonic
) -> Iterator[Callable[[float], None]]:
    """Show cells done, time spent and time left; yield what to call with the cost of a done cell.

    `costs` are those of the cells to compute: what was kept from before does not count as speed.
    """
    pace = Pace(sum(costs), clock)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]}/{task.fields[all]} cells ·"),
        TimeElapsedColumn(),
        TextColumn("· left"),
        TimeLeft(pace),
    )
    done = 0
    with Progress(*columns, disable=not (wanted and costs)) as bar:
        task = bar.add_task(name, total=pace.total, done=0, all=len(costs))

        def advance(cost: float) -> None:
            nonlocal done
            done += 1
            pace.advance(cost)
            bar.update(task, advance=cost, done=done)

        yield advance
