"""The figures of the chapter, drawn on axes that the page makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from helpers.chapters.flat_minima.analysis import STEPS, felt_curvature
from helpers.measures.sharpness import Rise
from helpers.page.plots import REGIMES


def draw_valleys(axes: Sequence[Axes], walks: Mapping[str, NDArray[np.float64]]) -> None:
    """Draw the loss along each direction, one axis per regime; `walks` come from `analysis`."""
    for ax, (name, style) in zip(axes, REGIMES.items(), strict=True):
        ax.plot(STEPS, walks[name].T, color=style["color"], alpha=0.7, linewidth=1)
        ax.set(title=style["label"], xlabel="distance along the direction", ylim=(0, None))
    axes[0].set_ylabel("training loss (nats)")


def draw_felt_curvature(
    ax: Axes,
    sigmas: NDArray[np.float64],
    sampled: Mapping[str, Rise],
    predicted: Mapping[str, Rise],
    traces: Mapping[str, float],
) -> None:
    """Draw 2 E[rise] / σ² against σ for one network a regime: sampled, predicted, and the trace."""
    for name, style in REGIMES.items():
        error = 2 * sampled[name].standard_error[0].numpy() / sigmas**2
        ax.errorbar(
            sigmas,
            felt_curvature(sampled[name], sigmas),
            2 * error,
            linestyle="none",
            color=style["color"],
            marker=style["marker"],
            label=style["label"],
        )
        ax.plot(sigmas, felt_curvature(predicted[name], sigmas), color=style["color"])
        ax.axhline(traces[name], color=style["color"], linestyle=":")
    ax.set(xscale="log", yscale="log")
    ax.set(xlabel="size of the nudge σ", ylabel="felt curvature c(σ)")
    ax.legend()
