from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from small_networks import case, full_hessian, random_network, random_points, rescaled

from helpers.errors import UserError
from helpers.measures.sharpness import (
    hessian_trace,
    hessian_trace_terms,
    softmax_factor,
    trace_under_scaling,
)
from helpers.measures.sharpness import trace as trace_module
from helpers.networks import Stack, concatenate, initialise

seeds = st.integers(0, 10_000)


@settings(max_examples=15, deadline=None)
@given(seeds, st.sampled_from([(5, 7, 6, 4), (4, 3), (6, 5, 2), (3, 4, 4, 4, 3)]))
def test_terms_are_the_diagonal_of_the_full_hessian(seed, widths):
    network, (x, y) = random_network(seed, widths), random_points(seed, widths=widths)
    diagonal = full_hessian(network, x, y).diagonal()
    terms = hessian_trace_terms(network, x, y)
    sizes = [
        p[0].numel() for pair in zip(network.weights, network.biases, strict=True) for p in pair
    ]
    blocks = torch.stack([part.sum() for part in diagonal.split(sizes)])
    torch.testing.assert_close(terms.weights[0], blocks[::2], rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(terms.biases[0], blocks[1::2], rtol=1e-12, atol=1e-15)


def test_single_precision_on_real_digits():
    digits = load_digits()
    x = torch.tensor(digits.data[:300] / 16)
    stack = initialise((64, 32, 16, 10), range(4), dtype=torch.float64)
    sharp = Stack(tuple(4 * w for w in stack.weights), stack.biases)  # nearly one-hot
    single = hessian_trace(sharp.to(torch.float32), x.float())
    torch.testing.assert_close(single.double(), hessian_trace(sharp, x), rtol=1e-5, atol=0)


def test_labels_do_not_enter_and_only_the_first_points_do():
    network, x, y = case()
    assert torch.equal(hessian_trace(network, x, y), hessian_trace(network, x, y.flip(0)))
    torch.testing.assert_close(
        hessian_trace(network, x, y, max_points=5), hessian_trace(network, x[:5])
    )


def test_blocks_and_stacking_change_nothing(monkeypatch):
    x = random_points(1, n=150)[0]
    networks = [random_network(seed) for seed in range(3)]
    alone = torch.cat([hessian_trace(network, x) for network in networks])
    torch.testing.assert_close(hessian_trace(concatenate(networks), x), alone)
    own_points = torch.stack([x, x + 1, x - 1])
    each = torch.cat([hessian_trace(n, p) for n, p in zip(networks, own_points, strict=True)])
    torch.testing.assert_close(hessian_trace(concatenate(networks), own_points), each)
    monkeypatch.setattr(trace_module, "_CPU_BLOCK", 1)  # the smallest block, several of them
    torch.testing.assert_close(hessian_trace(concatenate(networks), x), alone)


def test_all_networks_in_one_block_as_on_a_gpu():
    x = random_points(1, n=50)[0]
    stack = concatenate([random_network(seed) for seed in range(3)])
    inputs, curvatures = next(trace_module.unit_curvatures(stack, x))
    layers = zip(inputs, curvatures, strict=True)
    total = sum(((a.square().sum(-1) + 1) * t.sum(-1)).sum(-1) / 50 for a, t in layers)
    torch.testing.assert_close(total, hessian_trace(stack, x))


@settings(max_examples=20, deadline=None)
@given(seeds, st.floats(0.05, 20), st.floats(0.05, 20))
def test_closed_form_under_scaling_is_the_measurement(seed, beta, gamma):
    network, (x, _) = random_network(seed), random_points(seed)
    scales = [torch.full((7,), beta), torch.full((6,), gamma)]
    predicted = trace_under_scaling(hessian_trace_terms(network, x), (beta, gamma))
    measured = hessian_trace(rescaled(network, [s.double() for s in scales]), x)
    torch.testing.assert_close(predicted, measured, rtol=1e-6, atol=0)


def test_many_scalings_are_rows():
    network, x, _ = case()
    terms = hessian_trace_terms(network, x)
    rows = [(1.0, 1.0), (2.0, 1.0), (1.0, 5.0)]
    together = trace_under_scaling(terms, rows)
    assert together.shape == (1, 3)
    for column, row in enumerate(rows):
        torch.testing.assert_close(together[:, column], trace_under_scaling(terms, row))
    torch.testing.assert_close(together[:, 0], terms.total)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(-6, 6), st.integers(-6, 6))
def test_powers_of_two_scale_every_term_exactly(seed, a, b):
    network, (x, _) = random_network(seed), random_points(seed)
    scales = [torch.full((7,), 2.0**a), torch.full((6,), 2.0**b)]
    before, after = (hessian_trace_terms(n, x) for n in (network, rescaled(network, scales)))
    c = torch.tensor([1.0, 2.0**a, 2.0**b, 1.0], dtype=torch.float64)
    assert torch.equal(after.weights, before.weights * (c[:-1] / c[1:]) ** 2)
    assert torch.equal(after.biases, before.biases / c[1:] ** 2)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_permuting_hidden_units_or_points_changes_nothing(seed):
    network, (x, _) = random_network(seed), random_points(seed)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(7, generator=generator)
    permuted = Stack(
        (network.weights[0][:, order], network.weights[1][:, :, order], network.weights[2]),
        (network.biases[0][:, order], *network.biases[1:]),
    )
    shuffled = x[torch.randperm(len(x), generator=generator)]
    torch.testing.assert_close(hessian_trace(permuted, shuffled), hessian_trace(network, x))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-80, 80), min_size=1, max_size=8))
def test_softmax_factor_squares_to_the_hessian_in_the_logits(scores):
    p = torch.tensor(scores, dtype=torch.float64).softmax(0)
    factor = softmax_factor(p)
    assert factor.shape == (len(scores) - 1, len(scores))
    torch.testing.assert_close(factor.mT @ factor, p.diag() - p.outer(p), rtol=1e-9, atol=1e-15)


def test_softmax_factor_keeps_small_curvature_in_single_precision():
    p = torch.tensor([30.0, 0.0, -5.0]).softmax(0)  # 1 - p_0 is lost in float32
    exact = torch.tensor([30.0, 0.0, -5.0], dtype=torch.float64).softmax(0)
    trace = softmax_factor(p).square().sum().double()
    torch.testing.assert_close(trace, softmax_factor(exact).square().sum(), rtol=1e-5, atol=0)
    assert 0 < trace < 1e-12
    assert torch.isfinite(softmax_factor(torch.tensor([1.0, 0.0, 0.0]))).all()


def test_a_network_of_dead_units_keeps_its_output_bias():
    network, x, _ = case()
    dead = Stack(network.weights, (network.biases[0] - 1e6, *network.biases[1:]))
    terms = hessian_trace_terms(dead, x)
    assert terms.weights[0, :2].tolist() == [0, 0]
    assert terms.biases[0, 0] == 0
    assert terms.biases[0, 2] > 0


def test_inputs_that_are_always_zero_add_nothing():
    network, x, _ = case()
    for silent in ([0, 1], [4], [0, 2, 4], [0, 1, 2, 3, 4]):
        dark = x.clone()
        dark[:, silent] = 0
        without = Stack((network.weights[0].clone(), *network.weights[1:]), network.biases)
        without.weights[0][:, :, silent] = 7.0  # a weight that no point ever meets
        torch.testing.assert_close(hessian_trace(without, dark), hessian_trace(network, dark))
        diagonal = full_hessian(network, dark, torch.zeros(13, dtype=torch.int64)).diagonal()
        torch.testing.assert_close(hessian_trace(network, dark)[0], diagonal.sum())


def test_bad_input():
    network, x, y = case()
    with pytest.raises(UserError, match="labels for"):
        hessian_trace(network, x, y[:3])
    with pytest.raises(UserError, match="n ≥ 1"):
        hessian_trace(network, x[:0])
    with pytest.raises(UserError, match="do not fit 2 hidden layers"):
        trace_under_scaling(hessian_trace_terms(network, x), (1.0,))
    with pytest.raises(UserError, match="positive"):
        trace_under_scaling(hessian_trace_terms(network, x), (1.0, 0.0))
