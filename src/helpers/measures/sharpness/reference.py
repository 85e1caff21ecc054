"""The slow reference: the whole Hessian of a small network, by automatic differentiation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from helpers.errors import UserError
from helpers.networks import Stack

MAX_PARAMETERS = 5_000


def brute_force_hessian(network: Stack, x: Tensor, y: Tensor) -> Tensor:
    """Compute all second derivatives of one network's mean cross-entropy, (P, P).

    Parameters are ordered weights of layer 1, biases of layer 1, weights of layer 2, and so on.
    Raises UserError for more than one network, or more than 5,000 parameters.
    """
    shapes = [
        parameter.shape[1:]
        for layer in zip(network.weights, network.biases, strict=True)
        for parameter in layer
    ]
    sizes = [shape.numel() for shape in shapes]
    if len(network) != 1 or sum(sizes) > MAX_PARAMETERS:
        raise UserError(
            f"{len(network)} networks of {sum(sizes):,} parameters; expected one network of at "
            f"most {MAX_PARAMETERS:,}, since its Hessian has that many rows"
        )

    def loss(flat: Tensor) -> Tensor:
        parts = [p.reshape(s) for p, s in zip(flat.split(sizes), shapes, strict=True)]
        values = x
        for number, (weight, bias) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
            values = functional.linear(values.relu() if number else values, weight, bias)
        return functional.cross_entropy(values, y)

    layers = zip(network.weights, network.biases, strict=True)
    start = torch.cat([parameter.flatten() for layer in layers for parameter in layer])
    return torch.func.hessian(loss)(start)
