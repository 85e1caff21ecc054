"""The figures of the chapter, drawn on axes that the page makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from torch import Tensor

from helpers.networks import Stack, logits
from helpers.page.plots import COLOURS


def draw_writings(
    function_axis: Axes,
    measure_axis: Axes,
    writings: Mapping[str, Stack],
    measures: Mapping[str, Callable[[Stack], float]],
    grid: Tensor,
) -> None:
    """Draw one function written in several ways, and measures relative to the first writing."""
    first = next(iter(writings.values()))
    colours = list(COLOURS.values())
    for place, (name, written) in enumerate(writings.items()):
        out = logits(written, grid)[0]
        gap = out[:, 1] - out[:, 0]
        function_axis.plot(grid, gap, color=colours[place], linewidth=5 - 1.2 * place)
        heights = [measure(written) / measure(first) for measure in measures.values()]
        across = np.arange(len(measures)) + 0.2 * (place - 1.5)
        measure_axis.bar(across, heights, 0.18, color=colours[place], label=name)
    function_axis.set(xlabel="input x", ylabel="logit 2 − logit 1")
    measure_axis.set(ylabel="relative to the first", ylim=(0, 1.7 * measure_axis.get_ylim()[1]))
    measure_axis.set_xticks(range(len(measures)), measures)
    measure_axis.legend(ncols=2, fontsize=8, loc="upper center")


def draw_before_and_after(ax: Axes, rows: pd.DataFrame, label: str) -> None:
    """Draw a line from `before` to `after` for each row."""
    for pair in rows[["before", "after"]].to_numpy():
        ax.plot([0, 1], pair, "o-", color=COLOURS["purple"], alpha=0.7)
    ax.set_xticks([0, 1], ["as trained", "dead unit rewritten"])
    ax.set_ylabel(label)
    ax.margins(x=0.25)
