"""The exact Hessian trace of the mean cross-entropy of a ReLU network, in closed form.

Let p_i be the softmax probabilities at point i, z_l the pre-activations of layer l, a_{l-1} its
inputs and J_{l,i} = ∂logits/∂z_l. Move one single weight: the logits are piecewise linear in it, so
away from the kinks their second derivative is zero and the chain rule leaves only the Gauss–Newton
term. The diagonal of the Hessian is therefore the diagonal of the Gauss–Newton matrix, almost
everywhere. (The rest of the Hessian is not: two weights of different layers multiply each other.)

The Hessian of the cross-entropy in the logits does not involve the label:

    H_i = diag(p_i) − p_i p_iᵀ = Σ_k p_ik g_ik g_ikᵀ,    g_ik = e_k − p_i

and −g_ik is the gradient in the logits were k the label. Pulling it back through the layers gives
δ_lik = J_{l,i}ᵀ g_ik, one ordinary backward pass per class. The weight W_l[u, v] meets the logits
only through z_l[u], with ∂z_l[u]/∂W_l[u, v] = a_{l-1}[v], so its own second derivative is

    ∂²loss/∂W_l[u, v]² = (1/n) Σ_i t_li[u] · a_{l-1,i}[v]²,    t_li[u] = Σ_k p_ik δ_lik[u]²

and the same with a² replaced by 1 for the bias of unit u. Summed over u and v, layer l adds

    (1/n) Σ_i (‖a_{l-1,i}‖² + 1) Σ_u t_li[u].

Read the other way: the trace is the mean squared norm of the per-example gradient when labels are
drawn from the network itself (the trace of the Fisher matrix). All terms are nonnegative, and with
√p_k absorbed in g_k they are sums of squares, so nothing cancels where p is nearly one-hot.

One pass can be saved: H_i has rank K−1, so K−1 vectors carry it. `softmax_factor` writes down S_i
with S_iᵀ S_i = H_i, and its rows are pulled back in place of the K vectors √p_ik g_ik.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.errors import UserError
from helpers.networks import Stack, activations

# The paper's protocol: at most the first 2,048 training points enter a curvature measure.
MAX_POINTS = 2048

# Floats in the largest array of a block: 2 MB stays near a CPU core; a GPU wants big products.
_CPU_BLOCK = 2**19
_GPU_BLOCK = 2**26


@dataclass(frozen=True, eq=False)
class TraceTerms:
    """Hold the parts of the Hessian trace: weights and biases are (M, L), one column a layer."""

    weights: Tensor
    biases: Tensor

    @property
    def total(self) -> Tensor:
        """Return the trace itself, (M,)."""
        return self.weights.sum(dim=1) + self.biases.sum(dim=1)


def hessian_trace(
    stack: Stack, x: Tensor, y: Tensor | None = None, max_points: int | None = MAX_POINTS
) -> Tensor:
    """Compute the exact Hessian trace of the mean cross-entropy on the first `max_points` points.

    `x` is (n, d_0) or (M, n, d_0); returns (M,) in the stack's floating type. The labels do not
    enter (see the module's derivation); `y` is accepted so that all measures are called alike.

    Raises UserError if there are no points, or fewer labels than points.
    """
    return hessian_trace_terms(stack, x, y, max_points).total


def hessian_trace_terms(
    stack: Stack, x: Tensor, y: Tensor | None = None, max_points: int | None = MAX_POINTS
) -> TraceTerms:
    """Compute what each layer's weights and biases add to the Hessian trace, as `hessian_trace`."""

    def terms(_: Stack, inputs: Sequence[Tensor], curvatures: Sequence[Tensor]) -> list[Tensor]:
        per_point = [t.sum(dim=-1) for t in curvatures]
        weights = [
            (a.square().sum(dim=-1) * t).sum(dim=-1) for a, t in zip(inputs, per_point, strict=True)
        ]
        biases = [t.sum(dim=-1) for t in per_point]
        return [torch.stack(weights, dim=1), torch.stack(biases, dim=1)]

    lit, points = without_silent_margins(stack, first_points(x, y, max_points))
    weights, biases = mean_over_points(lit, points, terms)
    return TraceTerms(weights, biases)


def trace_under_scaling(terms: TraceTerms, scales: Sequence[float] | Tensor) -> Tensor:
    """Give the trace after the hidden layers' activations are scaled, without measuring again.

    `scales` holds c_1, …, c_{L-1} > 0: layer l's weights become c_l / c_{l-1} times themselves and
    its biases c_l times (c_0 = c_L = 1), which keeps the function. A second derivative in a
    parameter that is multiplied by s is divided by s². T_β is `(β, 1)` and T_γ is `(1, γ)` on a
    three-layer network. Many scalings at once are rows: (S, L-1) gives (M, S); (L-1,) gives (M,).

    Raises UserError when the number of scales is not the number of hidden layers.
    """
    chosen = torch.as_tensor(scales, dtype=terms.weights.dtype, device=terms.weights.device)
    hidden = terms.weights.shape[1] - 1
    if chosen.dim() not in (1, 2) or chosen.shape[-1] != hidden or not bool((chosen > 0).all()):
        raise UserError(
            f"scales of shape {tuple(chosen.shape)} do not fit {hidden} hidden layers; expected "
            f"{hidden} positive numbers, or rows of {hidden}"
        )
    one = chosen.new_ones(*chosen.shape[:-1], 1)
    after = torch.cat([chosen, one], dim=-1)  # c_1 … c_L
    before = torch.cat([one, chosen], dim=-1)  # c_0 … c_{L-1}
    on_weights = (before / after).square().transpose(0, -1)
    on_biases = after.square().reciprocal().transpose(0, -1)
    return terms.weights @ on_weights + terms.biases @ on_biases


def first_points(x: Tensor, y: Tensor | None, max_points: int | None) -> Tensor:
    """Return the first `max_points` points of x (all of them for None), checking the labels."""
    if x.dim() not in (2, 3) or x.shape[-2] == 0:
        raise UserError(f"points of shape {tuple(x.shape)}; expected (n, inputs) with n ≥ 1")
    if y is not None and y.shape[-1] != x.shape[-2]:
        raise UserError(f"{y.shape[-1]} labels for {x.shape[-2]} points; expected one a point")
    return x if max_points is None else x[..., :max_points, :]


def without_silent_margins(stack: Stack, x: Tensor) -> tuple[Stack, Tensor]:
    """Cut off the first and last inputs that are zero at every point: they add nothing.

    Views, not copies. On MNIST the blank top and bottom of the frame go: a tenth of the pixels.
    """
    points = x.flatten(0, -2)
    lit = ((points.amax(dim=0) != 0) | (points.amin(dim=0) != 0)).nonzero()[:, 0]
    if len(lit) == 0:
        return stack, x
    kept = slice(int(lit[0]), int(lit[-1]) + 1)
    first = stack.weights[0][:, :, kept]
    return Stack((first, *stack.weights[1:]), stack.biases), x[..., kept]


BlockSums = Callable[[Stack, Sequence[Tensor], Sequence[Tensor]], Sequence[Tensor]]


def mean_over_points(stack: Stack, x: Tensor, block_sums: BlockSums) -> list[Tensor]:
    """Average over points what `block_sums(networks, inputs, curvatures)` adds up over a block.

    `inputs[l]` is a_l, (M, c, d_l), and `curvatures[l]` is t_{l+1}, (M, c, d_{l+1}), for a block of
    c points; every tensor that `block_sums` returns leads with M. Networks go one at a time on a
    CPU, so that a block stays in cache, and all at once on a GPU.
    """
    on_cpu = stack.device.type == "cpu"
    groups = [stack[i : i + 1] for i in range(len(stack))] if on_cpu else [stack]
    results = []
    for index, group in enumerate(groups):
        points = x[index : index + 1] if on_cpu and x.dim() == 3 else x
        sums: list[Tensor] | None = None
        for inputs, curvatures in unit_curvatures(group, points):
            added = block_sums(group, inputs, curvatures)
            sums = (
                list(added) if sums is None else [s + a for s, a in zip(sums, added, strict=True)]
            )
        assert sums is not None
        results.append([s / x.shape[-2] for s in sums])
    return [torch.cat(parts) for parts in zip(*results, strict=True)]


@torch.no_grad()
def unit_curvatures(stack: Stack, x: Tensor) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """Yield, block by block of points, the inputs a_{l-1} and curvatures t_l of every layer.

    t_li[u] is the second derivative of point i's loss in z_l[u]. About (K−1)·h floats a point are
    held, h the widest layer above the inputs.
    """
    networks, classes = len(stack), stack.widths[-1]
    budget = _CPU_BLOCK if stack.device.type == "cpu" else _GPU_BLOCK
    block = max(32, budget // (networks * classes * max(stack.widths[1:])))
    for part in x.split(block, dim=-2):
        hidden = activations(stack, part)
        inputs = [part.expand(networks, *part.shape[-2:]), *hidden]
        logits = torch.baddbmm(stack.biases[-1][:, None], inputs[-1], stack.weights[-1].mT)
        delta = softmax_factor(logits.softmax(dim=-1))  # (M, c, K-1, unit)
        curvatures = [delta.square().sum(dim=2)]
        for layer in range(len(hidden), 0, -1):
            above = stack.weights[layer]
            delta = (delta.flatten(1, 2) @ above).view(*delta.shape[:3], above.shape[2])
            active = hidden[layer - 1] > 0
            if layer > 1:
                delta *= active[:, :, None]
                curvatures.append(delta.square().sum(dim=2))
            else:  # nothing below: square first, then mask an array K-1 times smaller
                curvatures.append(delta.square_().sum(dim=2).mul_(active))
        yield inputs, curvatures[::-1]


def softmax_factor(p: Tensor) -> Tensor:
    """Return S, (…, K-1, K), with SᵀS = diag(p) − p pᵀ, for probabilities p (…, K).

    With tail sums s_k = Σ_{j≥k} p_j, row k is √(p_k / (s_k s_{k+1})) times
    s_{k+1} e_k − Σ_{j>k} p_j e_j: the Cholesky factor in closed form. Products and quotients
    of positive numbers give every entry a small relative error, also where p is nearly one-hot.
    """
    tail = p.flip(-1).cumsum(dim=-1).flip(-1).clamp_min(torch.finfo(p.dtype).tiny)
    share = (p[..., :-1] / tail[..., :-1]).sqrt()  # √(p_k / s_k)
    root = tail[..., 1:].sqrt()  # √s_{k+1}
    factor = (-(share / root)[..., None] * p[..., None, :]).triu(diagonal=1)
    factor.diagonal(dim1=-2, dim2=-1).copy_(share * root)
    return factor
