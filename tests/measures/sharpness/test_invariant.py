from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from small_networks import (
    WIDTHS,
    case,
    flat,
    full_hessian,
    random_network,
    random_points,
    rescaled,
)

from helpers.errors import UserError
from helpers.measures.sharpness import (
    adaptive_sharpness,
    fisher_rao_norm,
    hessian_trace,
    orbit_minimum_trace,
    relative_flatness,
)
from helpers.networks import Stack, concatenate, cross_entropy, logits

seeds = st.integers(0, 10_000)


def orbit_over_units(stack, x, y):
    return orbit_minimum_trace(stack, x, y).trace


def orbit_over_layers(stack, x, y):
    return orbit_minimum_trace(stack, x, y, over="layers").trace


def fisher_rao_model(stack, x, y):
    return fisher_rao_norm(stack, x, y, labels="model")


# measure, is it blind to: layer scale, unit scale, dead-unit rewrite; relative tolerance
MEASURES = [
    (hessian_trace, False, False, False, 1e-9),
    (adaptive_sharpness, True, True, True, 1e-9),
    (fisher_rao_norm, True, True, True, 1e-9),
    (fisher_rao_model, True, True, True, 1e-9),
    (relative_flatness, True, False, False, 1e-9),
    (orbit_over_units, True, True, True, 1e-7),
    (orbit_over_layers, True, False, False, 1e-7),
]


def unit_scales(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(h, generator=generator).exp() for h in WIDTHS[1:-1]]


def with_dead_unit(network: Stack, incoming: float, bias: float, outgoing: float) -> Stack:
    """Set unit 0 of the second hidden layer; a bias of -1e6 kills it."""
    w, b = [p.clone() for p in network.weights], [p.clone() for p in network.biases]
    w[1][:, 0] += incoming
    b[1][:, 0] = bias
    w[2][:, :, 0] *= outgoing
    return Stack(tuple(w), tuple(b))


def changed(kind: str, seed: int) -> tuple[Stack, Stack]:
    """Return a network and its image under a map that keeps the function."""
    network = random_network(seed)
    scales = unit_scales(seed)
    if kind == "layer scale":
        return network, rescaled(network, [s[:1].expand(len(s)) for s in scales])
    if kind == "unit scale":
        return network, rescaled(network, scales)
    if kind == "dead-unit rewrite":
        return with_dead_unit(network, 0, -1e6, 1), with_dead_unit(network, 0.3, 2.0, 0)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    w, b = network.weights, network.biases
    return network, Stack((w[0], w[1][:, order], w[2][:, :, order]), (b[0], b[1][:, order], b[2]))


KINDS = ["permutation", "layer scale", "unit scale", "dead-unit rewrite"]
ENTRIES = [
    pytest.param(measure, kind, blind, rtol, id=f"{measure.__name__}, {kind}")
    for measure, *row, rtol in MEASURES
    for kind, blind in zip(KINDS, [True, *row], strict=True)
]


@pytest.mark.parametrize(("measure", "kind", "blind", "rtol"), ENTRIES)
def test_invariance_table(measure, kind, blind, rtol):
    moved = 0.0
    for seed in range(8):
        before, after = changed(kind, seed)
        x, y = random_points(seed)
        torch.testing.assert_close(logits(after, x), logits(before, x))
        ratio = float(measure(after, x, y) / measure(before, x, y))
        moved = max(moved, abs(ratio - 1))
    assert moved < rtol if blind else moved > 0.05


@pytest.mark.parametrize("measure", [row[0] for row in MEASURES])
def test_a_stack_is_its_networks(measure):
    networks, (x, y) = [random_network(seed) for seed in range(3)], random_points(0)
    alone = torch.cat([measure(network, x, y) for network in networks])
    torch.testing.assert_close(measure(concatenate(networks), x, y), alone, rtol=1e-7, atol=0)


def test_adaptive_sharpness_weighs_the_diagonal_by_squared_parameters():
    network, x, y = case()
    expected = flat(network).square() @ full_hessian(network, x, y).diagonal()
    torch.testing.assert_close(adaptive_sharpness(network, x, y)[0], expected)


def test_relative_flatness_is_its_definition():
    network, x, y = case()
    outputs, inputs = network.weights[-1].shape[1:]
    size = outputs * inputs
    block = full_hessian(network, x, y)[-size - outputs : -outputs, -size - outputs : -outputs]
    blocks = block.view(outputs, inputs, outputs, inputs)
    traces = torch.einsum("siti->st", blocks)
    w = network.weights[-1][0]
    torch.testing.assert_close(relative_flatness(network, x, y)[0], ((w @ w.T) * traces).sum())


def per_example_gradients(network, x, y):
    rows = []
    for point, label in zip(x, y, strict=True):
        leaves = [p.clone().requires_grad_() for p in (*network.weights, *network.biases)]
        loss = cross_entropy(
            Stack(tuple(leaves[:3]), tuple(leaves[3:])), point[None], label[None]
        ).sum()
        grads = torch.autograd.grad(loss, leaves)
        rows.append(flat(Stack(tuple(grads[:3]), tuple(grads[3:]))))
    return torch.stack(rows)


def test_fisher_rao_norm_is_its_definition():
    network, x, y = case()
    theta = flat(network)
    data = (per_example_gradients(network, x, y) @ theta).square().mean()
    torch.testing.assert_close(fisher_rao_norm(network, x, y)[0] ** 2, data)
    p = logits(network, x)[0].softmax(dim=-1)
    model = sum(
        (p[:, k] * (per_example_gradients(network, x, torch.full_like(y, k)) @ theta).square())
        for k in range(4)
    ).mean()
    torch.testing.assert_close(fisher_rao_norm(network, x, y, labels="model")[0] ** 2, model)
    with pytest.raises(UserError, match="'data' or 'model'"):
        fisher_rao_norm(network, x, y, labels="true")


def test_fisher_rao_norm_of_a_bias_free_network_is_liangs_closed_form():
    network, x, y = case()
    bare = Stack(network.weights, tuple(torch.zeros_like(b) for b in network.biases))
    scores = logits(bare, x)[0]
    slope = scores.softmax(dim=-1) - torch.nn.functional.one_hot(y, 4)
    expected = 3**2 * (slope * scores).sum(dim=-1).square().mean()
    torch.testing.assert_close(fisher_rao_norm(bare, x, y)[0] ** 2, expected)


@pytest.mark.parametrize("over", ["units", "layers"])
@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_orbit_minimum_is_certified_reached_and_below_the_trace(over, seed):
    network, (x, y) = random_network(seed), random_points(seed)
    best = orbit_minimum_trace(network, x, y, over=over)
    assert best.lower_bound <= best.trace * (1 + 1e-12)
    assert best.trace - best.lower_bound <= 1e-9 * best.trace
    assert best.trace <= hessian_trace(network, x) * (1 + 1e-12)
    there = rescaled(network, [s.exp() for s in best.log_scales])
    torch.testing.assert_close(logits(there, x), logits(network, x))
    torch.testing.assert_close(hessian_trace(there, x), best.trace, rtol=1e-9, atol=0)


@pytest.mark.parametrize("over", ["units", "layers"])
def test_orbit_minimum_agrees_with_a_general_optimiser(over):
    network, x, y = case()
    sizes = [7, 6] if over == "units" else [1, 1]

    def trace(s):
        parts = torch.tensor(s).split(sizes)
        scales = [p.exp().expand(h) for p, h in zip(parts, (7, 6), strict=True)]
        return float(hessian_trace(rescaled(network, scales), x))

    found = minimize(trace, [0.0] * sum(sizes), method="BFGS", options={"gtol": 1e-7})
    best = orbit_minimum_trace(network, x, y, over=over)
    assert abs(found.fun / float(best.trace[0]) - 1) < 1e-6
    assert found.fun >= float(best.lower_bound[0]) * (1 - 1e-12)


def test_orbit_minimum_with_dead_and_cut_off_units():
    network, x, y = case()
    w, b = (list(part) for part in (network.weights, network.biases))
    b[0] = b[0].clone()
    b[0][:, 0] = -1e6  # never active
    w[2] = w[2].clone()
    w[2][:, :, 0] = 0  # active, but nothing listens
    odd = Stack(tuple(w), tuple(b))
    best = orbit_minimum_trace(odd, x, y)
    # Scaling the deaf unit to nothing takes its terms away: the minimum of the network without it.
    without = Stack(
        (w[0][:, 1:], w[1][:, 1:, 1:], w[2][:, :, 1:]), (b[0][:, 1:], b[1][:, 1:], b[2])
    )
    torch.testing.assert_close(
        best.trace, orbit_minimum_trace(without, x, y).trace, rtol=1e-8, atol=0
    )
    shrunk = [s.exp() for s in best.log_scales]
    shrunk[1][:, 0] = 1e-6
    torch.testing.assert_close(
        hessian_trace(rescaled(odd, shrunk), x), best.trace, rtol=1e-6, atol=0
    )


def test_orbit_of_a_linear_network_is_a_point_and_a_short_run_says_so():
    network, (x, y) = random_network(0, widths=(5, 4)), random_points(0)
    torch.testing.assert_close(orbit_minimum_trace(network, x, y).trace, hessian_trace(network, x))
    deep, x, y = case()
    with pytest.raises(UserError, match="after 1 sweeps"):
        orbit_minimum_trace(deep, x, y, max_sweeps=1)
    with pytest.raises(UserError, match="'units' or 'layers'"):
        orbit_minimum_trace(deep, x, y, over="weights")
