"""The mean rise of the loss under noise: one unit by hand, a trained network by sampling."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.datasets import load_digits

from helpers.errors import UserError
from helpers.measures.sharpness import average_rise, expected_rise, hessian_trace, kink_rise
from helpers.networks import Stack, initialise
from helpers.training import SGD, train


@pytest.fixture(scope="module")
def trained():
    digits = load_digits()
    x = torch.tensor(digits.data[:150] / 16, dtype=torch.float32)
    y = torch.tensor(digits.target[:150])
    net = train((64, 40, 20, 10), [0, 1], x, y, SGD(0.1, 16, 300), device="cpu").stack
    return net.to(torch.float64), x.double(), y


def test_kink_of_one_unit_is_the_mean_of_a_rectified_gaussian():
    # Input 0 and a bias z: only the bias is felt, so s = 1, and the corner is |z| away.
    z, w, sigma = -0.3, 2.0, 0.2
    net = Stack(
        (torch.zeros(1, 1, 1).double(), torch.tensor([[[w], [0.0]]]).double()),
        (torch.tensor([[z]], dtype=torch.float64), torch.zeros(1, 2).double()),
    )
    x, y = torch.zeros(1, 1).double(), torch.tensor([1])
    delta = w * 0.5  # softmax of equal logits, label 1: the gradient in logit 0 is a half
    grid = torch.linspace(-12, 12, 2_000_001, dtype=torch.float64)
    density = torch.exp(-grid.square() / 2) / math.sqrt(2 * math.pi)
    mean = torch.trapezoid((z + sigma * grid).relu() * density, grid)
    assert kink_rise(net, x, y, sigma).item() == pytest.approx(delta * mean.item(), rel=1e-9)


def test_no_kink_is_felt_where_every_unit_is_far_on_its_linear_side():
    net = initialise((6, 5, 4, 3), [0], dtype=torch.float64)
    x, y = torch.rand(9, 6).double(), torch.arange(9) % 3
    far = Stack(net.weights, tuple(b + 100 for b in net.biases))
    assert kink_rise(far, x, y, 1e-3).item() == 0


def test_sampled_rise_is_the_hessians_where_kinks_are_far(trained):
    net, x, y = trained
    linear = Stack(net.weights, tuple(b + 50 for b in net.biases))
    sampled = average_rise(linear, x, y, [1e-4], draws=100)
    wanted = 0.5e-8 * hessian_trace(linear, x, y)
    assert torch.all((sampled.mean[:, 0] - wanted).abs() < 5 * sampled.standard_error[:, 0])


@pytest.mark.parametrize("sigma", [1e-4, 1e-3, 1e-2])
def test_prediction_agrees_with_sampling_and_the_trace_alone_does_not(trained, sigma):
    net, x, y = trained
    sampled = average_rise(net, x, y, [sigma], draws=150)
    predicted = expected_rise(net, x, y, [sigma]).mean
    gap = (predicted - sampled.mean).abs()
    assert torch.all(gap < 5 * sampled.standard_error + 0.08 * sampled.mean)
    smooth = 0.5 * sigma**2 * hessian_trace(net, x, y)
    assert torch.all(sampled.mean[:, 0] - smooth > 5 * sampled.standard_error[:, 0])


def test_one_draw_is_refused(trained):
    with pytest.raises(UserError, match="2 or more"):
        average_rise(*trained, [1e-3], draws=1)
