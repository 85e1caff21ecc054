"""Starts near the boundary: own witnesses, slacks from 1e-12 to 1, and a centre never found."""

import numpy as np
import pytest
from scipy import linalg
from threadpoolctl import threadpool_info, threadpool_limits

from helpers.errors import UserError
from helpers.measures.pair_proxy import AMBIGUOUS, centre, pair_proxy, solve, verify
from helpers.measures.pair_proxy.problem import build


def problem(seed):
    """Draw random features (half of them through a ReLU), labels from a head, and probes."""
    rng = np.random.default_rng(seed)
    classes, d, n = int(rng.integers(2, 6)), int(rng.integers(2, 9)), int(rng.integers(10, 60))
    features, probes = rng.normal(size=(n, d)), rng.normal(size=(3, d))
    if seed % 2:
        features, probes = np.maximum(features, 0), np.maximum(probes, 0)
    head = rng.normal(size=(classes, d + 1))
    labels = (features @ head[:, :-1].T + head[:, -1]).argmax(axis=1)
    return features, labels, probes, classes


def layers_of(answer):
    return [np.hstack([w.weights, w.bias[:, None]]).astype(float) for w in answer.witnesses]


def slacks(layer, features, labels):
    scores = features @ layer[:, :-1].T + layer[:, -1]
    every = np.arange(len(labels))
    gaps = scores[every, labels][:, None] - scores
    return gaps[np.arange(layer.shape[0]) != labels[:, None]]


def towards_the_boundary(inside, witness, features, labels, gap):
    """Follow the ray from a deep layer through a witness until a share gap of a slack is left."""
    deep, there = slacks(inside, features, labels), slacks(witness, features, labels)
    falling = there < deep
    if not falling.any():
        return witness
    reach = (deep[falling] / (deep - there)[falling]).min()
    return inside + (1 - gap) * reach * (witness - inside)


def same(first, features, labels, probes, classes, layer):
    start = (layer[:, :-1], layer[:, -1])
    again = pair_proxy(features, labels, probes, classes=classes, last_layer=start)
    np.testing.assert_array_equal(again.status, first.status)
    for x, c in np.ndindex(again.status.shape):
        assert verify(again.certificate(x, c), features, labels, probes[x], c)
    return again.start == "the trained last layer"


@pytest.mark.parametrize("seed", range(12))
def test_every_witness_of_its_own_is_as_good_a_start_as_any(seed):
    features, labels, probes, classes = problem(seed)
    first = pair_proxy(features, labels, probes, classes=classes)
    assert first.separable
    assert first.ambiguous == 0
    for layer in layers_of(first)[:5]:
        for size in (1.0, 1e-9, 1e-100, 1e100):
            same(first, features, labels, probes, classes, size * layer)


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9, 1e-10, 1e-11, 1e-12])
def test_slacks_of_very_different_size_change_no_answer(gap):
    used = 0
    for seed in range(8):
        features, labels, probes, classes = problem(seed)
        first = pair_proxy(features, labels, probes, classes=classes)
        inside, *others = layers_of(first)
        for witness in others[:3]:
            layer = towards_the_boundary(inside, witness, features, labels, gap)
            used += same(first, features, labels, probes, classes, layer)
    assert used > 0  # some of these starts are taken, not replaced


def test_a_hessian_that_rounding_made_singular_still_gives_a_factor():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 12)) * np.r_[np.full(3, 1e9), np.ones(37)][:, None]
    hessian = rows.T @ rows
    with pytest.raises(linalg.LinAlgError):
        linalg.cholesky(hessian)
    factor, exact = centre._cholesky(hessian)
    assert not exact
    sizes = np.sqrt(hessian.diagonal())
    off = np.abs(factor @ factor.T - hessian) / sizes / sizes[:, None]
    assert off.max() <= 2 * max(centre.RIDGES)


def test_a_start_outside_the_cone_is_a_user_error():
    features, labels, probes, classes = problem(2)
    whole = build(features, labels, probes, classes)
    outside = -centre.max_margin(whole)[0]
    with pytest.raises(UserError, match="no centre of the training cone"):
        centre.analytic_centre(whole, outside)
    with pytest.raises(UserError, match="no centre of the training cone"):
        centre._cholesky(np.array([[1.0, 2.0], [2.0, 1.0]]))


def test_a_centre_never_found_is_an_answer(monkeypatch):
    features, labels, probes, classes = problem(3)
    first = pair_proxy(features, labels, probes, classes=classes)
    layer = layers_of(first)[0]
    starts = []

    def fail(_, start):
        starts.append(start)
        raise centre.NoCentreError("no centre")

    monkeypatch.setattr(centre, "analytic_centre", fail)
    start = (layer[:, :-1], layer[:, -1])
    left = pair_proxy(features, labels, probes, classes=classes, last_layer=start, settle=False)
    assert len(starts) == 2  # the layer, then the max-margin start
    assert (left.status == AMBIGUOUS).all()
    assert "too close to rounding" in left.reason
    answer = pair_proxy(features, labels, probes, classes=classes, last_layer=start)
    np.testing.assert_array_equal(answer.status, first.status)
    assert answer.settled == answer.status.size
    for x, c in np.ndindex(answer.status.shape):
        assert verify(answer.certificate(x, c), features, labels, probes[x], c)


def test_products_use_one_thread_and_the_setting_comes_back(monkeypatch):
    def threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    seen = []

    def watch(*given):
        seen.extend(threads())
        return build(*given)

    monkeypatch.setattr(solve, "build", watch)
    features, labels, probes, classes = problem(4)
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        pair_proxy(features, labels, probes, classes=classes)
        assert threads() == before
    assert set(seen) == {1}
