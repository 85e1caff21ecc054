"""Slices of the loss along directions that are scaled to the network's own filters.

A raw random direction says little: stretch a layer and the same step looks longer. Li et al.,
'Visualizing the Loss Landscape of Neural Nets' (NeurIPS 2018), give every filter of the direction
the norm of the network's filter. In a fully connected layer a filter is the row of weights that
feeds one unit. Biases stand still, as in the code that accompanies that paper.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from helpers.errors import UserError
from helpers.networks import Stack, cross_entropy


def filter_normalised_direction(stack: Stack, seed: int) -> Stack:
    """Draw a Gaussian direction, each unit's row of weights rescaled to the norm of the network's.

    Every network of the stack gets the same Gaussian numbers, drawn on the CPU. A slice along the
    direction is unmoved by a rescaling of whole layers, not by one of single units: that stretches
    the columns of the next weight matrix unevenly, and the direction knows only rows.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = []
    for weight in stack.weights:
        drawn = torch.randn(weight.shape[1:], generator=generator).to(stack.dtype).to(stack.device)
        weights.append(drawn * (weight.norm(dim=2) / drawn.norm(dim=1))[..., None])
    return Stack(tuple(weights), tuple(torch.zeros_like(b) for b in stack.biases))


def gaussian_direction(stack: Stack, seed: int) -> Stack:
    """Draw a standard Gaussian number for every weight and bias, the same for each network."""
    generator = torch.Generator().manual_seed(seed)

    def draw(parameter: Tensor) -> Tensor:
        drawn = torch.randn(parameter.shape[1:], generator=generator)
        return drawn.to(parameter).expand_as(parameter)

    return Stack(tuple(map(draw, stack.weights)), tuple(map(draw, stack.biases)))


def loss_along_direction(
    stack: Stack, x: Tensor, y: Tensor, direction: Stack, steps: Sequence[float] | Tensor
) -> Tensor:
    """Compute the mean cross-entropy at θ + t·direction for every step t: (M, len(steps)).

    Raises UserError when the direction's shape is not the stack's.
    """
    return torch.stack(
        [cross_entropy(_moved(stack, direction, float(t)), x, y) for t in steps], dim=1
    )


def _moved(stack: Stack, direction: Stack, step: float) -> Stack:
    if direction.widths != stack.widths or len(direction) != len(stack):
        raise UserError(
            f"a direction of {len(direction)} networks {direction.widths} for a stack of "
            f"{len(stack)} networks {stack.widths}; expected the same"
        )
    return Stack(
        tuple(w + step * d for w, d in zip(stack.weights, direction.weights, strict=True)),
        tuple(b + step * d for b, d in zip(stack.biases, direction.biases, strict=True)),
    )
