"""Matrix-free estimates of the Hessian of the mean cross-entropy, through curvlinops and ARPACK.

They know nothing of ReLU networks: a Hessian-vector product is all they ask for. That makes them
slower and, for the trace, noisy; here they are the independent witnesses of the closed form.
"""

from __future__ import annotations

import numpy as np
import torch
from curvlinops import HessianLinearOperator
from scipy.sparse.linalg import eigsh
from torch import Tensor, nn

from helpers.errors import UserError
from helpers.measures.sharpness.trace import MAX_POINTS, first_points
from helpers.networks import Stack

# Hessian-vector products taken in one sweep over the data; memory grows with it.
_VECTORS_AT_ONCE = 10


def hessian_operator(
    network: Stack, x: Tensor, y: Tensor, max_points: int | None = MAX_POINTS
) -> HessianLinearOperator:
    """Return the Hessian of one network's mean cross-entropy as a (P, P) linear operator.

    Parameters are ordered W_1, b_1, W_2, b_2, …, each flattened by rows. `op @ v` is a
    Hessian-vector product and `op.to_scipy()` speaks to SciPy.

    Raises UserError for a stack of more than one network.
    """
    if len(network) != 1:
        raise UserError(f"{len(network)} networks; a Hessian belongs to one: pass stack[i]")
    x = first_points(x, y, max_points)
    batch = (x.reshape(-1, x.shape[-1]), y.reshape(-1)[: x.shape[-2]])
    module = _as_module(network)
    return HessianLinearOperator(
        module,
        nn.CrossEntropyLoss(),
        list(module.parameters()),
        [batch],
        check_deterministic=False,
    )


def hutchinson_trace(
    stack: Stack,
    x: Tensor,
    y: Tensor,
    vectors: int = 50,
    seed: int = 0,
    max_points: int | None = MAX_POINTS,
) -> tuple[Tensor, Tensor]:
    """Estimate the Hessian trace with random signs: mean of vᵀHv over `vectors` Rademacher v.

    Returns the estimate and its standard error, (M,) each; the same v serve every network, so a
    network's estimate does not depend on its place in the stack. Source: Hutchinson (1989).

    Raises UserError for fewer than two vectors: one has no standard error.
    """
    if vectors < 2:
        raise UserError(f"{vectors} random vectors; a standard error needs at least 2")
    samples = []
    for index, network in enumerate(stack):
        own = x[index] if x.dim() == 3 else x
        operator = hessian_operator(network, own, y[index] if y.dim() == 2 else y, max_points)
        signs = torch.Generator().manual_seed(seed)
        draws = torch.randint(0, 2, (vectors, operator.shape[1]), generator=signs)
        v = (2 * draws - 1).to(stack.dtype).to(stack.device)
        products = [part @ (operator @ part.mT) for part in v.split(_VECTORS_AT_ONCE)]
        samples.append(torch.cat([product.diagonal() for product in products]))
    values = torch.stack(samples)
    return values.mean(dim=1), values.std(dim=1) / vectors**0.5


def largest_eigenvalue(
    stack: Stack,
    x: Tensor,
    y: Tensor,
    tolerance: float = 1e-4,
    seed: int = 0,
    max_points: int | None = MAX_POINTS,
) -> Tensor:
    """Find the largest eigenvalue of each network's Hessian, (M,), by Lanczos iteration (ARPACK).

    `tolerance` is the relative accuracy asked of ARPACK; `seed` draws its starting vector.
    """
    found = []
    for index, network in enumerate(stack):
        own = x[index] if x.dim() == 3 else x
        operator = hessian_operator(network, own, y[index] if y.dim() == 2 else y, max_points)
        start = np.random.default_rng(seed).standard_normal(operator.shape[1])
        top = eigsh(
            operator.to_scipy(), k=1, which="LA", tol=tolerance, v0=start, return_eigenvectors=False
        )
        found.append(float(top[0]))
    return torch.tensor(found, dtype=stack.dtype, device=stack.device)


def _as_module(network: Stack) -> nn.Sequential:
    layers: list[nn.Module] = []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        outputs, inputs = weight.shape[1:]
        linear = nn.Linear(inputs, outputs, dtype=weight.dtype, device=weight.device)
        linear.weight = nn.Parameter(weight[0].detach().clone())
        linear.bias = nn.Parameter(bias[0].detach().clone())
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
