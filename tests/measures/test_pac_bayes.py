"""Bounds: inverses, known divergences, order among forms, and coverage where the truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.datasets import load_digits
from torch.distributions import MultivariateNormal, kl_divergence

from helpers.errors import UserError
from helpers.measures import pac_bayes
from helpers.networks import accuracy, initialise
from helpers.networks.reparameterise import scale_layers
from helpers.training import SGD, train

SMALL = (3, 2, 2)


@given(st.floats(0, 1), st.floats(0, 20))
@settings(max_examples=200)
def test_the_inverse_of_kl_inverts_it(q, budget):
    p = pac_bayes.invert_kl(q, budget)
    assert q <= p <= 1
    if p < 1 - 1e-5:
        assert pac_bayes.binary_kl(q, min(1.0, p + 1e-6)) > budget
        assert pac_bayes.binary_kl(q, max(q, p - 1e-6)) <= budget + 1e-12


@given(st.floats(0, 1), st.floats(0, 5_000), st.integers(8, 10_000))
@settings(max_examples=200)
def test_the_kl_form_is_never_looser_than_mcallester(risk, kl, n):
    tight = pac_bayes.maurer_bound(risk, kl, n)
    assert risk <= tight <= min(1, pac_bayes.mcallester_bound(risk, kl, n)) + 1e-9


def test_upper_limit_for_a_coin_covers():
    """kl inverse is a Chernoff limit: it must cover at least as often as it says."""
    m, delta = 50, 0.1
    for p in (0.05, 0.3, 0.8):
        heads = np.arange(m + 1)
        limits = np.array([pac_bayes.invert_kl(h / m, math.log(1 / delta) / m) for h in heads])
        assert binom.pmf(heads, m, p)[limits < p].sum() <= delta


def test_gaussian_kl_is_that_of_torch_distributions():
    mean, prior = (initialise(SMALL, [s], dtype=torch.float64) for s in (1, 2))
    own, other = (0.3, 0.7), (0.5, 0.4)
    found = pac_bayes.gaussian_kl(pac_bayes.GaussianPosterior(mean, own), prior, other)
    for layer in (0, 1):
        flat = [
            torch.cat([s.weights[layer].flatten(), s.biases[layer].flatten()])
            for s in (mean, prior)
        ]
        laws = [
            MultivariateNormal(m, sigma**2 * torch.eye(len(m), dtype=torch.float64))
            for m, sigma in zip(flat, (own[layer], other[layer]), strict=True)
        ]
        assert float(found[layer]) == pytest.approx(float(kl_divergence(*laws)))


def test_samples_have_the_posterior_mean_and_spread():
    posterior = pac_bayes.GaussianPosterior(initialise(SMALL, [0]), (0.5, 2.0))
    drawn = posterior.sample(20_000, torch.Generator().manual_seed(0))
    for layer, sigma in enumerate(posterior.deviations):
        centred = drawn.weights[layer] - posterior.mean.weights[layer]
        assert float(centred.mean(dim=0).abs().max()) < 5 * sigma / math.sqrt(20_000)
        assert float(centred.std()) == pytest.approx(sigma, rel=0.02)


def test_tiny_noise_gives_the_networks_own_error():
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    y = torch.arange(50) % 2
    net = initialise(SMALL, [4])
    risks = pac_bayes.sampled_risks(pac_bayes.GaussianPosterior(net, (1e-9,) * 2), x, y, 5, 0)
    assert torch.allclose(risks, 1 - accuracy(net, x, y))


def digits():
    images, labels = load_digits(return_X_y=True)
    return torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)


def test_certificate_holds_on_points_not_seen():
    x, y = digits()
    net = train((64, 16, 10), [0], x[:1_200], y[:1_200], SGD(0.2, 32, 60), device="cpu").stack
    start = initialise((64, 16, 10), [0])
    how = pac_bayes.Bounding(samples=60, tuning_samples=4)
    found = pac_bayes.certify(net, start, x[:1_200], y[:1_200], how, seed=0)
    posterior = pac_bayes.GaussianPosterior(net, found.deviations)
    fresh = float(pac_bayes.sampled_risks(posterior, x[1_200:], y[1_200:], 60, 9).mean())
    assert fresh <= found.maurer < 0.97  # it holds, and is no mere 1
    assert found.maurer <= found.mcallester
    assert found.sampled_risk < found.risk_limit


def test_the_union_bound_is_paid():
    net, start = initialise(SMALL, [0]), initialise(SMALL, [0])
    x, y = torch.zeros(10, 3), torch.zeros(10, dtype=torch.int64)
    how = pac_bayes.Bounding(samples=4, tuning_samples=1)
    # The network has not moved: all that is left of the divergence is the choice of two widths.
    found = pac_bayes.certify(net, start, x, y, how, seed=0)
    assert found.kl == pytest.approx(2 * math.log(len(how.grid)))


def test_gaussian_kl_moves_under_rescaling_and_the_function_does_not():
    net, start = initialise(SMALL, [3]), initialise(SMALL, [5])
    moved = scale_layers(net, 0, 4.0)
    kl = [
        float(pac_bayes.gaussian_kl(pac_bayes.GaussianPosterior(s, (1, 1)), start, (1, 1)).sum())
        for s in (net, moved)
    ]
    assert abs(kl[0] - kl[1]) > 0.1 * kl[0]


@pytest.mark.parametrize(
    "bad",
    [
        lambda: pac_bayes.binary_kl(1.2, 0.5),
        lambda: pac_bayes.invert_kl(0.5, -1.0),
        lambda: pac_bayes.maurer_bound(0.1, 1.0, 0),
        lambda: pac_bayes.uniform_kl_ratio(3, 2),
        lambda: pac_bayes.GaussianPosterior(initialise(SMALL, [0]), (1.0,)),
        lambda: pac_bayes.GaussianPosterior(initialise(SMALL, [0]), (1.0, 0.0)),
        lambda: pac_bayes.GaussianPosterior(initialise(SMALL, [0, 1]), (1.0, 1.0)),
    ],
)
def test_bad_input_is_named(bad):
    with pytest.raises(UserError):
        bad()
