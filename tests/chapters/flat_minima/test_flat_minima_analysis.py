"""The chapter's measurements, on networks small enough to check."""

from __future__ import annotations

import numpy as np
import torch

from helpers.chapters.flat_minima import analysis
from helpers.measures.sharpness import Rise
from helpers.networks import cross_entropy, initialise


def test_walks_pass_through_the_network_itself() -> None:
    net = initialise((4, 5, 3, 2), seeds=[1])
    x, y = torch.rand(6, 4), torch.tensor([0, 1, 0, 1, 1, 0])
    walks = analysis.walks(net, x, y, directions=3)
    assert walks.shape == (3, len(analysis.STEPS))
    np.testing.assert_allclose(walks[:, analysis.STEPS == 0], float(cross_entropy(net, x, y)))
    assert len(np.unique(walks[:, 0])) == 3


def test_a_quadratic_is_felt_as_its_trace_at_every_scale() -> None:
    sigmas = np.array([1e-3, 1e-1])
    mean = torch.from_numpy(0.5 * sigmas**2 * 7.0)[None]
    felt = analysis.felt_curvature(Rise(mean, torch.zeros_like(mean)), sigmas)
    np.testing.assert_allclose(felt, [7.0, 7.0])


def test_harm_is_counted_over_all_layers_and_near_the_kink() -> None:
    z = [torch.tensor([0.0, -0.5]), torch.tensor([0.2, 0.01])]
    delta = [torch.tensor([1.0, 1.0]), torch.tensor([-1.0, -1.0])]
    assert analysis.harmful_share(z, delta) == 0.5
    assert analysis.harmful_share(z, delta, within=0.1) == 0.5
    assert analysis.harmful_share(z, delta, within=0.005) == 1.0
