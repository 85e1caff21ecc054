"""Measures of how simple a network is: norms, margins, rank, and how far its answers compress.

Every function takes a stack of M networks and returns one number a network, (M,), larger meaning
less simple for norms, ranks and complexities, and safer for margins. Which of them survive a change
of parameters that keeps the function is said with each.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from helpers.errors import UserError
from helpers.measures.lempel_ziv import lempel_ziv_76, lempel_ziv_78
from helpers.networks import Stack, activations, features, logits, predictions

# ---------------------------------------------------------------- norms of parameters


def weight_l1_norm(stack: Stack, *, biases: bool = True) -> Tensor:
    """Sum the absolute parameters, (M,).

    Not invariant under rescaling. Source: Neyshabur, Tomioka and Srebro (2015).
    """
    return torch.stack([p.abs().flatten(1).sum(1) for p in _parameters(stack, biases)]).sum(0)


def weight_l2_norm(stack: Stack, *, biases: bool = True) -> Tensor:
    """Take the root of the sum of squared parameters, (M,).

    Not invariant under rescaling. Source: Neyshabur, Tomioka and Srebro (2015).
    """
    squares = [p.square().flatten(1).sum(1) for p in _parameters(stack, biases)]
    return torch.stack(squares).sum(0).sqrt()


def path_norm(stack: Stack, *, power: int = 2, biases: bool = True) -> Tensor:
    """Sum the product of |weights| along every path from input to output, (M,).

    With power 2, the root of the sum of squared products. One forward pass with |W|^power on an
    input of ones does it. A bias starts paths of its own. Invariant under the rescaling of any
    unit and under permutation. Source: Neyshabur, Tomioka and Srebro (2015); Neyshabur,
    Salakhutdinov and Srebro (2015).
    """
    if power not in (1, 2):
        raise UserError(f"power {power}; expected 1 or 2")
    reach = torch.ones_like(stack.weights[0][:, 0, :])
    for weight, bias in zip(stack.weights, stack.biases, strict=True):
        reach = (weight.abs().pow(power) @ reach[:, :, None])[:, :, 0]
        if biases:
            reach = reach + bias.abs().pow(power)
    return reach.sum(1).pow(1 / power)


def spectral_norms(stack: Stack) -> Tensor:
    """Take the largest singular value of each weight matrix, (M, layers)."""
    return torch.stack([torch.linalg.matrix_norm(w, ord=2) for w in stack.weights], dim=1)


def spectral_norm_product(stack: Stack) -> Tensor:
    """Multiply the layers' spectral norms, (M,): a bound on the Lipschitz constant.

    Invariant when whole layers are scaled against each other, not when single units are.
    Source: Bartlett, Foster and Telgarsky (2017).
    """
    return spectral_norms(stack).prod(1)


def spectral_complexity(stack: Stack) -> Tensor:
    """Multiply the spectral norms by the layers' combined (2,1) norms, (M,).

    Π s_l · (Σ (‖W_lᵀ‖_{2,1} / s_l)^{2/3})^{3/2}, with reference matrices 0 and ‖·‖_{2,1} the sum,
    over a layer's units, of the norm of their incoming weights. Source: Bartlett, Foster and
    Telgarsky (2017), equation 1.2.
    """
    spectral = spectral_norms(stack)
    two_one = torch.stack([w.norm(dim=2).sum(1) for w in stack.weights], dim=1)
    return spectral.prod(1) * (two_one / spectral).pow(2 / 3).sum(1).pow(3 / 2)


# ---------------------------------------------------------------- margins


def margins(stack: Stack, x: Tensor, y: Tensor) -> Tensor:
    """Give each point's logit of its label less the largest other, (M, n): negative if wrong.

    A function of the function, so invariant throughout.
    """
    scores = logits(stack, x)
    labels = y.expand(scores.shape[:2])[:, :, None]
    own = scores.gather(2, labels)[:, :, 0]
    return own - scores.scatter(2, labels, -math.inf).amax(2)


def margin(
    stack: Stack, x: Tensor, y: Tensor, *, quantile: float = 0.1, norm: str | None = None
) -> Tensor:
    """Take a low quantile of the margins, (M,), as it is or divided by a norm.

    `quantile` 0 is the smallest margin; 0.1 is that of Jiang et al. (2020). `norm` divides by
    "spectral" (`spectral_complexity`; Bartlett, Foster and Telgarsky, 2017) or by "path"
    (`path_norm`, which keeps the result invariant under rescaling). Larger is safer.
    """
    raw = _each(lambda network: margins(network, x, y).quantile(quantile, dim=1), stack)
    if norm is None:
        return raw
    if norm not in ("path", "spectral"):
        raise UserError(f"unknown norm {norm!r}; expected None, 'path' or 'spectral'")
    return raw / (path_norm(stack) if norm == "path" else spectral_complexity(stack))


# ---------------------------------------------------------------- the geometry of the features


def feature_rank(stack: Stack, x: Tensor, *, tolerance: float = 1e-6) -> Tensor:
    """Count singular values above tolerance × the largest, of the last hidden layer at x, (M,).

    Computed in float64. Invariant under rescaling, permutation and invertible feature maps as long
    as no direction crosses the tolerance; reviving a dead unit raises it.
    """

    def rank(network: Stack) -> Tensor:
        values = torch.linalg.svdvals(features(network, x).double())
        return (values > tolerance * values[:, :1]).sum(1)

    return _each(rank, stack)


def participation_ratio(stack: Stack, x: Tensor) -> Tensor:
    """Count the directions that the centred features at x spread over, (M,).

    (Σ λ)² / Σ λ² over the eigenvalues of their covariance: h when all spread alike, 1 when only one
    does, and 0 where the features do not vary. Not invariant under rescaling.
    Source: Gao et al. (2017).
    """

    def ratio(network: Stack) -> Tensor:
        hidden = features(network, x).double()
        hidden = hidden - hidden.mean(1, keepdim=True)
        covariance = hidden.mT @ hidden
        trace = covariance.diagonal(dim1=1, dim2=2).sum(1)
        return _ratio(trace.square(), covariance.square().sum((1, 2)))

    return _each(ratio, stack)


def live_units(stack: Stack, x: Tensor, *, share: float = 0.05, layer: int = -1) -> Tensor:
    """Count hidden units of a layer active on more than a share of the points x, (M,)."""
    active = (activations(stack, x)[layer] > 0).double().mean(1)
    return (active > share).sum(1)


# ---------------------------------------------------------------- compressibility of the answers

COMPRESSORS = ("lz76", "lz78", "zlib")


def prediction_complexity(stack: Stack, x: Tensor, *, method: str = "lz76") -> Tensor:
    """Measure how far the predicted labels at x, in the order given, compress, (M,) in bits.

    "lz76" is the Lempel–Ziv (1976) complexity as Dingle, Camargo and Louis (2018) scale it:
    log2(n)·(c(s) + c(s reversed))/2, with c the number of phrases; it is how Valle-Pérez, Camargo
    and Louis (2019) measure a network's function. "lz78" is c·log2(c) for the phrases of Ziv and
    Lempel (1978). "zlib" is the length of the compressed bytes, level 9. A function of the
    function, so invariant throughout; it depends on the order of the points, so keep one order.
    """
    if method not in COMPRESSORS:
        raise UserError(f"unknown method {method!r}; expected one of {', '.join(COMPRESSORS)}")
    if len(x) < 2:
        raise UserError(f"{len(x)} points; expected at least 2 predictions to compress")
    rows = predictions(stack, x).cpu()
    return torch.tensor([_bits(row.tolist(), method) for row in rows], dtype=torch.float64)


def _bits(labels: Sequence[int], method: str) -> float:
    if method == "zlib":
        width = 1 if max(labels) < 256 else 2  # bytes a label
        packed = b"".join(label.to_bytes(width, "big") for label in labels)
        return 8.0 * len(zlib.compress(packed, 9))
    if method == "lz78":
        phrases = lempel_ziv_78(labels)
        return phrases * math.log2(phrases)
    both = lempel_ziv_76(labels) + lempel_ziv_76(labels[::-1])
    return math.log2(len(labels)) * both / 2


# ---------------------------------------------------------------- small parts


def _parameters(stack: Stack, biases: bool) -> tuple[Tensor, ...]:
    return stack.weights + (stack.biases if biases else ())


def _each(measure: Callable[[Stack], Tensor], stack: Stack) -> Tensor:
    """Join a (1,) measure over the networks of a stack: memory for one network at a time."""
    return torch.cat([measure(network) for network in stack])


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    return torch.where(denominator > 0, numerator / denominator, torch.zeros_like(numerator))
