"""The smallest Hessian trace that a rescaling can reach: sharpness with the scale factored out.

Multiply what feeds hidden unit u by c_u > 0 and divide what it feeds by c_u: the function stays.
The trace becomes a sum of the old terms, each divided by the square of its parameter's factor. In
the logarithms s = log c that is a sum of exponentials of linear functions: convex, one minimum.

Picture the terms as a flow from the inputs and biases to the outputs: the term of weight W[u, v]
runs from unit v to unit u. At the minimum the derivative in s_u vanishes, so as much flows into u
as out of it. Setting c_u⁴ = inflow / outflow balances one unit exactly, and a layer's units at once
because they do not touch each other; sweeping through the layers is block coordinate descent (as in
'equi-normalisation', Stock et al., ICLR 2019, there with weights in place of curvatures).

Certificate: e^z ≥ λ(1 + z − log λ) for every λ ≥ 0, so any flow λ that is conserved at every unit
bounds the minimum from below by Σ_j λ_j (1 + log(τ_j / λ_j)), with τ_j the present terms: what is
linear in s cancels. Passing the outflow back through the layers turns the nearly balanced τ into a
conserved λ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from helpers.errors import UserError
from helpers.measures.sharpness.trace import MAX_POINTS, first_points, mean_over_points
from helpers.networks import Stack


@dataclass(frozen=True, eq=False)
class OrbitMinimum:
    """Hold the minimum and its proof, float64 on the CPU.

    `trace` (M,) is reached by `log_scales`, one (M, h_l) tensor a hidden layer: unit u's incoming
    weights and bias times exp(s), its outgoing weights divided by it. No rescaling goes below
    `lower_bound` (M,). A unit whose inflow or outflow is zero has its infimum at scale 0 or ∞:
    `trace` is that limit, and its logarithm is left at 0.
    """

    trace: Tensor
    lower_bound: Tensor
    log_scales: tuple[Tensor, ...]


def orbit_minimum_trace(
    stack: Stack,
    x: Tensor,
    y: Tensor | None = None,
    over: Literal["units", "layers"] = "units",
    max_points: int | None = MAX_POINTS,
    tolerance: float = 1e-9,
    max_sweeps: int = 10_000,
) -> OrbitMinimum:
    """Minimise the Hessian trace over all positive rescalings of hidden units, or of whole layers.

    Sweeps until minimum and lower bound agree to `tolerance`, relatively, for every network.

    Raises UserError for another kind of orbit, and if `max_sweeps` do not suffice.
    """
    if over not in ("units", "layers"):
        raise UserError(f"over='{over}'; expected 'units' or 'layers'")
    edges, biases, constant = _flows(stack, first_points(x, y, max_points))
    if over == "layers":
        edges = [e.sum(dim=(1, 2), keepdim=True) for e in edges]
        biases = [b.sum(dim=1, keepdim=True) for b in biases]
    scales = [torch.zeros_like(b) for b in biases]
    _prune(edges, biases)
    for _ in range(max_sweeps):
        trace, bound = _primal(edges, biases, constant), _dual(edges, biases, constant)
        if bool((trace - bound <= tolerance * trace).all()):
            hidden = stack.widths[1:-1]
            return OrbitMinimum(
                trace,
                bound,
                tuple(s.expand(-1, h).clone() for s, h in zip(scales, hidden, strict=True)),
            )
        _sweep(edges, biases, scales)
    worst = float(((trace - bound) / trace).max())
    raise UserError(
        f"the orbit minimum is known only to {worst:.1e} after {max_sweeps} sweeps; "
        f"expected {tolerance:.1e}: raise tolerance or max_sweeps"
    )


def _flows(stack: Stack, x: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Return the trace's terms: edges[l] (M, h_{l+1}, h_l), hidden biases (M, h_l), constant (M,).

    The inputs are merged into one source and the outputs into one sink: they are never rescaled.
    """
    depth = len(stack.weights)

    def sums(_: Stack, inputs: Sequence[Tensor], curvatures: Sequence[Tensor]) -> list[Tensor]:
        edges = []
        for layer, (a, t) in enumerate(zip(inputs, curvatures, strict=True)):
            squared = a.square()
            squared = squared.sum(dim=-1, keepdim=True) if layer == 0 else squared
            into = t.sum(dim=-1, keepdim=True) if layer == depth - 1 else t
            edges.append(into.mT @ squared)
        return [*edges, *[t.sum(dim=1) for t in curvatures]]

    terms = [t.cpu().to(torch.float64) for t in mean_over_points(stack, x, sums)]
    return terms[:depth], terms[depth:-1], terms[-1].sum(dim=1)


def _inflow(edges: list[Tensor], biases: list[Tensor], layer: int) -> Tensor:
    return edges[layer].sum(dim=2) + biases[layer]


def _prune(edges: list[Tensor], biases: list[Tensor]) -> None:
    """Empty the units with no inflow or no outflow: scaling them to 0 or ∞ removes their terms."""
    for _ in edges:
        for layer in range(len(biases)):
            through = (_inflow(edges, biases, layer) > 0) & (edges[layer + 1].sum(dim=1) > 0)
            edges[layer] = edges[layer] * through[:, :, None]
            biases[layer] = biases[layer] * through
            edges[layer + 1] = edges[layer + 1] * through[:, None, :]


def _sweep(edges: list[Tensor], biases: list[Tensor], scales: list[Tensor]) -> None:
    """Balance one hidden layer after the other, in place."""
    for layer in range(len(biases)):
        inflow, outflow = _inflow(edges, biases, layer), edges[layer + 1].sum(dim=1)
        step = torch.where(inflow > 0, (inflow / outflow).log() / 4, 0.0)
        factor = (2 * step).exp()
        edges[layer] = edges[layer] / factor[:, :, None]
        biases[layer] = biases[layer] / factor
        edges[layer + 1] = edges[layer + 1] * factor[:, None, :]
        scales[layer] = scales[layer] + step


def _primal(edges: list[Tensor], biases: list[Tensor], constant: Tensor) -> Tensor:
    flows = [e.sum(dim=(1, 2)) for e in edges] + [b.sum(dim=1) for b in biases]
    return constant + torch.stack(flows).sum(dim=0)


def _dual(edges: list[Tensor], biases: list[Tensor], constant: Tensor) -> Tensor:
    """Bound the minimum from below with the conserved flow that ends as the present one does."""
    bound = constant + edges[-1].sum(dim=(1, 2))
    outflow = edges[-1].sum(dim=1)
    for layer in range(len(biases) - 1, -1, -1):
        inflow = _inflow(edges, biases, layer)
        ratio = torch.where(inflow > 0, outflow / inflow, 1.0)
        bound = bound + (outflow - torch.xlogy(outflow, ratio)).sum(dim=1)
        outflow = (edges[layer] * ratio[:, :, None]).sum(dim=1)
    return bound
