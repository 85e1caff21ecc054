"""The chapter's figures, drawn on axes that the chapter makes, most of them against n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers.chapters.vanishing.analysis import MEASURES, NAMES, SIZES, Frames, printed_rhos
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


def size_axis(ax: Axes, sizes: Sequence[int] = SIZES) -> None:
    """Make x the size of the training subset, logarithmic."""
    plain_log_axis(ax, "x", sizes, lambda n: f"{n / 1_000:g}k" if n >= 1_000 else f"{n:g}")
    ax.set_xlim(sizes[0] / 1.5, sizes[-1] * 1.5)
    ax.set_xlabel("training points n")


def draw_by_size(
    ax: Axes,
    estimates: pd.Series,
    *,
    paper: pd.Series | None = None,
    reference: float = 0.0,
    colour: str = "blue",
    label: str = "measured",
    beside: float = 1.0,
) -> None:
    """Draw estimates with their intervals by n, and the paper's numbers where given.

    With `beside` above 1 they stand to the right of n, beside others that are drawn at it.
    """
    ax.axhline(reference, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    if paper is not None:
        ax.plot(paper.index.to_numpy() * ASIDE, paper.to_numpy(), label="paper", **_PAPER)
    n, (centre, low, high) = beside * estimates.index.to_numpy(), _three(estimates)
    ax.vlines(n, low, high, color=COLOURS[colour], linewidth=2.2)
    ax.plot(n, centre, "o", color=COLOURS[colour], markersize=5.5, label=label)
    size_axis(ax)


def draw_table_2(axes: np.ndarray, rhos: pd.DataFrame) -> None:
    """Draw ρ with accuracy against n, one of four axes a measure, from `analysis.correlations`."""
    for ax, measure in zip(axes.ravel(), MEASURES, strict=True):
        draw_by_size(ax, rhos["rho"][measure], paper=printed_rhos(measure))
        ax.set(title=NAMES[measure], xlabel="", ylim=(-1.1, 1.1))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    axes[0, 0].figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    for ax in axes[-1]:
        ax.set_xlabel("training points n")
    for ax in axes[:, 0]:
        ax.set_ylabel("ρ with accuracy")


def draw_four_sizes(axes: np.ndarray, gaps: pd.DataFrame, ratio: pd.Series) -> None:
    """Draw Δ, the share of errors avoided, the chance to beat and the ratio of traces against n."""
    panels = (
        ("Δ (points)", gaps["delta"], 0.0),
        ("errors avoided", gaps["share"], 0.0),
        ("chance to beat", gaps["superiority"], 0.5),
    )
    *three, last = axes.ravel()
    for ax, (name, estimates, none) in zip(three, panels, strict=True):
        draw_by_size(ax, estimates, reference=none)
        ax.set(ylabel=name, xlabel="")
    last.axhline(1, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    last.plot(ratio.index, ratio, "o", color=COLOURS["blue"], markersize=5.5)
    size_axis(last)
    last.set_ylabel("trace, large / small")
    axes[-1, 0].set_xlabel("training points n")


def draw_regimes(ax: Axes, means: pd.DataFrame, paper: Mapping[str, pd.Series]) -> None:
    """Draw both regimes' mean traces, with their intervals, against n, and the paper's.

    means: `analysis.traces`; paper: by regime, the paper's means by n.
    """
    for name, known in REGIMES.items():
        style: dict[str, Any] = dict(known)
        centre, _, high = _three(means[name])
        ax.errorbar(
            means.index.to_numpy(), centre, high - centre, **style, linewidth=1.6, markersize=5.5
        )
        theirs = _PAPER | {"color": style["color"]}
        ax.plot(paper[name].index.to_numpy() * ASIDE, paper[name].to_numpy(), **theirs)
    ax.plot([], [], label="paper", **(_PAPER | {"color": INK}))
    size_axis(ax)


def draw_pooled_and_within(ax: Axes, frame: pd.DataFrame, measure: str, title: str = "") -> None:
    """Draw accuracy against a measure: the pooled monotone curve, and a line in each regime."""
    rank_scatter(ax, frame[measure], 100 * frame["test_accuracy"], regime=frame["regime"].tolist())
    for name, style in REGIMES.items():
        own = frame[frame["regime"] == name]
        x, y = own[measure].to_numpy(dtype=float), 100 * own["test_accuracy"].to_numpy(dtype=float)
        if np.ptp(x) > 0:
            ends = np.array([x.min(), x.max()])
            ax.plot(ends, np.polyval(np.polyfit(x, y, 1), ends), color=style["color"], linewidth=2)
    ax.legend().remove()
    ax.set(title=title, xlabel=NAMES[measure])


def draw_every_size(axes: np.ndarray, frames: Frames, measure: str) -> None:
    """Draw `draw_pooled_and_within` on one axis a size."""
    for ax, (n, frame) in zip(axes.ravel(), frames.items(), strict=True):
        draw_pooled_and_within(ax, frame, measure, f"n = {n:,}")
    axes[0, 0].set_ylabel("test accuracy (%)")


def draw_ceilings(ax: Axes, ceilings: pd.Series) -> None:
    """Draw noise ceilings with their intervals as a shaded roof against n."""
    n, (roof, low, high) = ceilings.index.to_numpy(), _three(ceilings)
    ax.vlines(n, low, high, color=COLOURS["purple"], linewidth=9, alpha=0.25)
    ax.plot(n, roof, "_", color=COLOURS["purple"], markersize=16, markeredgewidth=2.4)
    ax.plot([], [], color=COLOURS["purple"], linewidth=2.4, label="ceiling, 95 % interval")
    size_axis(ax)


def draw_strengths(ax: Axes, rhos: pd.DataFrame, measures: Sequence[str]) -> None:
    """Draw |ρ| of up to three measures at each n, from `analysis.correlations`."""
    styles = zip(("blue", "teal", "pink"), ("o", "s", "^"), strict=True)
    for measure, (colour, marker) in zip(measures, styles, strict=False):
        own = rhos["rho"][measure]
        ax.plot(
            own.index.to_numpy(),
            np.abs(_three(own)[0]),
            marker=marker,
            linestyle="none",
            color=COLOURS[colour],
            label=f"|ρ|, {NAMES[measure]}",
        )


def draw_rescaled(ax: Axes, table: pd.DataFrame, n: int, networks: pd.DataFrame) -> None:
    """Draw the traces of the rescaled networks at one n against β, over the range of all 50.

    table: `reparameterisation`; networks: all of that size.
    """
    own = table[(table["n"] == n) & (table["transformation"] == "T_beta")]
    trace = networks["hessian_trace"]
    ax.axhspan(trace.min(), trace.max(), color=COLOURS["grey"], alpha=0.3, linewidth=0)
    for (_, regime), one in own.groupby(["network", "regime"]):
        style = REGIMES[str(regime)]
        ax.plot(one["factor"], one["hessian_trace"], color=style["color"], marker=style["marker"])
    ax.set(yscale="log", title=f"n = {n:,}", xlabel="β")
    plain_log_axis(ax, "x", sorted(own["factor"].unique()), "{:g}".format)


def _three(estimates: pd.Series) -> np.ndarray:
    """Return the estimates, low ends and high ends, (3, k)."""
    return np.array([[one.estimate, one.low, one.high] for one in estimates]).T
