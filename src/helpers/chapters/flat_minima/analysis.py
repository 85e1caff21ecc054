"""What the chapter measures on its two networks: valleys, felt curvature, harm at the kinks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.measures.sharpness import Rise, filter_normalised_direction, loss_along_direction
from helpers.networks import Stack

STEPS = np.linspace(-1, 1, 41)


def walks(net: Stack, x: Tensor, y: Tensor, directions: int = 10) -> NDArray[np.float64]:
    """Return the loss at every one of STEPS along random directions: (directions, len(STEPS))."""
    chosen = [filter_normalised_direction(net, seed) for seed in range(directions)]
    losses = [loss_along_direction(net, x, y, each, STEPS.tolist())[0] for each in chosen]
    return torch.stack(losses).double().numpy()


def felt_curvature(rise: Rise, sigmas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return c(σ) = 2 E[rise] / σ² of one network, (len(sigmas),)."""
    return 2 * rise.mean[0].double().numpy() / sigmas**2


def harmful_share(z: Sequence[Tensor], delta: Sequence[Tensor], within: float = np.inf) -> float:
    """Return which share of unit–point pairs with |z| < within would raise the loss if on.

    `z` and `delta` are those of `sharpness.kink_terms`, one tensor a layer.
    """
    pairs = zip(z, delta, strict=True)
    chosen = [slope[before.abs() < within] for before, slope in pairs]
    return float((torch.cat(chosen) > 0).double().mean())
