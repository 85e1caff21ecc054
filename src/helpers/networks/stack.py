"""Stacks of same-shape ReLU networks: parameters that carry a leading network axis M.

A network with widths (d_0, d_1, …, d_L) maps a point x to logits by a_0 = x,
a_l = relu(W_l a_{l-1} + b_l) for l < L, and logits = W_L a_{L-1} + b_L.
Every function here treats all M networks of a stack at once; nothing is changed in place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy as pointwise_cross_entropy

from helpers.errors import UserError

# Hidden activations held at once when only logits are asked for: 2^24 floats, 64 MB in float32.
_HIDDEN_BUDGET = 2**24


@dataclass(frozen=True, eq=False)
class Stack:
    """Hold M same-shape ReLU networks: weights[l] is (M, d_{l+1}, d_l), biases[l] is (M, d_{l+1}).

    `stack[i]`, `stack[2:5]` and `stack[[0, 5]]` are stacks too (`stack[i]` holds one network), and
    iterating yields stacks of one.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        if not self.weights or len(self.weights) != len(self.biases):
            raise UserError(
                f"{len(self.weights)} weight and {len(self.biases)} bias tensors make no network; "
                "expected one of each per layer"
            )
        count, inputs = self.weights[0].shape[0], self.weights[0].shape[-1]
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            expected = (count, bias.shape[-1], inputs)
            if tuple(weight.shape) != expected or tuple(bias.shape) != expected[:2]:
                raise UserError(
                    f"layer {layer} has weights {tuple(weight.shape)} and biases "
                    f"{tuple(bias.shape)}; expected {expected} and {expected[:2]}"
                )
            inputs = bias.shape[-1]

    def __len__(self) -> int:
        return self.weights[0].shape[0]

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> Stack:
        chosen = index
        if not isinstance(index, slice):
            chosen = torch.atleast_1d(torch.as_tensor(index, device=self.device))
        return Stack(tuple(w[chosen] for w in self.weights), tuple(b[chosen] for b in self.biases))

    def __iter__(self) -> Iterator[Stack]:
        return (self[i] for i in range(len(self)))

    @property
    def widths(self) -> tuple[int, ...]:
        """Return (d_0, …, d_L), inputs and classes included."""
        return (self.weights[0].shape[2], *(b.shape[1] for b in self.biases))

    @property
    def dtype(self) -> torch.dtype:
        """Return the floating type of the parameters."""
        return self.weights[0].dtype

    @property
    def device(self) -> torch.device:
        """Return the device that holds the parameters."""
        return self.weights[0].device

    def to(self, target: torch.device | torch.dtype | str) -> Stack:
        """Return the stack on another device or in another floating type."""
        return Stack(
            tuple(w.to(target) for w in self.weights), tuple(b.to(target) for b in self.biases)
        )


def concatenate(stacks: Sequence[Stack]) -> Stack:
    """Join stacks of equal widths along the network axis."""
    if not stacks:
        raise UserError("no stacks to concatenate; expected at least one")
    layers = range(len(stacks[0].weights))
    return Stack(
        tuple(torch.cat([s.weights[layer] for s in stacks]) for layer in layers),
        tuple(torch.cat([s.biases[layer] for s in stacks]) for layer in layers),
    )


def check_widths(widths: Sequence[int]) -> tuple[int, ...]:
    """Return the widths as a tuple; raise UserError unless there are two or more, all positive."""
    if len(widths) < 2 or any(width < 1 for width in widths):
        raise UserError(
            f"widths {tuple(widths)} make no network; "
            "expected inputs, any hidden layers, classes: (784, 256, 128, 10)"
        )
    return tuple(int(width) for width in widths)


def initialise_one(widths: Sequence[int], seed: int) -> tuple[Stack, torch.Generator]:
    """Draw one network as `torch.manual_seed(seed)` and `nn.Linear` after `nn.Linear` would.

    Returns a float32 stack of one network on the CPU and the generator, from which one
    `randperm(n)` an epoch continues the same stream. The global generator is left alone.
    """
    widths = check_widths(widths)
    generator = torch.Generator().manual_seed(int(seed))
    weights, biases = [], []
    for inputs, outputs in pairwise(widths):
        weight = torch.empty(outputs, inputs)
        # The very calls of nn.Linear.reset_parameters, in its order.
        torch.nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
        bound = 1 / math.sqrt(inputs)
        bias = torch.empty(outputs).uniform_(-bound, bound, generator=generator)
        weights.append(weight[None])
        biases.append(bias[None])
    return Stack(tuple(weights), tuple(biases)), generator


def initialise(
    widths: Sequence[int],
    seeds: Sequence[int],
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Stack:
    """Draw one network a seed, bit for bit PyTorch's default initialisation under that seed.

    Numbers are drawn on the CPU in float32 whatever `dtype` and `device`, so that a float64 or GPU
    network starts at the same point as its float32 CPU twin.
    """
    if len(seeds) == 0:
        raise UserError("no seeds; expected at least one, such as range(25)")
    stack = concatenate([initialise_one(widths, seed)[0] for seed in seeds])
    return stack.to(dtype).to(device)


def activations(stack: Stack, x: Tensor) -> tuple[Tensor, ...]:
    """Return the post-ReLU hidden layers at x, one (M, n, h_l) tensor a hidden layer.

    `x` is (n, d_0), shared by all networks, or (M, n, d_0).
    """
    _check_points(stack, x)
    hidden = []
    for weight, bias in zip(stack.weights[:-1], stack.biases[:-1], strict=True):
        x = torch.relu(_affine(x, weight, bias))
        hidden.append(x)
    return tuple(hidden)


def features(stack: Stack, x: Tensor) -> Tensor:
    """Return the last hidden layer at x, (M, n, h); x itself, once a network, if there is none."""
    _check_points(stack, x)
    if len(stack.weights) == 1:
        return x.expand(len(stack), *x.shape[-2:])
    for weight, bias in zip(stack.weights[:-1], stack.biases[:-1], strict=True):
        x = torch.relu(_affine(x, weight, bias))
    return x


def logits(stack: Stack, x: Tensor) -> Tensor:
    """Return the logits at x, (M, n, K). `x` is (n, d_0) or (M, n, d_0).

    Many points are taken in blocks, so that the hidden layers need little memory.
    """
    _check_points(stack, x)
    block = max(256, _HIDDEN_BUDGET // (len(stack) * max(stack.widths[1:])))
    parts = [
        _affine(features(stack, part), stack.weights[-1], stack.biases[-1])
        for part in x.split(block, dim=-2)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def predictions(stack: Stack, x: Tensor) -> Tensor:
    """Return the predicted classes at x, (M, n) int64."""
    return logits(stack, x).argmax(dim=-1)


def accuracy(stack: Stack, x: Tensor, y: Tensor) -> Tensor:
    """Return the share of points that each network labels right, (M,) float64."""
    return (predictions(stack, x) == y).to(torch.float64).mean(dim=-1)


def cross_entropy(stack: Stack, x: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy of each network, (M,), in the stack's floating type."""
    scores = logits(stack, x)
    targets = y.expand(scores.shape[:2])
    losses = pointwise_cross_entropy(scores.flatten(0, 1), targets.flatten(), reduction="none")
    return losses.view(scores.shape[:2]).mean(dim=-1)


def _affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return x W^T + b for each network: (M, n, d) -> (M, n, h)."""
    return torch.baddbmm(bias[:, None], x.expand(len(weight), *x.shape[-2:]), weight.mT)


def _check_points(stack: Stack, x: Tensor) -> None:
    fits = x.dim() == 2 or (x.dim() == 3 and len(x) == len(stack))
    if not fits or x.shape[-1] != stack.widths[0]:
        raise UserError(
            f"points of shape {tuple(x.shape)} do not fit {len(stack)} networks of "
            f"{stack.widths[0]} inputs; expected (n, {stack.widths[0]}) "
            f"or ({len(stack)}, n, {stack.widths[0]})"
        )
