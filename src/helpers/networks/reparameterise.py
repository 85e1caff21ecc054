"""Change a network's parameters and keep its function: maps from a stack to a stack.

Layers are counted from 0: hidden layer l is what W_l and b_l produce, and its units reach the next
layer through the columns of W_{l+1}. Exactness is stated for finite numbers that neither overflow
nor become subnormal on the way. What each map keeps:

| map | logits | hidden features |
|---|---|---|
| `scale_layers`, `scale_units` | all points; to the last bit for powers of two | scaled |
| `permute_units` | all points, up to the order of sums | permuted |
| `silence_units` | exactly, where the units are off; elsewhere not | kept |
| `replace_inputs` | exactly, all points (outgoing weights are zero) | those units: anything |
| `rewrite_dead_units` | exactly, where the units were off; elsewhere not | those: anything |
| `map_features` | all points, up to the condition of the map | mapped |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers.errors import UserError
from helpers.networks import Stack, activations


def scale_layers(stack: Stack, layer: int, factor: float) -> Stack:
    """Multiply (W_l, b_l) by `factor` and W_{l+1} by its inverse.

    Layer 0 gives T_β, layer 1 gives T_γ (arXiv:2605.05209, section on reparameterisation). ReLU
    commutes with a positive factor, so the logits are kept on all points: to the last bit if the
    factor is a power of two, otherwise up to a few roundings. Raises UserError for a factor that is
    not positive or a layer that is not hidden.
    """
    units = _hidden_width(stack, layer)
    return scale_units(stack, layer, torch.full((units,), float(factor), dtype=torch.float64))


def scale_units(
    stack: Stack, layer: int, factors: Tensor | Sequence[float] | NDArray[np.floating]
) -> Stack:
    """Multiply what comes into each unit by its factor, and what goes out by the inverse.

    `factors` is (h_l,), or (M, h_l) for own factors in each network, all positive. Weights and bias
    are multiplied. Keeps what `scale_layers` keeps, and the on/off patterns of all units.
    """
    units = _hidden_width(stack, layer)
    by = torch.as_tensor(factors, dtype=stack.dtype, device=stack.device)
    if by.shape not in ((units,), (len(stack), units)):
        raise UserError(
            f"factors have shape {tuple(by.shape)}; expected ({units},) or ({len(stack)}, {units})"
        )
    if not bool((by.isfinite() & (by > 0)).all()):
        raise UserError("factors must be positive and finite: ReLU commutes with no others")
    by = by.expand(len(stack), units)
    return _replace(
        stack,
        layer,
        incoming=stack.weights[layer] * by[:, :, None],
        bias=stack.biases[layer] * by,
        outgoing=stack.weights[layer + 1] / by[:, None, :],
    )


def permute_units(
    stack: Stack, layer: int, order: Tensor | Sequence[int] | NDArray[np.integer]
) -> Stack:
    """Reorder the units of a hidden layer: new unit j is the old unit order[j].

    `order` is (h_l,), or (M, h_l) for an own order in each network. Keeps the logits on all points
    up to the order of sums, and the set of on/off patterns up to the same permutation.
    """
    units = _hidden_width(stack, layer)
    to = torch.as_tensor(order, device=stack.device)
    every = torch.arange(units, device=stack.device)
    if to.shape not in ((units,), (len(stack), units)) or not bool(
        (to.sort().values == every).all()
    ):
        raise UserError(f"the order is not a permutation of the {units} units of layer {layer}")
    to = to.expand(len(stack), units)
    incoming, outgoing = stack.weights[layer], stack.weights[layer + 1]
    return _replace(
        stack,
        layer,
        incoming=incoming.gather(1, to[:, :, None].expand_as(incoming)),
        bias=stack.biases[layer].gather(1, to),
        outgoing=outgoing.gather(2, to[:, None, :].expand_as(outgoing)),
    )


def dead_units(stack: Stack, layer: int, x: Tensor) -> Tensor:
    """Say which units of a hidden layer are off (exactly 0) at every point of x: (M, h_l) bool."""
    _hidden_width(stack, layer)
    return (activations(stack, x)[layer] == 0).all(dim=1)


def silence_units(stack: Stack, layer: int, units: Tensor) -> Stack:
    """Zero the outgoing weights of the chosen units, (M, h_l) bool.

    Exact, bit for bit, at every point where all chosen units are off: a weight times zero was added
    there and now zero times zero is. Elsewhere the function changes.
    """
    chosen = _mask(stack, layer, units)
    outgoing = stack.weights[layer + 1]
    return _replace(stack, layer, outgoing=outgoing.masked_fill(chosen[:, None, :], 0.0))


def replace_inputs(
    stack: Stack, layer: int, units: Tensor, incoming: Tensor, biases: Tensor
) -> Stack:
    """Give the chosen units, (M, h_l) bool, other incoming weights and biases: anything finite.

    `incoming` is shaped as W_l and `biases` as b_l; only the chosen units' rows are used. Exact,
    bit for bit, at all points, because a unit whose outgoing weights are zero adds zero whatever
    it computes. Raises UserError if a chosen unit has an outgoing weight that is not zero.
    """
    chosen = _mask(stack, layer, units)
    if bool((stack.weights[layer + 1].ne(0).any(dim=1) & chosen).any()):
        raise UserError(
            "a chosen unit has outgoing weights that are not zero; "
            "silence_units it first, or its new inputs will change the function"
        )
    return _replace(
        stack,
        layer,
        incoming=torch.where(chosen[:, :, None], incoming, stack.weights[layer]),
        bias=torch.where(chosen, biases, stack.biases[layer]),
    )


def rewrite_dead_units(stack: Stack, layer: int, x: Tensor, seed: int) -> Stack:
    """Revive at random the units that are off at every point of x; the logits there do not move.

    Their outgoing weights are zeroed, their incoming weights drawn normal with the root mean
    square of the layer's other units in the same network, and their biases set so that each is on
    for about half of x. The logits change by exactly 0.0 at every point where those units were off
    before, so at all of x. At points outside x where such a unit was on, they do change.

    Raises UserError if a network has no unit that is on, which leaves no scale to draw at.
    """
    dead = dead_units(stack, layer, x)
    if bool(dead.all(dim=1).any()):
        raise UserError(f"a network has no unit of layer {layer} that is ever on; nothing to match")
    weight = stack.weights[layer]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float64).to(weight)
    squares = weight.square().mean(dim=2).masked_fill(dead, 0.0).sum(dim=1) / (~dead).sum(dim=1)
    drawn = drawn * squares.sqrt()[:, None, None]
    below = activations(stack, x)[layer - 1] if layer else x.expand(len(stack), *x.shape[-2:])
    middle = (below @ drawn.mT).median(dim=1).values
    return replace_inputs(silence_units(stack, layer, dead), layer, dead, drawn, -middle)


@dataclass(frozen=True, eq=False)
class Head:
    """Hold features φ and the affine map that reads logits off them: φ Wᵀ + b.

    `features` is (…, n, h), `weight` (…, K, h), `bias` (…, K).
    """

    features: Tensor
    weight: Tensor
    bias: Tensor

    def logits(self) -> Tensor:
        """Return the logits, (…, n, K)."""
        return self.features @ self.weight.mT + self.bias[..., None, :]


def map_features(head: Head, matrix: Tensor, shift: Tensor | None = None) -> Head:
    """Replace features φ by Aφ + t and the head by one that undoes it: W A⁻¹, b − W A⁻¹ t.

    `matrix` A is (h, h) and invertible, `shift` t is (h,). Keeps the logits on all points in exact
    arithmetic; in floating point up to about the condition number of A times the unit roundoff, so
    use float64. The result is no ReLU network (Aφ + t may be negative): it is for measures that
    read features, such as the pair proxy. Raises UserError for shapes that disagree or singular A.
    """
    width = head.features.shape[-1]
    matrix = matrix.to(head.features)
    shift = torch.zeros(width).to(matrix) if shift is None else shift.to(matrix)
    if matrix.shape != (width, width) or shift.shape != (width,):
        raise UserError(
            f"a map of shapes {tuple(matrix.shape)} and {tuple(shift.shape)} does not fit "
            f"{width} features; expected ({width}, {width}) and ({width},)"
        )
    if int(torch.linalg.matrix_rank(matrix)) < width:
        raise UserError("the map of the features is singular; expected an invertible matrix")
    weight = torch.linalg.solve(matrix, head.weight, left=False)
    return Head(head.features @ matrix.mT + shift, weight, head.bias - weight @ shift)


def _replace(
    stack: Stack,
    layer: int,
    *,
    incoming: Tensor | None = None,
    bias: Tensor | None = None,
    outgoing: Tensor | None = None,
) -> Stack:
    """Return the stack with the parameters around one hidden layer replaced."""
    weights, biases = list(stack.weights), list(stack.biases)
    if incoming is not None:
        weights[layer] = incoming
    if bias is not None:
        biases[layer] = bias
    if outgoing is not None:
        weights[layer + 1] = outgoing
    return Stack(tuple(weights), tuple(biases))


def _hidden_width(stack: Stack, layer: int) -> int:
    hidden = len(stack.weights) - 1
    if not 0 <= layer < hidden:
        raise UserError(
            f"layer {layer} is not a hidden layer of widths {stack.widths}; "
            f"expected 0 to {hidden - 1}"
        )
    return stack.widths[layer + 1]


def _mask(stack: Stack, layer: int, units: Tensor) -> Tensor:
    shape = (len(stack), _hidden_width(stack, layer))
    if units.dtype != torch.bool or tuple(units.shape) != shape:
        raise UserError(
            f"units are {units.dtype} of shape {tuple(units.shape)}; "
            f"expected torch.bool of shape {shape}"
        )
    return units.to(stack.device)
