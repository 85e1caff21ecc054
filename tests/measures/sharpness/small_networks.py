"""Small networks whose Hessian can be written out in full."""

from __future__ import annotations

import torch
from torch import Tensor

from helpers.measures.sharpness import brute_force_hessian as full_hessian
from helpers.networks import Stack, initialise

__all__ = ["WIDTHS", "flat", "full_hessian", "random_network", "random_points", "rescaled"]

WIDTHS = (5, 7, 6, 4)


def rescaled(stack: Stack, scales: list[Tensor]) -> Stack:
    """Multiply the activations of hidden layer l, unit u, by scales[l][..., u]."""
    ones = [torch.ones(stack.widths[0]), torch.ones(stack.widths[-1])]
    factors = [s.to(stack.dtype) for s in (ones[0], *scales, ones[1])]
    weights = [
        w * (after[..., :, None] / before[..., None, :])
        for w, before, after in zip(stack.weights, factors, factors[1:], strict=False)
    ]
    biases = [b * after for b, after in zip(stack.biases, factors[1:], strict=True)]
    return Stack(tuple(weights), tuple(biases))


def random_network(seed: int, widths=WIDTHS, dtype=torch.float64, gain=2.0) -> Stack:
    """Draw a network with biases that matter and probabilities that are far from uniform."""
    stack = initialise(widths, [seed], dtype=dtype)
    return Stack(tuple(w * gain for w in stack.weights), tuple(b * gain for b in stack.biases))


def random_points(seed: int, n=13, widths=WIDTHS, dtype=torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, widths[0], generator=generator, dtype=dtype)
    return x, torch.randint(0, widths[-1], (n,), generator=generator)


def flat(network: Stack) -> Tensor:
    pairs = zip(network.weights, network.biases, strict=True)
    return torch.cat([p.flatten() for pair in pairs for p in pair])


def case() -> tuple[Stack, Tensor, Tensor]:
    return random_network(3), *random_points(3)
