"""The figures of the chapter, drawn on axes that the page makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from helpers.measures.sharpness import Rise, filter_normalised_direction, loss_along_direction
from helpers.networks import Stack
from helpers.page.plots import REGIMES


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


def sign_of_harm(pre_activations: Sequence[Tensor], gradients: Sequence[Tensor]) -> list[float]:
    """Return which share of unit–point pairs would raise the loss if on: near the kink, and all.

    Both arguments come from `sharpness.kink_terms`; near is |z| < 0.001. In per cent.
    """
    z = torch.cat([part.flatten() for part in pre_activations]).abs()
    harmful = (torch.cat([part.flatten() for part in gradients]) > 0).double()
    return [100 * float(harmful[z < 1e-3].mean()), 100 * float(harmful.mean())]
