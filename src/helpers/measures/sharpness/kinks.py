"""How much the loss rises, on average, when all parameters are nudged: the Hessian and the kinks.

Add independent Gaussian noise of standard deviation σ to every parameter. For a smooth loss the
mean rise is ½σ² tr H + O(σ⁴). A ReLU network's loss is not smooth: where a unit's pre-activation z
crosses zero, the slope of the loss jumps. The Hessian, defined away from these kinks, does not see
them, yet a nudge crosses many.

To first order one kink contributes this. Let δ be the gradient of the mean loss in the unit's
activation, and let the nudge change z by a Gaussian of standard deviation σs. Then relu(z) changes
on average by what relu would add at a distance |z| from its corner,

    E[relu(z + σ s g)] − relu(z) = σ s ψ(|z| / (σ s)),    ψ(u) = φ(u) − u Φ(−u),

with g standard normal, φ and Φ its density and distribution function. The mean rise is therefore

    ½ σ² tr H + Σ_units,points δ σ s ψ(|z| / (σ s)).

s² follows the noise through the layers: s_1² = ‖x‖² + 1, and for a unit of the next layer s² = ‖a‖²
+ 1 + Σ_j W_j² 1[z_j > 0] s_j². Neglected: the correlation of kinks with each other and the change
of δ on the way. The tests compare with direct sampling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.errors import UserError
from helpers.measures.sharpness.landscape import gaussian_direction, loss_along_direction
from helpers.measures.sharpness.trace import hessian_trace
from helpers.networks import Stack


@dataclass(frozen=True, eq=False)
class Rise:
    """Hold the mean rise of the loss under noise, each (M, number of sigmas), in nats.

    `standard_error` is zero where the mean is not sampled.
    """

    mean: Tensor
    standard_error: Tensor


def average_rise(
    stack: Stack,
    x: Tensor,
    y: Tensor,
    sigmas: Sequence[float],
    draws: int = 50,
    seed: int = 0,
) -> Rise:
    """Sample the mean rise of the training loss under Gaussian noise on every parameter.

    Each draw is used with both signs, which removes the gradient's part. Use float64 networks for
    sigmas below about 1e-3: the rise is a small difference of losses.
    Raises UserError for fewer than two draws.
    """
    if draws < 2:
        raise UserError(f"draws is {draws}; expected 2 or more, for a standard error")
    steps = [sign * sigma for sigma in sigmas for sign in (-1.0, 1.0)]
    sampled = []
    for draw in range(draws):
        direction = gaussian_direction(stack, seed * draws + draw)
        losses = loss_along_direction(stack, x, y, direction, [0.0, *steps])
        pairs = losses[:, 1:].unflatten(1, (len(sigmas), 2)).mean(dim=2)
        sampled.append(pairs - losses[:, :1])
    rises = torch.stack(sampled)
    return Rise(rises.mean(dim=0), rises.std(dim=0) / math.sqrt(draws))


def expected_rise(stack: Stack, x: Tensor, y: Tensor, sigmas: Sequence[float]) -> Rise:
    """Predict the mean rise from the exact Hessian trace and, to first order, from the kinks."""
    smooth = hessian_trace(stack, x, y, max_points=None)
    columns = [0.5 * sigma**2 * smooth + kink_rise(stack, x, y, sigma) for sigma in sigmas]
    mean = torch.stack(columns, dim=1)
    return Rise(mean, torch.zeros_like(mean))


def kink_rise(stack: Stack, x: Tensor, y: Tensor, sigma: float) -> Tensor:
    """Sum σ s δ ψ(|z| / σ s) over hidden units and points: the kinks' part of the rise, (M,)."""
    before, gradients, spreads = kink_terms(stack, x, y)
    total = torch.zeros(len(stack), dtype=stack.dtype, device=stack.device)
    for z, delta, spread in zip(before, gradients, spreads, strict=True):
        scale = sigma * spread
        total += (delta * scale * _corner(z.abs() / scale)).sum(dim=(1, 2))
    return total


def kink_terms(
    stack: Stack, x: Tensor, y: Tensor
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Return, per hidden layer, z, δ and s of every unit at every point, each (M, n, h_l)."""
    values = x.expand(len(stack), *x.shape[-2:])
    spread_squared = torch.zeros_like(values)
    before, spreads = [], []
    layers = list(zip(stack.weights, stack.biases, strict=True))
    for weight, bias in layers[:-1]:
        passed = spread_squared @ weight.square().mT
        z = torch.baddbmm(bias[:, None], values, weight.mT)
        spread_squared = values.square().sum(dim=2, keepdim=True) + 1 + passed
        before.append(z)
        spreads.append(spread_squared.sqrt())
        values, spread_squared = z.relu(), spread_squared * (z > 0)
    weight, bias = layers[-1]
    backward = torch.baddbmm(bias[:, None], values, weight.mT).softmax(dim=2)
    backward[:, torch.arange(x.shape[-2]), y] -= 1
    backward /= x.shape[-2]
    gradients: list[Tensor] = []
    for z, (weight, _) in zip(reversed(before), reversed(layers), strict=False):
        delta = backward @ weight
        gradients.insert(0, delta)
        backward = delta * (z > 0)
    return before, gradients, spreads


def _corner(distance: Tensor) -> Tensor:
    density = torch.exp(-0.5 * distance.square()) / math.sqrt(2 * math.pi)
    return density - distance * torch.special.ndtr(-distance)
