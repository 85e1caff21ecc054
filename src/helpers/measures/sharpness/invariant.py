"""Sharpness measures built so that rescaling cannot move them.

What each is blind to, among maps that keep the function (the tests measure every entry). A
dead-unit rewrite takes a hidden unit that is off at every point, empties its outgoing weights and
gives it new incoming ones, so that it is on but unheard.

| measure                         | layer scale | unit scale | permutation | dead-unit rewrite |
|---------------------------------|-------------|------------|-------------|-------------------|
| Hessian trace                   | no          | no         | yes         | no                |
| adaptive sharpness, both        | yes         | yes        | yes         | yes               |
| Fisher–Rao norm, both           | yes         | yes        | yes         | yes               |
| relative flatness, last layer   | yes         | no         | yes         | no                |
| orbit-minimum trace over units  | yes         | yes        | yes         | yes               |
| orbit-minimum trace over layers | yes         | no         | yes         | no                |
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from helpers.errors import UserError
from helpers.measures.sharpness.trace import (
    MAX_POINTS,
    first_points,
    mean_over_points,
    softmax_factor,
)
from helpers.networks import Stack, features


def adaptive_sharpness(
    stack: Stack, x: Tensor, y: Tensor | None = None, max_points: int | None = MAX_POINTS
) -> Tensor:
    """Compute Σ_j θ_j² H_jj, the average-case adaptive sharpness to second order: (M,).

    It is 2/ρ² times the mean rise of the loss when each parameter is perturbed by independent
    Gaussian noise of standard deviation ρ|θ_j|, as ρ → 0. Exact, from the Hessian's diagonal (see
    `trace`); labels do not enter. Source: the elementwise-adaptive measure of Kwon et al., 'ASAM'
    (ICML 2021), averaged as in Andriushchenko et al., 'A Modern Look at the Relationship between
    Sharpness and Generalization' (ICML 2023).
    """

    def sums(group: Stack, inputs: Sequence[Tensor], curvatures: Sequence[Tensor]) -> list[Tensor]:
        layers = zip(inputs, curvatures, group.weights, group.biases, strict=True)
        terms = [
            (t * torch.baddbmm(b.square()[:, None], a.square(), w.square().mT)).sum(dim=(1, 2))
            for a, t, w, b in layers
        ]
        return [torch.stack(terms).sum(dim=0)]

    return mean_over_points(stack, first_points(x, y, max_points), sums)[0]


@torch.no_grad()
def relative_flatness(
    stack: Stack, x: Tensor, y: Tensor | None = None, max_points: int | None = MAX_POINTS
) -> Tensor:
    """Compute the relative flatness κ = Σ_{s,t} ⟨w_s, w_t⟩ tr H_{s,t} of the last layer: (M,).

    w_s are the rows of W_L and H_{s,t} the block of the Hessian that pairs them. Within one layer
    the logits are linear, so κ = (1/n) Σ_i ‖a_i‖² tr(W_Lᵀ H_i W_L) with a the last hidden layer.
    Source: Petzka et al., 'Relative Flatness and Generalization' (NeurIPS 2021).
    """
    points = first_points(x, y, max_points)
    hidden = features(stack, points)
    scores = torch.baddbmm(stack.biases[-1][:, None], hidden, stack.weights[-1].mT)
    rows = softmax_factor(scores.softmax(dim=-1)).flatten(1, 2) @ stack.weights[-1]
    curvature = rows.square().sum(dim=-1).view(len(stack), points.shape[-2], -1).sum(dim=-1)
    return (hidden.square().sum(dim=-1) * curvature).mean(dim=-1)


@torch.no_grad()
def fisher_rao_norm(
    stack: Stack,
    x: Tensor,
    y: Tensor,
    labels: str = "data",
    max_points: int | None = MAX_POINTS,
) -> Tensor:
    """Compute the Fisher–Rao norm √⟨θ, I(θ) θ⟩: (M,).

    I(θ) is the mean outer product of the per-example gradient, with the labels given ('data', the
    definition in the source) or drawn from the network ('model', the Fisher matrix proper). Only
    the derivative of the logits along θ itself is needed: ż_l = z_l + W_l ȧ_{l-1}. Source: Liang
    et al., 'Fisher–Rao Metric, Geometry, and Complexity of Neural Networks' (AISTATS 2019).

    Raises UserError for another kind of labels.
    """
    if labels not in ("data", "model"):
        raise UserError(f"labels='{labels}'; expected 'data' or 'model'")
    points = first_points(x, y, max_points)
    value = points.expand(len(stack), *points.shape[-2:])
    rate = torch.zeros_like(value)
    last = len(stack.weights) - 1
    for layer, (weight, bias) in enumerate(zip(stack.weights, stack.biases, strict=True)):
        value = torch.baddbmm(bias[:, None], value, weight.mT)
        rate = value + rate @ weight.mT
        if layer < last:
            rate = rate * (value > 0)
            value = value.relu()
    p = value.softmax(dim=-1)
    if labels == "model":
        squares = (softmax_factor(p) @ rate[..., None]).square().sum(dim=(-1, -2))
    else:
        own = y[..., : points.shape[-2]].expand(p.shape[:2])[..., None]
        squares = (p * (rate - rate.gather(-1, own))).sum(dim=-1).square()
    return squares.mean(dim=-1).sqrt()
