"""The figures of chapter 8, drawn on axes that the chapter makes; missing scales are marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers.chapters.vanishing.scales import (
    MEASURES,
    NAMES,
    NOT_YET,
    SIZES,
    Scales,
    compared,
    printed_rho,
)
from helpers.page.plots import COLOURS, INK, REGIMES, plain_log_axis, rank_scatter

ASIDE = 0.9  # the paper's numbers stand a little to the left of ours, so that both are seen
_PAPER: dict[str, Any] = {
    "marker": "D",
    "linestyle": "none",
    "color": COLOURS["orange"],
    "markersize": 7,
    "markerfacecolor": "none",
    "markeredgewidth": 1.6,
}


def size_axis(ax: Axes, sizes: Sequence[int] = SIZES, missing: Sequence[int] = ()) -> None:
    """Make x the size of the training subset, logarithmic; a missing size is marked on the axis."""
    plain_log_axis(ax, "x", sizes, _short)
    ax.set_xlim(sizes[0] / 1.5, sizes[-1] * 1.5)
    ax.set_xlabel("training points n")
    if missing:
        ax.plot(
            list(missing),
            np.zeros(len(missing)),
            "x",
            color=INK,
            markersize=7,
            markeredgewidth=1.6,
            transform=ax.get_xaxis_transform(),
            clip_on=False,
            label=NOT_YET,
        )


def draw_by_size(
    ax: Axes,
    table: pd.DataFrame,
    columns: tuple[str, str, str],
    *,
    paper: pd.Series | None = None,
    missing: Sequence[int] = (),
    reference: float | None = 0.0,
    colour: str = "blue",
    label: str = "measured",
) -> None:
    """Draw an estimate with its interval against n, and the paper's numbers where given.

    table: a row an n; columns: names of the estimate, the low and the high end.
    """
    if reference is not None:
        ax.axhline(reference, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    if paper is not None:
        ax.plot(paper.index.to_numpy() * ASIDE, paper.to_numpy(), label="paper", **_PAPER)
    n = table.index.to_numpy()
    centre, low, high = (table[name].to_numpy(dtype=float) for name in columns)
    ax.vlines(n, low, high, color=COLOURS[colour], linewidth=2.2)
    ax.plot(n, centre, "o", color=COLOURS[colour], markersize=5.5, label=label)
    size_axis(ax, missing=missing)


def draw_table_2(axes: np.ndarray, table: pd.DataFrame, missing: Sequence[int] = ()) -> None:
    """Draw ρ with accuracy against n, one of four axes a measure; table: `scales.correlations`."""
    for ax, measure in zip(axes.ravel(), MEASURES, strict=True):
        theirs = pd.Series({n: printed_rho(n, measure) for n in SIZES})
        own = table.loc[[measure]].droplevel(0)
        draw_by_size(ax, own, ("rho", "low", "high"), paper=theirs, missing=missing)
        ax.set(title=NAMES[measure], xlabel="", ylim=(-1.1, 1.1))
    share_legend(axes)


def draw_four_sizes(axes: np.ndarray, gaps: pd.DataFrame, traces: pd.DataFrame) -> None:
    """Draw Δ, the share of errors avoided, the chance to beat and the ratio of traces against n."""
    over = gaps.assign(
        share_low=gaps["low"] / (100 - gaps["small"]),
        share_high=gaps["high"] / (100 - gaps["small"]),
    )
    panels: list[tuple[str, pd.DataFrame, tuple[str, str, str], float]] = [
        ("Δ (points)", over, ("delta", "low", "high"), 0.0),
        ("errors avoided", over, ("share", "share_low", "share_high"), 0.0),
        ("chance to beat", over, ("superiority", "superiority_low", "superiority_high"), 0.5),
        ("trace, large / small", traces, ("ratio", "ratio", "ratio"), 1.0),
    ]
    missing = [n for n in SIZES if n not in gaps.index]
    for ax, (name, table, columns, none) in zip(axes.ravel(), panels, strict=True):
        draw_by_size(ax, table, columns, missing=missing, reference=none)
        ax.set(ylabel=name, xlabel="")
    for ax in axes[-1]:
        ax.set_xlabel("training points n")


def share_legend(axes: np.ndarray) -> None:
    """Put one legend above all axes, with what the first of them shows; label the bottom row."""
    handles, labels = axes.ravel()[0].get_legend_handles_labels()
    axes.ravel()[0].figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    for ax in axes[-1]:
        ax.set_xlabel("training points n")


def draw_regimes(
    ax: Axes, scales: Scales, column: str, *, paper: dict[str, pd.Series] | None = None
) -> None:
    """Draw both regimes' means of a column, with 95 % intervals, against n.

    paper: by regime, the paper's means by n.
    """
    table = compared(scales, column)
    for name, known in REGIMES.items():
        style: dict[str, Any] = dict(known)
        short = name.split("_")[0]
        ax.errorbar(
            table.index.to_numpy(),
            table[short].to_numpy(),
            table[f"{short}_reach"].to_numpy(),
            **style,
            linewidth=1.6,
            markersize=5.5,
        )
        if paper is not None:
            own = _PAPER | {"color": style["color"]}
            ax.plot(paper[name].index.to_numpy() * ASIDE, paper[name].to_numpy(), **own)
    if paper is not None:
        ax.plot([], [], label="paper", **(_PAPER | {"color": INK}))
    size_axis(ax, missing=scales.missing)


def draw_pooled_and_within(ax: Axes, frame: pd.DataFrame, measure: str, title: str = "") -> None:
    """Draw accuracy against a measure: the pooled monotone curve, and a line in each regime."""
    rank_scatter(ax, frame[measure], 100 * frame["test_accuracy"], regime=frame["regime"].tolist())
    for name, style in REGIMES.items():
        own = frame[frame["regime"] == name]
        x, y = own[measure].to_numpy(dtype=float), 100 * own["test_accuracy"].to_numpy(dtype=float)
        if len(x) > 2 and np.ptp(x) > 0:
            ends = np.array([x.min(), x.max()])
            ax.plot(ends, np.polyval(np.polyfit(x, y, 1), ends), color=style["color"], linewidth=2)
    legend = ax.get_legend()
    if legend is not None:
        legend.remove()
    ax.set_title(title)


def draw_every_size(axes: np.ndarray, scales: Scales, measure: str) -> None:
    """Draw `draw_pooled_and_within` on one axis a size; a missing size stays empty and says so."""
    for ax, n in zip(axes.ravel(), (*scales.sizes, *scales.missing), strict=False):
        if n in scales.frames:
            draw_pooled_and_within(ax, scales[n], measure, f"n = {n:,}")
            ax.set_xlabel(NAMES[measure])
        else:
            ax.set(title=f"n = {n:,}", xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            ax.text(0.5, 0.5, NOT_YET, ha="center", transform=ax.transAxes)
    axes[0, 0].set_ylabel("test accuracy (%)")


def draw_ceilings(ax: Axes, ceilings: pd.DataFrame, missing: Sequence[int] = ()) -> None:
    """Draw the noise ceiling with its interval as a shaded roof against n."""
    n = ceilings.index.to_numpy()
    roof = ceilings["ceiling"].to_numpy()
    low, high = ceilings["low"].to_numpy(), ceilings["high"].to_numpy()
    ax.vlines(n, low, high, color=COLOURS["purple"], linewidth=9, alpha=0.25)
    ax.plot(n, roof, "_", color=COLOURS["purple"], markersize=16, markeredgewidth=2.4)
    ax.plot([], [], color=COLOURS["purple"], linewidth=2.4, label="ceiling, 95 % interval")
    size_axis(ax, missing=missing)


def draw_strengths(ax: Axes, table: pd.DataFrame, measures: Sequence[str]) -> None:
    """Draw |ρ| of measures at each n; table: `scales.correlations`."""
    styles = zip(("blue", "teal", "pink"), ("o", "s", "^"), strict=True)
    for measure, (colour, marker) in zip(measures, styles, strict=False):
        own = table.loc[measure]
        ax.plot(
            own.index.to_numpy(),
            own["rho"].abs().to_numpy(),
            marker=marker,
            linestyle="none",
            color=COLOURS[colour],
            label=f"|ρ|, {NAMES[measure]}",
        )


def draw_rescaled(
    ax: Axes, table: pd.DataFrame, n: int, networks: pd.DataFrame | None = None
) -> None:
    """Draw the traces of the rescaled networks at one n against β, over the range of all 50.

    table: `reparameterisation`; networks: the scale's table, where it is measured.
    """
    own = table[(table["n"] == n) & (table["transformation"] == "T_beta")]
    if networks is not None:
        trace = networks["hessian_trace"]
        ax.axhspan(trace.min(), trace.max(), color=COLOURS["grey"], alpha=0.3, linewidth=0)
    for (_, regime), one in own.groupby(["network", "regime"]):
        style = REGIMES[str(regime)]
        ax.plot(one["factor"], one["hessian_trace"], color=style["color"], marker=style["marker"])
    ax.set(yscale="log", title=f"n = {n:,}", xlabel="β")
    plain_log_axis(ax, "x", sorted(own["factor"].unique()), "{:g}".format)


def _short(n: float) -> str:
    return f"{n / 1_000:g}k" if n >= 1_000 else f"{n:g}"
