"""Show how far a list of cells has come, and the time left, on a terminal or in a log."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from rich import get_console
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_SECONDS = 60.0


@contextmanager
def show(
    name: str,
    costs: Sequence[float],
    wanted: bool = True,
    console: Console | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[float], None]]:
    """Show cells done, time spent and time left; yield what to call with the cost of a done cell.

    A terminal gets a bar, and anything else a line about once a minute. `costs` are those of the
    cells to compute: what was kept from before does not count as speed.
    """
    console = console or get_console()
    # What was shown can be drawn over; FORCE_COLOR does not make a log a screen.
    moves = console.is_jupyter or (console.is_interactive and console.file.isatty())
    wanted = wanted and bool(costs)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]}/{task.fields[all]} cells ·"),
        TimeElapsedColumn(),
        TextColumn("· left"),
        TimeRemainingColumn(),
        console=console,
        get_time=clock,
        speed_estimate_period=math.inf,  # rich's 30 s are less than many a cell takes
        disable=not (wanted and moves),
    )
    key = bar.add_task(name, total=sum(costs), done=0, all=len(costs))
    bar.advance(key, 0)  # from here on speed is measured: the time left is known after one cell
    task, said = bar.tasks[0], clock()

    def advance(cost: float) -> None:
        nonlocal said
        bar.update(key, advance=cost, done=task.fields["done"] + 1)
        if wanted and not moves and clock() - said >= LINE_SECONDS:
            said = clock()
            left = timedelta(seconds=task.time_remaining or 0)
            line = f"{name}: {task.fields['done']}/{len(costs)} cells · left {left}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    with bar:
        yield advance
