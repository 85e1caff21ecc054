"""Buffers in the cube: volumes, shuffles, and sampled survival against the closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import UserError
from helpers.theory import measures
from helpers.theory.checks.bets import example_buffers


def random_intervals(rng, pieces, length):
    """Cut [0, 1) into gaps and pieces whose lengths are given in all."""
    inner = rng.dirichlet(np.ones(pieces)) * length
    gaps = rng.dirichlet(np.ones(pieces + 1)) * (1 - length)
    low = np.cumsum(gaps[:-1]) + np.r_[0, np.cumsum(inner)[:-1]]
    return measures.intervals(*zip(low, np.minimum(low + inner, 1.0), strict=True))


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 5), st.floats(0.1, 0.9))
@settings(max_examples=40, deadline=None)
def test_the_shuffle_carries_one_buffer_to_the_other_and_keeps_length(seed, a, b, length):
    rng = np.random.default_rng(seed)
    first, second = random_intervals(rng, a, length), random_intervals(rng, b, length)
    x = (np.arange(4_000) + 0.5) / 4_000
    moved = measures.rearrangement(first, second)(x)
    agree = second.contains(moved[:, None]) == first.contains(x[:, None])
    assert agree.mean() > 0.995  # rounding at the ends of pieces alone
    assert np.abs(np.sort(moved) - x).max() < 0.01
    back = measures.rearrangement(second, first)(moved)
    assert np.mean(np.abs(back - x) < 1e-9) > 0.995


@pytest.mark.parametrize("buffer", [measures.intervals((0.0, 1.0)), measures.intervals()])
def test_the_shuffle_of_everything_and_of_nothing_stays_put(buffer):
    x = np.linspace(0, 1, 50, endpoint=False)
    np.testing.assert_allclose(measures.rearrangement(buffer, buffer)(x), x, atol=1e-12)


def test_volumes_are_those_of_many_points():
    points = np.random.default_rng(0).random((100_000, 2))
    for buffer in example_buffers():
        assert buffer.contains(points).mean() == pytest.approx(buffer.measure, abs=0.01)


@pytest.mark.parametrize(
    "demands",
    [measures.uniform_points(1), measures.uniform_points(4), measures.poisson_points(1.5)],
    ids=lambda d: d.name,
)
def test_sampled_survival_is_the_closed_form(demands):
    rng = np.random.default_rng(8)
    for buffer in example_buffers():
        got = measures.sample_survival(buffer, demands, 20_000, rng)
        assert abs(got.share - demands.closed_form(buffer.measure)) < 4.5 * got.error


def test_rotations_are_not_enough():
    rng = np.random.default_rng(1)
    opposite = measures.comb_points(2)
    half = measures.sample_survival(measures.intervals((0, 0.5)), opposite, 2_000, rng)
    two = measures.intervals((0, 0.2), (0.5, 0.7))
    assert half.share == 0
    assert measures.sample_survival(two, opposite, 4_000, rng).share == pytest.approx(0.4, abs=0.04)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: measures.intervals((0.0, 0.5), (0.4, 0.6)),
        lambda: measures.intervals((0.5, 0.2)),
        lambda: measures.intervals((0.5, 1.2)),
        lambda: measures.rearrangement(
            measures.intervals((0.0, 0.5)), measures.intervals((0.0, 0.4))
        ),
    ],
)
def test_bad_regions_are_named(bad):
    with pytest.raises(UserError):
        bad()
