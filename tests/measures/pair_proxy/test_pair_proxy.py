"""The pair proxy against one linear program for each pair, against rationals, under maps."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from helpers import networks, training
from helpers.measures.pair_proxy import (
    AMBIGUOUS,
    FEASIBLE,
    INFEASIBLE,
    Farkas,
    Witness,
    pair_proxy,
    pair_proxy_reference,
    verify,
)
from helpers.training import SGD

SHAPES = ("gaussian", "relu", "grid", "duplicate_columns", "repeated_points")


def problem(seed, classes, d, n, shape, p=3):
    """Draw features, labels from a random head, and probes; some degenerate in each shape."""
    rng = np.random.default_rng(seed)
    features, probes = rng.normal(size=(n, d)), rng.normal(size=(p, d))
    if shape == "relu":
        features, probes = np.maximum(features, 0), np.maximum(probes, 0)
    if shape == "grid":
        features, probes = np.round(features), np.round(probes)
    if shape == "duplicate_columns":
        features[:, 0], probes[:-1, 0] = features[:, -1], probes[:-1, -1]
    if shape == "repeated_points":
        features = features[rng.integers(0, n, n)]
        probes[0] = features[0]
    weights, bias = rng.normal(size=(classes, d)), rng.normal(size=classes)
    labels = (features @ weights.T + bias).argmax(axis=1)
    return features, labels, probes, (weights, bias)


@cache
def digits_network():
    """Train a small ReLU network on real digits; return features, labels, probes and its head."""
    images, digits = (torch.tensor(part) for part in load_digits(return_X_y=True))
    images = (images / 16).float()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    train, rest = order[:150], order[150:190]
    sgd = SGD(learning_rate=0.1, batch_size=32, max_epochs=500)
    trained = training.train((64, 24, 6, 10), [0], images[train], digits[train], sgd, device="cpu")
    assert trained.memorised.all()
    hidden, unseen = (networks.features(trained.stack, images[part])[0] for part in (train, rest))
    head = (trained.stack.weights[-1][0].double().numpy(), trained.stack.biases[-1][0].numpy())
    return hidden.double().numpy(), digits[train].numpy(), unseen.double().numpy(), head


def combination(certificate, features, labels, probe, wanted, classes, number=float):
    """Form Σ weight · (e_plus − e_minus) ⊗ (φ, 1) from the definition, with plain loops."""
    width = features.shape[1] + 1
    total = [[number(0)] * width for _ in range(classes)]
    terms = [
        (labels[i], k, features[i], w)
        for i, k, w in zip(
            certificate.points, certificate.classes, certificate.weights, strict=True
        )
    ] + [
        (wanted, k, probe, w)
        for k, w in zip(certificate.probe_classes, certificate.probe_weights, strict=True)
    ]
    assert all(w >= 0 for *_, w in terms)
    assert any(w > 0 for *_, w in terms)
    for plus, minus, row, weight in terms:
        assert plus != minus
        for j, value in enumerate([*row, 1.0]):
            total[plus][j] += number(weight) * number(value)
            total[minus][j] -= number(weight) * number(value)
    return total


def check_every_certificate(answer, features, labels, probes, exact=False):
    """Check every answer by code that shares nothing with the package."""
    p, classes = answer.status.shape
    for x in range(p):
        for c in range(classes):
            certificate = answer.certificate(x, c)
            if answer.status[x, c] == FEASIBLE:
                points, told = np.vstack([features, probes[x]]), np.append(labels, c)
                for row, y in zip(points, told, strict=True):
                    scores = [
                        sum(Fraction(w) * Fraction(v) for w, v in zip(weights, row, strict=True))
                        + Fraction(b)
                        for weights, b in zip(certificate.weights, certificate.bias, strict=True)
                    ]
                    assert all(scores[y] > s for k, s in enumerate(scores) if k != y)
            elif answer.status[x, c] == INFEASIBLE:
                number = Fraction if certificate.weights.dtype == object else float
                total = combination(certificate, features, labels, probes[x], c, classes, number)
                size = float(sum(certificate.weights) + sum(certificate.probe_weights))
                scale = max(1.0, np.abs(features).max())
                limit = 0 if number is Fraction else 1e-10 * size * scale
                assert max(abs(entry) for row in total for entry in row) <= limit
                assert verify(certificate, features, labels, probes[x], c)
                assert not exact or verify(certificate, features, labels, probes[x], c, exact=True)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    classes=st.integers(2, 5),
    d=st.integers(1, 6),
    n=st.integers(1, 24),
    shape=st.sampled_from(SHAPES),
    warm=st.booleans(),
)
def test_agrees_with_one_linear_program_for_each_pair(seed, classes, d, n, shape, warm):
    features, labels, probes, head = problem(seed, classes, d, n, shape)
    answer = pair_proxy(
        features, labels, probes, classes=classes, last_layer=head if warm else None
    )
    assert answer.ambiguous == 0
    expected = pair_proxy_reference(features, labels, probes, classes=classes)
    np.testing.assert_array_equal(answer.status, expected)
    assert answer.pair_proxy == expected.sum() == answer.extensions.sum()
    check_every_certificate(answer, features, labels, probes)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 4), n=st.integers(3, 15))
def test_random_labels_agree_too_and_inconsistency_is_proved(seed, classes, n):
    rng = np.random.default_rng(seed)
    features, probes = rng.normal(size=(n, 2)), rng.normal(size=(2, 2))
    labels = rng.integers(0, classes, n)
    answer = pair_proxy(features, labels, probes, classes=classes)
    expected = pair_proxy_reference(features, labels, probes, classes=classes)
    np.testing.assert_array_equal(answer.status, expected)
    assert answer.separable == bool(expected.any())
    if not answer.separable:
        proof = answer.inconsistency
        assert answer.pair_proxy == 0
        assert "no last layer" in answer.reason
        total = combination(proof, features, labels, None, None, classes, Fraction)
        assert all(entry == 0 for row in total for entry in row)
        assert verify(proof, features, labels)
        assert verify(proof, features, labels, exact=True)


@pytest.mark.parametrize("margin", [1e-6, 1e-3, 1.0])
def test_the_reference_does_not_depend_on_the_margin(margin):
    features, labels, probes, _ = problem(5, 4, 3, 20, "gaussian", p=10)
    answer = pair_proxy(features, labels, probes, classes=4)
    expected = pair_proxy_reference(features, labels, probes, classes=4, margin=margin)
    np.testing.assert_array_equal(answer.status, expected)


def test_trained_network_on_digits_agrees_with_the_reference():
    features, labels, probes, head = digits_network()
    answer = pair_proxy(features, labels, probes[:10], classes=10, last_layer=head)
    assert answer.start == "the trained last layer"
    assert 0 < answer.pair_proxy < answer.status.size
    expected = pair_proxy_reference(features, labels, probes[:10], classes=10)
    np.testing.assert_array_equal(answer.status, expected)
    check_every_certificate(answer, features, labels, probes[:10])


@pytest.mark.parametrize("condition", [1e1, 1e3, 1e6])
def test_invertible_affine_feature_maps_change_nothing(condition):
    features, labels, probes, head = digits_network()
    live = np.abs(features).max(axis=0) > 0
    features, probes, head = features[:, live], probes[:, live], (head[0][:, live], head[1])
    plain = pair_proxy(features, labels, probes, classes=10, last_layer=head)
    rng = np.random.default_rng(3)
    d = features.shape[1]
    left, right = (np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(2))
    mapped = left @ np.diag(np.geomspace(1, condition, d)) @ right
    shift = rng.normal(size=d)
    moved, asked = features @ mapped + shift, probes @ mapped + shift
    # The products are rounded: points on a common face are no longer on one to the last bit.
    answer = pair_proxy(moved, labels, asked, classes=10, within=1e-13)
    assert answer.ambiguous == 0
    assert answer.loose > 0
    np.testing.assert_array_equal(answer.status, plain.status)


def test_a_linear_map_that_is_exact_in_floats_maps_every_answer():
    features, labels, probes, _ = problem(11, 3, 4, 18, "grid", p=6)
    unimodular = np.array([[1, 2, 0, -1], [0, 1, 3, 0], [0, 0, 1, 5], [0, 0, 0, 1]], dtype=float)
    plain = pair_proxy(features, labels, probes, classes=3)
    mapped = pair_proxy(features @ unimodular * 1e6, labels, probes @ unimodular * 1e6, classes=3)
    np.testing.assert_array_equal(plain.status, mapped.status)


@pytest.mark.parametrize("gap", [1e-6, 1e-9, 1e-11])
def test_a_hair_on_either_side_of_a_face_is_told_apart_exactly(gap):
    # Class 0 at x = 0 and x = 2 of the line y = 0, class 1 above; a probe at (1, ±gap).
    features = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0]])
    labels = np.array([0, 0, 1])
    probes = np.array([[1.0, gap], [1.0, 0.0], [1.0, -gap]])
    answer = pair_proxy(features, labels, probes, classes=2)
    np.testing.assert_array_equal(answer.status, [[1, 1], [1, 0], [1, 0]])
    check_every_certificate(answer, features, labels, probes)


def test_a_margin_in_the_last_digits_is_settled_in_rationals():
    features = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0]])
    labels = np.array([0, 0, 1])
    probes = np.array([[1.0, 3e-13]])
    left = pair_proxy(features, labels, probes, classes=2, settle=False)
    answer = pair_proxy(features, labels, probes, classes=2)
    assert (left.status[0, 1] == AMBIGUOUS) == (answer.settled > 0)
    np.testing.assert_array_equal(answer.status, [[1, 1]])
    witness = answer.certificate(0, 1)
    assert isinstance(witness, Witness)
    assert verify(witness, features, labels, probes[0], 1, exact=True)


def test_rationals_give_the_same_answers_as_floats():
    from helpers.measures.pair_proxy import exact
    from helpers.measures.pair_proxy.problem import homogenise

    for seed in range(6):
        features, labels, probes, _ = problem(seed, 3, 2, 12, SHAPES[seed % 5])
        answer = pair_proxy(features, labels, probes, classes=3)
        for x, probe in enumerate(probes):
            for c in range(3):
                points = homogenise(np.vstack([features, probe]))
                decided = exact.decide(points, np.append(labels, c), 3, [])
                assert (decided.witness is not None) == (answer.status[x, c] == FEASIBLE)


def test_a_repeated_point_keeps_its_label_and_conflicting_ones_are_refuted():
    features = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    answer = pair_proxy(features, [0, 1, 0], features[:1], classes=2)
    np.testing.assert_array_equal(answer.status, [[1, 0]])
    check_every_certificate(answer, features, [0, 1, 0], features[:1], exact=True)
    conflict = pair_proxy(features, [0, 1, 1], features[:1], classes=2)
    assert not conflict.separable
    assert set(conflict.inconsistency.points) == {0, 2}
    assert verify(conflict.inconsistency, features, [0, 1, 1], exact=True)


def test_a_unit_dead_on_training_frees_the_probes_that_wake_it():
    features, labels, probes, _ = problem(2, 4, 3, 20, "gaussian", p=4)
    dead = np.hstack([features, np.zeros((20, 1))])
    awake = np.hstack([probes, [[0.0], [0.0], [0.5], [1e-6]]])
    answer = pair_proxy(dead, labels, awake, classes=4)
    plain = pair_proxy(features, labels, probes, classes=4)
    assert answer.rank == plain.rank == 4
    assert answer.outside == 2
    np.testing.assert_array_equal(answer.status[:2], plain.status[:2])
    assert (answer.status[2:] == FEASIBLE).all()
    check_every_certificate(answer, dead, labels, awake)


def test_classes_missing_from_training_are_open_to_every_probe():
    features, labels, probes, _ = problem(4, 2, 3, 12, "gaussian")
    answer = pair_proxy(features, labels * 3, probes, classes=6)
    assert (answer.status[:, [1, 2, 4, 5]] == FEASIBLE).all()
    expected = pair_proxy_reference(features, labels * 3, probes, classes=6)
    np.testing.assert_array_equal(answer.status, expected)


def test_one_class_more_classes_than_points_and_a_single_point():
    alone = pair_proxy([[1.0], [2.0]], [0, 0], [[3.0]])
    assert alone.status.tolist() == [[1]]
    assert verify(alone.certificate(0, 0), [[1.0], [2.0]], [0, 0], [3.0], 0)
    answer = pair_proxy([[1.0, 2.0]], [3], [[1.0, 2.0], [2.0, 1.0]], classes=5)
    np.testing.assert_array_equal(answer.status, [[0, 0, 0, 1, 0], [1] * 5])


def test_a_head_that_is_not_interior_falls_back_to_the_margin_program():
    features, labels, probes, head = problem(8, 3, 3, 15, "gaussian")
    wrong = (-head[0], -head[1])
    answer = pair_proxy(features, labels, probes, classes=3, last_layer=wrong)
    assert answer.start == "a max-margin linear program"
    trained = pair_proxy(features, labels, probes, classes=3, last_layer=head)
    np.testing.assert_array_equal(answer.status, trained.status)


def test_tampered_certificates_fail():
    features, labels, probes, head = digits_network()
    answer = pair_proxy(features, labels, probes, classes=10, last_layer=head)
    x, c = np.argwhere(answer.status == INFEASIBLE)[0]
    proof = answer.certificate(x, c)
    weights = proof.weights.copy()
    weights[0] *= 1.001
    spoilt = Farkas(proof.points, proof.classes, weights, proof.probe_classes, proof.probe_weights)
    assert not verify(spoilt, features, labels, probes[x], c)
    assert not verify(proof, features, labels, probes[x], (c + 1) % 10)
    zero = Farkas(
        proof.points, proof.classes, 0 * weights, proof.probe_classes, 0 * proof.probe_weights
    )
    assert not verify(zero, features, labels, probes[x], c)
    x, c = np.argwhere(answer.status == FEASIBLE)[0]
    witness = answer.certificate(x, c)
    assert not verify(Witness(-witness.weights, -witness.bias), features, labels, probes[x], c)
