"""The figures of “Batch size or learning rate?”, drawn on axes that the chapter makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from helpers.analysis.large_n import LargeN
from helpers.chapters.batch_or_rate.analysis import (
    OUTCOMES,
    STOPS,
    Crossings,
    batches,
    by_seed,
    corners,
    grid,
    never_stopped,
    rates,
    summary,
)
from helpers.experiments.batch_or_rate import SIZES, Stop, protocol_of
from helpers.experiments.vanishing import REGIMES as PAPER_REGIMES
from helpers.page.plots import COLOURS, INK, REGIMES, heatmap, plain_log_axis

_RATES = ("blue", "teal", "orange")  # low to high
_BATCHES = ("o", "D", "s")  # small to large


def draw_plane(ax: Axes) -> None:
    """Draw the paper's regimes at its six sizes, and our combinations, by rate and batch size."""
    for n in SIZES:
        protocol = protocol_of(n)
        rate, batch = np.meshgrid(protocol.learning_rates, protocol.batch_sizes)
        label = "combinations tried here" if n == SIZES[0] else None
        ax.plot(rate.ravel(), batch.ravel(), "+", color=INK, markersize=9, label=label)
    for i, (small, large, size, *_) in enumerate(PAPER_REGIMES.values()):
        ax.plot([small, large], [64, size], color=INK, linewidth=0.9, linestyle=(0, (2, 2)))
        for name, x, y in (("small_batch", small, 64), ("large_batch", large, size)):
            style: dict[str, Any] = dict(REGIMES[name])
            label = f"paper, {style.pop('label')}"
            ax.plot(x, y, linestyle="none", markersize=8, label=label if i == 0 else None, **style)
    plain_log_axis(ax, "x", [0.01, 0.03, 0.05, 0.1, 0.3, 0.5])
    plain_log_axis(ax, "y", [64, 500, 2_000, 4_096])
    ax.set(xlabel="learning rate", ylabel="batch size", xlim=(0.007, 0.75), ylim=(42, 6_500))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def draw_map(ax: Axes, frame: pd.DataFrame, outcome: str, stop: Stop = "memorised") -> None:
    """Draw one crossing as a heat map: test accuracy in percent, or the Hessian trace.

    Large batches are at the top. Blue is better (more accurate, flatter) than the average
    combination, orange worse. The paper's regimes are framed; a combination with networks
    that missed the stop says how many are late.
    """
    column = "test_accuracy" if outcome == "accuracy" else "hessian_trace"
    means = grid(frame, column, stop).to_numpy(dtype=float)
    late = never_stopped(frame, stop).to_numpy()
    at, eta, b = corners(frame), rates(frame), batches(frame)
    score = 100 * means if outcome == "accuracy" else -np.log(means)
    shown = means * 100 if outcome == "accuracy" else means
    digits = 2 if outcome == "accuracy" else 1
    regimes = {at[name]: str(REGIMES[name]["label"]) for name in REGIMES}
    texts = [
        [
            _cell(shown[i, j], digits, regimes.get((batch, rate)), int(late[i, j]))
            for j, rate in enumerate(eta)
        ]
        for i, batch in enumerate(b)
    ]
    rows, columns = [f"{batch:,}" for batch in b], [_rate(rate) for rate in eta]
    heatmap(ax, score - np.nanmean(score), rows, columns, annotations=texts)
    ax.invert_yaxis()  # as in `draw_plane`
    for batch, rate in regimes:
        place = eta.index(rate) + 0.03, b.index(batch) + 0.03
        ax.add_patch(Rectangle(place, 0.94, 0.94, fill=False, edgecolor=INK, linewidth=2))


def _cell(value: float, digits: int, regime: str | None, late: int) -> str:
    lines = [f"{value:.{digits}f}" if np.isfinite(value) else "–"]
    lines += [regime] if regime else []
    lines += [f"{late} late"] if late else []
    return "\n".join(lines)


def draw_maps(axes: np.ndarray, crossings: Crossings, stop: Stop = "memorised") -> None:
    """Draw accuracy (left) and trace (right) on a row of axes a size."""
    for row, (n, frame) in zip(axes, crossings.items(), strict=True):
        for ax, outcome in zip(row, OUTCOMES, strict=True):
            title = "test accuracy (%)" if outcome == "accuracy" else "Hessian trace"
            ax.set_title(f"n = {n:,}: {title}", pad=8)
            draw_map(ax, frame, outcome, stop)
            ax.tick_params(top=False, labeltop=False, labelbottom=True)
        row[0].set_ylabel("batch size")
    for ax in axes[-1]:
        ax.set_xlabel("learning rate")


# How to draw each way from the small-batch regime to the large-batch regime, and by which corner.
_WAYS: tuple[tuple[str, str, Any, str, str], ...] = (
    ("rate first", "small, fast", "-", "^", COLOURS["purple"]),
    ("batch first", "large, slow", (0, (4, 2)), "v", COLOURS["ochre"]),
)


def draw_two_ways(axes: np.ndarray, crossings: Crossings) -> None:
    """Draw the means at the four corners as two ways from one regime to the other.

    axes: (2, sizes): accuracy above, trace below; solid: first the rate, then the batch size;
    dashed: the other way round.
    """
    for column, (n, frame) in zip(axes.T, crossings.items(), strict=True):
        column[0].set_title(f"n = {n:,}")
        for ax, outcome in zip(column, OUTCOMES, strict=True):
            _draw_ways(ax, frame, outcome)
            ax.set(xlim=(-0.35, 2.35), xticks=[0, 1, 2], xticklabels=[])
        column[1].set_xticklabels(["small\nbatch", "one\nchanged", "large\nbatch"])
        column[1].set_yscale("log")
        _name_few_ticks(column[1].yaxis)
    axes[0, 0].set_ylabel("test accuracy (%)")
    axes[1, 0].set_ylabel("Hessian trace")


def _draw_ways(ax: Axes, frame: pd.DataFrame, outcome: str) -> None:
    """Draw both ways at one size: the traces as geometric means."""
    means = by_seed(frame, outcome, "memorised").mean()
    values = means if outcome == "accuracy" else np.exp(means)
    height = {name: float(values[place]) for name, place in corners(frame).items()}
    for _, between, line, marker, colour in _WAYS:
        y = [height[name] for name in ("small_batch", between, "large_batch")]
        ax.plot([0, 1, 2], y, linestyle=line, color=colour)
        ax.plot(1, y[1], marker=marker, markersize=7, linestyle="none", color=colour)
    for x, name in ((0, "small_batch"), (2, "large_batch")):
        style: dict[str, Any] = {k: v for k, v in REGIMES[name].items() if k != "label"}
        ax.plot(x, height[name], markersize=8, linestyle="none", zorder=4, **style)


def name_the_ways(figure: Figure) -> None:
    """Put the legend of `draw_two_ways` above a figure."""
    styles: list[dict[str, Any]] = [dict(style) for style in REGIMES.values()]
    regimes = [Line2D([], [], linestyle="none", **style) for style in styles]
    ways = [
        Line2D([], [], linestyle=line, marker=marker, color=colour, label=name)
        for name, _, line, marker, colour in _WAYS
    ]
    figure.legend(handles=[*regimes, *ways], loc="outside upper left", ncols=4)


def draw_effects(ax: Axes, table: pd.DataFrame, *, labels: bool = True) -> None:
    """Draw the changes over the ranges of rate and batch, and their interaction, at every size.

    table: `analysis.all_effects`; filled: stop (a), hollow: stop (b).
    """
    terms = {"rate": "blue", "batch": "orange", "rate × batch": "grey"}
    sizes = list(dict.fromkeys(table.index.get_level_values("n")))
    keys = [(n, term) for n in sizes for term in terms]
    ax.axvline(0, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    for place, (n, term) in enumerate(keys):
        for shift, stop in zip((0.17, -0.17), STOPS, strict=True):
            change = table["change"][n, STOPS[stop], term]
            colour = COLOURS[terms[term]]
            y = len(keys) - 1 - place + shift
            ax.hlines(y, change.low, change.high, color=colour, linewidth=2)
            face = colour if stop == "memorised" else "none"
            ax.plot(change.estimate, y, "o", color=colour, markerfacecolor=face, markersize=6)
    names = [f"{term}, n = {n:,}" for n, term in keys]
    ax.set_yticks(np.arange(len(keys))[::-1], names if labels else [])
    ax.set_ylim(-0.7, len(keys) - 0.3)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)


def draw_stops(axes: np.ndarray, crossings: Crossings) -> None:
    """Draw mean trace against mean training loss at the stop: a marker a combination and stop."""
    for ax, (n, frame) in zip(axes, crossings.items(), strict=True):
        ax.set_title(f"n = {n:,}")
        for stop in STOPS:
            means = summary(frame, stop)[["train_loss", "trace"]].to_numpy(dtype=float)
            columns = len(rates(frame))
            for i, (loss, trace) in enumerate(means):
                colour = COLOURS[_RATES[i % columns]]
                face = colour if stop == "memorised" else "none"
                ax.plot(
                    loss,
                    trace,
                    _BATCHES[i // columns],
                    color=colour,
                    markerfacecolor=face,
                    markersize=7,
                )
        ax.set(xscale="log", yscale="log")
        for axis in (ax.xaxis, ax.yaxis):
            _name_few_ticks(axis)
    axes[0].set_ylabel("Hessian trace")


def name_the_stops(figure: Figure) -> None:
    """Put the legend of `draw_stops` above a figure, and the label of x below."""
    rates_ = [
        Line2D([], [], linestyle="none", marker="o", color=COLOURS[colour], label=name)
        for colour, name in zip(_RATES, ("low rate", "middle rate", "high rate"), strict=True)
    ]
    shapes = [
        Line2D([], [], linestyle="none", marker=m, color=INK, markerfacecolor="none", label=name)
        for m, name in zip(_BATCHES, ("batch 64", "middle batch", "large batch"), strict=True)
    ]
    pairs = [one for pair in zip(rates_, shapes, strict=True) for one in pair]
    figure.legend(handles=pairs, loc="outside upper left", ncols=3)
    figure.supxlabel("training loss at stop", fontsize=10.5, color=INK)


def draw_large_n(ax: Axes, found: LargeN) -> None:
    """Draw the accuracies at n = 24,000: small batch, and large batch at both rates.

    Lines join the networks of one seed; short bars are means.
    """
    table = found.by_rate
    tried = [float(rate) for rate in table.columns]
    groups = [found.small, *(table[rate] for rate in tried)]
    names = [
        f"small batch\n({len(found.small)})",
        *(f"large batch, rate {_rate(rate)}\n({table[rate].count()})" for rate in tried),
    ]
    for row in table.dropna().to_numpy():
        ax.plot(range(1, 1 + len(row)), row, color=INK, linewidth=0.7, alpha=0.5)
    for place, values in enumerate(groups):
        regime = REGIMES["small_batch" if place == 0 else "large_batch"]
        spread = np.linspace(-0.12, 0.12, len(values)) if place == 0 else np.zeros(len(values))
        style = {"color": regime["color"], "marker": regime["marker"], "linestyle": "none"}
        ax.plot(place + spread, values, alpha=0.8, **style)  # type: ignore[arg-type]
        ax.hlines(values.mean(), place - 0.25, place + 0.25, color=INK, linewidth=2)
    ax.set_xticks(range(len(names)), names)
    ax.set(xlim=(-0.5, len(names) - 0.5), ylabel="test accuracy (%)")


def _rate(rate: float) -> str:
    return f"{rate:g}".removeprefix("0")


def _name_few_ticks(axis: Axis) -> None:
    """Name the powers of ten of a logarithmic axis, and 2 and 5 times them, as plain numbers."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(FuncFormatter(_sparse))


def _sparse(value: float, _: object) -> str:
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""
