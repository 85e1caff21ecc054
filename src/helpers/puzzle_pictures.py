"""The figures of Part I, drawn on axes that the chapter makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from torch import Tensor

from helpers.networks import Stack, logits
from helpers.plots import COLOURS, REGIMES
from helpers.sharpness import Rise, filter_normalised_direction, loss_along_direction


def draw_valleys(
    axes: Sequence[Axes], nets: Mapping[str, Stack], x: Tensor, y: Tensor, directions: int = 10
) -> None:
    """Draw the loss along random filter-normalised directions, one axis per regime."""
    steps = np.linspace(-1, 1, 41)
    for ax, (name, style) in zip(axes, REGIMES.items(), strict=True):
        net = nets[name]
        for seed in range(directions):
            direction = filter_normalised_direction(net, seed)
            losses = loss_along_direction(net, x, y, direction, steps.tolist())[0]
            ax.plot(steps, losses, color=style["color"], alpha=0.7, linewidth=1)
        ax.set(title=style["label"], xlabel="distance along the direction", ylim=(0, None))
    axes[0].set_ylabel("training loss (nats)")


def draw_felt_curvature(
    ax: Axes,
    sigmas: np.ndarray,
    sampled: Mapping[str, Rise],
    predicted: Mapping[str, Rise],
    traces: Mapping[str, float],
) -> None:
    """Draw 2 E[rise] / σ² against σ for one network a regime: sampled, predicted, and the trace."""
    scale = 2 / sigmas**2
    for name, style in REGIMES.items():
        mean, error = (
            part[0].numpy() for part in (sampled[name].mean, sampled[name].standard_error)
        )
        ax.errorbar(
            sigmas,
            scale * mean,
            2 * scale * error,
            linestyle="none",
            color=style["color"],
            marker=style["marker"],
            label=style["label"],
        )
        ax.plot(sigmas, scale * predicted[name].mean[0].numpy(), color=style["color"])
        ax.axhline(traces[name], color=style["color"], linestyle=":")
    ax.set(xscale="log", yscale="log")
    ax.set(xlabel="size of the nudge σ", ylabel="felt curvature c(σ)")
    ax.legend()


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
    """Draw by how much each network's trace grows; `grown` comes from `claims.inflations`."""
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


def sign_of_harm(pre_activations: Sequence[Tensor], gradients: Sequence[Tensor]) -> list[float]:
    """Return which share of unit–point pairs would raise the loss if on: near the kink, and all.

    Both arguments come from `sharpness.kink_terms`; near is |z| < 0.001. In per cent.
    """
    z = torch.cat([part.flatten() for part in pre_activations]).abs()
    harmful = (torch.cat([part.flatten() for part in gradients]) > 0).double()
    return [100 * float(harmful[z < 1e-3].mean()), 100 * float(harmful.mean())]
