from __future__ import annotations

import pytest
import torch
from small_networks import case, flat, full_hessian, random_network, random_points, rescaled

from helpers.errors import UserError
from helpers.measures.sharpness import (
    filter_normalised_direction,
    hessian_operator,
    hessian_trace,
    hutchinson_trace,
    largest_eigenvalue,
    loss_along_direction,
)
from helpers.networks import concatenate, cross_entropy


def test_operator_is_the_full_hessian():
    network, x, y = case()
    operator = hessian_operator(network, x, y)
    dense = operator @ torch.eye(operator.shape[1], dtype=torch.float64)
    torch.testing.assert_close(dense, full_hessian(network, x, y))


def test_hutchinson_is_within_its_standard_errors_of_the_exact_trace():
    stack = concatenate([random_network(seed) for seed in range(6)])
    x, y = random_points(0)
    estimate, error = hutchinson_trace(stack, x, y, vectors=400, seed=1)
    z = (estimate - hessian_trace(stack, x, y)) / error
    assert z.abs().max() < 4.5
    assert (error / estimate).max() < 0.2


def test_standard_error_is_the_one_the_hessian_predicts():
    network, x, y = case()
    hessian = full_hessian(network, x, y)
    # The variance of vᵀHv for random signs is twice the squared off-diagonal entries.
    off_diagonal = hessian - hessian.diagonal().diag()
    expected = (2 * off_diagonal.square().sum() / 2000).sqrt()
    _, error = hutchinson_trace(network, x, y, vectors=2000)
    assert abs(float(error / expected) - 1) < 0.15


def test_hutchinson_is_seeded_and_does_not_depend_on_the_stack():
    first, second, (x, y) = random_network(0), random_network(1), random_points(0)
    both = hutchinson_trace(concatenate([first, second]), x, y, vectors=7, seed=5)
    alone = hutchinson_trace(second, x, y, vectors=7, seed=5)
    assert both[0][1] == alone[0][0]
    assert both[1][1] == alone[1][0]
    assert hutchinson_trace(second, x, y, vectors=7, seed=6)[0] != alone[0]
    with pytest.raises(UserError, match="at least 2"):
        hutchinson_trace(first, x, y, vectors=1)


def test_largest_eigenvalue_is_the_full_hessians():
    stack = concatenate([random_network(seed) for seed in range(3)])
    x, y = random_points(0)
    expected = [torch.linalg.eigvalsh(full_hessian(network, x, y))[-1] for network in stack]
    found = largest_eigenvalue(stack, x, y, tolerance=1e-9)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-7, atol=0)


def test_an_operator_takes_one_network():
    x, y = random_points(0)
    with pytest.raises(UserError, match="belongs to one"):
        hessian_operator(concatenate([random_network(0), random_network(1)]), x, y)


def test_filters_of_the_direction_have_the_networks_norms():
    network = random_network(2)
    direction = filter_normalised_direction(network, seed=0)
    for own, drawn in zip(network.weights, direction.weights, strict=True):
        torch.testing.assert_close(drawn.norm(dim=2), own.norm(dim=2))
    assert all(b.count_nonzero() == 0 for b in direction.biases)
    assert not torch.equal(flat(direction), flat(filter_normalised_direction(network, seed=1)))


def test_slices_pass_through_the_network_and_curve_as_its_hessian_does():
    network, x, y = case()
    first = filter_normalised_direction(network, seed=0)
    h = 1e-4
    line = loss_along_direction(network, x, y, first, [-h, 0, h])
    assert line[0, 1] == cross_entropy(network, x, y)[0]
    curvature = (line[0, 0] - 2 * line[0, 1] + line[0, 2]) / h**2
    d = flat(first)
    torch.testing.assert_close(curvature, d @ full_hessian(network, x, y) @ d, rtol=1e-4, atol=0)
    other = random_network(0, widths=(5, 3, 4))
    with pytest.raises(UserError, match="expected the same"):
        loss_along_direction(network, x, y, other, [0.0])


def test_a_slice_is_blind_to_layer_scale_but_not_to_unit_scale():
    network, x, y = case()
    steps = torch.linspace(-1, 1, 5)

    def line(stack):
        return loss_along_direction(stack, x, y, filter_normalised_direction(stack, 0), steps)

    by_layer = rescaled(network, [torch.full((7,), 8.0), torch.full((6,), 0.25)])
    assert torch.equal(line(by_layer), line(network))  # powers of two: to the last bit
    by_unit = rescaled(network, [2.0 ** torch.arange(7), torch.ones(6)])
    assert (line(by_unit) - line(network)).abs().max() > 1e-3
