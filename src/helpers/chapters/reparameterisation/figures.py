"""The figures of the chapter, drawn on axes that the page makes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from torch import Tensor

from helpers.page.plots import COLOURS


def draw_hyperbola(ax: Axes, betas: Sequence[float]) -> None:
    """Draw the loss (uv − 1)²/2, its valley uv = 1, and the Hessian's trace at (β, 1/β)."""
    grid = np.linspace(0.05, 4.4, 200)
    u, v = np.meshgrid(grid, grid)
    levels = [0.02, 0.1, 0.5, 2]
    ax.contour(u, v, 0.5 * (u * v - 1) ** 2, levels=levels, colors=COLOURS["grey"], linewidths=0.8)
    ax.plot(grid, 1 / grid, color=COLOURS["blue"], linewidth=2.5)
    for beta in betas:
        place = (beta, 1 / beta)
        ax.plot(*place, "o", color=COLOURS["orange"], markersize=7)
        label = f"tr H = {beta**2 + beta**-2:.2f}"
        ax.annotate(label, place, xytext=(7, 7), textcoords="offset points")
    ax.set(xlabel="hidden weight u", ylabel="output weight v", xlim=(0, 5.3), ylim=(0, 4.6))


def draw_trace_curve(ax: Axes, factors: Tensor, predicted: Tensor, measured: Tensor) -> None:
    """Draw the trace under a rescaling: closed form at all factors, measured at every fourth."""
    lowest = float(predicted.min())
    ax.loglog(factors, predicted, color=COLOURS["blue"], label="closed form")
    ax.loglog(factors[::4], measured, "o", color=COLOURS["orange"], label="measured")
    ax.axhline(lowest, color=COLOURS["grey"], linestyle=":")
    place = (float(factors[0]), lowest)
    ax.annotate("flattest place on the floor", place, xytext=(0, -12), textcoords="offset points")
    ax.set(xlabel="β", ylabel="Hessian trace", ylim=(0.4 * lowest, None))
    ax.legend()


def draw_inflation(ax: Axes, grown: pd.DataFrame, factor: float) -> None:
    """Draw by how much each network's trace grows; `grown` is of `analysis.inflation`."""
    places = np.arange(len(grown))[::-1]
    styles = (("T_beta", "β", "blue", "o"), ("T_gamma", "γ", "orange", "s"))
    for name, symbol, colour, marker in styles:
        label = f"{symbol} = {factor:.0f}"
        values = grown[f"{name}_inflation"]
        ax.plot(values, places, marker, color=COLOURS[colour], label=label)
    ax.axvline(factor**2, color=COLOURS["grey"], linestyle="--")
    names = [f"n = {row.n:,}, network {row.network}" for row in grown.itertuples()]
    ax.set(yticks=places, yticklabels=names, xlabel="trace after / trace before", xscale="log")
    ticks = [*(tick for tick in (20, 50, 100, 200) if tick < factor**2), factor**2]
    ax.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    ax.minorticks_off()
    ax.legend(loc="center", bbox_to_anchor=(0.75, 0.5))
