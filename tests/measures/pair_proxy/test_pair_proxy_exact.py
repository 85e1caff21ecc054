"""Near-degenerate features against an oracle in fractions; certificates that must not pass."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from rational_oracle import KINDS, can_take, near_degenerate
from test_pair_proxy import combination, digits_network, problem

from helpers.measures.pair_proxy import (
    FEASIBLE,
    INFEASIBLE,
    Farkas,
    Witness,
    exact,
    pair_proxy,
    perturbation,
    spanning,
    verify,
)
from helpers.measures.pair_proxy.certificates import layers_hold, margins_exceed_rounding
from helpers.measures.pair_proxy.problem import homogenise


@pytest.mark.parametrize("seed", range(18))
@pytest.mark.parametrize("kind", KINDS)
def test_near_degenerate_features_get_the_answers_of_exact_arithmetic(kind, seed):
    features, labels, probes, classes = near_degenerate(kind, seed)
    answer = pair_proxy(features, labels, probes, classes=classes)
    assert answer.ambiguous == 0
    for x, c in np.ndindex(answer.status.shape):
        expected = can_take(features, labels, probes[x], c, classes)
        assert (answer.status[x, c] == FEASIBLE) == expected, (x, c)
        about = () if answer.inconsistency is not None else (probes[x], c)
        assert verify(answer.certificate(x, c), features, labels, *about)


def test_the_oracle_knows_easy_answers():
    line, told = np.array([[0.0], [1.0]]), [0, 1]
    assert can_take(line, told, [0.5], 0, 2)
    assert not can_take(line, told, [-1.0], 1, 2)
    assert not can_take(line, told, [0.0], 1, 2)
    assert not can_take(np.array([[0.0], [1.0], [2.0]]), [0, 1, 0], [3.0], 0, 2)


def proved_pair():
    """Return a proved certificate with its features, labels, probe and class."""
    features, labels, probes, head = digits_network()
    answer = pair_proxy(features, labels, probes, classes=10, last_layer=head)
    pairs = np.argwhere(answer.status == INFEASIBLE)
    x, c = max(pairs, key=lambda pair: len(answer.certificate(*pair).points))
    return answer.certificate(x, c), features, labels, probes[x], int(c)


def test_every_proof_by_a_bound_has_exact_weights_next_to_it():
    features, labels, probes, head = digits_network()
    answer = pair_proxy(features, labels, probes, classes=10, last_layer=head)
    assert answer.settled == answer.loose == 0
    points = homogenise(features)
    for x, c in np.argwhere(answer.status == INFEASIBLE)[::4]:
        proof = answer.certificate(x, c)
        rows = [(labels[i], k, i) for i, k in zip(proof.points, proof.classes, strict=True)]
        rows += [(c, k, -1) for k in proof.probe_classes]
        weights = exact.vanishing_weights(np.vstack([points, homogenise(probes[x : x + 1])]), rows)
        near = np.append(proof.weights, proof.probe_weights)
        exactly = np.array([float(w / sum(weights)) for w in weights])
        np.testing.assert_allclose(near / near.sum(), exactly, rtol=1e-8)


def test_a_negative_weight_never_passes():
    # Twice the same point with the same label: 1 and −1 cancel, and every layer is still free.
    features, labels = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]]), np.array([0, 0, 1])
    none = np.array([], dtype=np.int64)
    for number in (float, Fraction):
        weights = np.array([number(1), number(-1)], dtype=object if number is Fraction else float)
        forged = Farkas(np.array([0, 1]), np.array([1, 1]), weights, none, weights[:0])
        total = combination(
            replace(forged, weights=np.abs(weights)), features, labels, None, None, 2
        )
        assert any(entry for row in total for entry in row)  # it is the sign that cancels
        for strictly in (False, True):
            assert not verify(forged, features, labels, exact=strictly)
        assert not verify(forged, features, labels, within=1e-3)


def test_one_weight_made_negative_spoils_a_proof():
    proof, features, labels, probe, c = proved_pair()
    assert verify(proof, features, labels, probe, c)
    for at in range(len(proof.weights)):
        weights = proof.weights.copy()
        weights[at] *= -1
        assert not verify(replace(proof, weights=weights), features, labels, probe, c)
    # A harmless row with a weight so small that the residual does not notice it.
    extra = replace(
        proof,
        points=np.append(proof.points, 0),
        classes=np.append(proof.classes, (labels[0] + 1) % 10),
        weights=np.append(proof.weights, -1e-30 * proof.weights.max()),
    )
    assert not verify(extra, features, labels, probe, c)


@pytest.mark.parametrize("share", [1e-3, 1e-6, 1e-9])
def test_a_residual_that_is_not_rounding_spoils_a_proof(share):
    proof, features, labels, probe, c = proved_pair()
    for at in range(len(proof.weights)):
        weights = proof.weights.copy()
        weights[at] *= 1 + share
        assert not verify(replace(proof, weights=weights), features, labels, probe, c)
    moved = probe.copy()
    moved[np.abs(moved).argmax()] *= 1 + share
    assert not verify(proof, features, labels, moved, c)


def test_a_wrong_row_spoils_a_proof():
    proof, features, labels, probe, c = proved_pair()
    for at in range(len(proof.points)):
        classes = proof.classes.copy()
        classes[at] = next(k for k in range(10) if k not in (classes[at], labels[proof.points[at]]))
        assert not verify(replace(proof, classes=classes), features, labels, probe, c)
        told = labels.copy()
        told[proof.points[at]] = next(
            k for k in range(10) if k not in (proof.classes[at], labels[proof.points[at]])
        )
        assert not verify(proof, features, told, probe, c)
    assert not verify(proof, features, labels, probe, (c + 1) % 10)
    assert not verify(replace(proof, points=proof.points + len(labels)), features, labels, probe, c)
    own = replace(proof, classes=labels[proof.points])  # no rival at all: rows of zeros
    assert not verify(own, features, labels, probe, c)


def test_a_combination_that_vanishes_to_rounding_only_is_no_proof():
    # The probe is a hair outside a segment of class 0, hence free; the weights almost cancel.
    features, labels = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0]]), np.array([0, 0, 1])
    probe = np.array([1.0, 1e-15])
    forged = Farkas(
        np.array([0, 1]), np.array([1, 1]), np.array([0.5, 0.5]), np.array([0]), np.array([1.0])
    )
    assert can_take(features, labels, probe, 1, 2)
    assert not verify(forged, features, labels, probe, 1)
    assert not verify(forged, features, labels, probe, 1, exact=True)
    assert verify(forged, features, labels, probe, 1, within=1e-13)  # for rounded features it is
    on = np.array([1.0, 0.0])
    assert verify(forged, features, labels, on, 1)
    assert pair_proxy(features, labels, [probe, on], classes=2).status.tolist() == [[1, 1], [1, 0]]
    loose = pair_proxy(features, labels, [probe, on], classes=2, within=1e-13)
    assert loose.ambiguous == 0


def test_residuals_of_rounding_size_do_not_fool_the_verifier():
    # Forged: the probe as the combination of two points of one class that it was computed from.
    free = held = 0
    for seed in range(40):
        features, labels, _, classes = near_degenerate("probe_at_the_edge", seed)
        rng = np.random.default_rng(seed)
        told = labels[0]
        mates = np.flatnonzero(labels == told)[:2]
        if len(mates) < 2:
            continue
        share = rng.random()
        probe = share * features[mates[0]] + (1 - share) * features[mates[1]]
        c = (told + 1) % classes
        weights = np.array([share, 1 - share])
        forged = Farkas(mates, np.array([c, c]), weights, np.array([told]), np.array([1.0]))
        possible = can_take(features, labels, probe, c, classes)
        free, held = free + possible, held + (not possible)
        assert not (verify(forged, features, labels, probe, c) and possible)
    assert free > 0


@pytest.mark.parametrize(("bits", "worst"), [(42, 1e-12), (30, 1e-6)])
def test_a_weight_that_would_have_to_be_negative_is_not_proved(bits, worst):
    # The probe is under the edge from (0, 0) to (2, 2) by a hair, the third point above it.
    features = np.array([[0.0, 0.0], [2.0, 2.0], [1.0, 2.0], [5.0, 0.0]])
    labels, probe = np.array([0, 0, 0, 1]), np.array([1.0, 1.0 - 2.0**-bits])
    weights = np.array([0.5, 0.5, 0.5 * 2.0**-bits, 1.0])
    forged = Farkas(np.arange(3), np.ones(3, int), weights[:3], np.array([0]), weights[3:])
    assert can_take(features, labels, probe, 1, 2)
    assert not verify(forged, features, labels, probe, 1)
    at, plus = np.array([0, 1, 2, 4]), np.array([0, 0, 0, 1])
    points = homogenise(np.vstack([features, probe]))
    proved, _ = perturbation.near_exact(points, plus, 1 - plus, at, weights, 0, worst)
    assert not proved


def test_a_bad_inverse_proves_nothing():
    system, eta = np.array([[1.0, -1.0]]), np.array([0.5, 0.5])
    square = np.vstack([system, np.ones(2)])
    right = np.linalg.inv(square)
    assert perturbation._shown_near(system, square, right, eta, 0.5, 1e-12)
    for wrong in (0 * right, 0.4 * right, right + np.nan):
        assert not perturbation._shown_near(system, square, wrong, eta, 0.5, 1e-12)


def test_a_witness_within_its_rounding_bound_does_not_pass():
    rng = np.random.default_rng(0)
    fooled = 0
    for _ in range(300):
        weights, bias = rng.normal(size=(2, 3)), rng.normal(size=2)
        point = rng.normal(size=3)
        bias[0] += (weights[1] - weights[0]) @ point + bias[1] - bias[0]  # a tie, up to rounding
        layer = Witness(weights, bias)
        float_margin = (weights @ point + bias) @ [1.0, -1.0]
        exactly = sum(
            Fraction(w) * Fraction(v)
            for w, v in zip([*weights[0], bias[0]], [*point, 1.0], strict=True)
        ) - sum(
            Fraction(w) * Fraction(v)
            for w, v in zip([*weights[1], bias[1]], [*point, 1.0], strict=True)
        )
        fooled += float_margin > 0 >= exactly
        assert not verify(layer, point[None], [0])
        assert verify(layer, point[None], [0], exact=True) == (exactly > 0)
    assert fooled > 0  # some have a positive margin in floats, and none in truth


def test_the_bound_covers_what_underflow_loses():
    tiny = np.array([[[1e-200, 0.0], [0.0, 0.0]]])
    assert not margins_exceed_rounding(tiny, np.array([[1e-120, 1.0]]), np.array([0])).any()


def test_the_compiled_check_of_layers_is_the_plain_one():
    rng = np.random.default_rng(2)
    points, told = homogenise(rng.normal(size=(30, 4))), rng.integers(0, 3, 30)
    deep = np.zeros((3, 5))
    layers = rng.normal(size=(50, 3, 5))
    told[:] = (points @ layers[0].T).argmax(axis=1)
    layers[1], layers[2], layers[3] = 3 * layers[0], deep, np.nan
    layers[4] = layers[0]
    rival = (told[0] + 1) % 3
    layers[4, rival] = layers[0, told[0]]  # a tie at the first point
    plain = margins_exceed_rounding(layers, points, told).all(axis=1)
    np.testing.assert_array_equal(layers_hold(layers, points, told), plain)
    assert plain.tolist()[:5] == [True, True, False, False, False]


def test_rows_that_only_nearly_span_are_not_proved():
    # Three equal columns: the equations are dependent, so floats prove nothing and rationals do.
    features = np.repeat(np.array([[0.1], [0.7], [0.4]]), 3, axis=1)
    labels = np.array([0, 0, 1])
    answer = pair_proxy(features, labels, features[:1] * 0.5 + features[1:2] * 0.5, classes=2)
    assert answer.ambiguous == 0
    proofs = [answer.certificate(0, c) for c in range(2) if answer.status[0, c] == INFEASIBLE]
    assert all(
        verify(proof, features, labels, features[:1] * 0.5 + features[1:2] * 0.5, c)
        for c, proof in enumerate(proofs)
    )


@pytest.mark.parametrize("exponent", [-900, -300, 0, 300, 900])
def test_scales_that_floats_cannot_hold_are_left_to_rationals(exponent):
    points = np.array([[0.0, 1.0], [2.0, 1.0], [1.0, 1.0]])
    points[:, 0] *= 2.0**exponent
    plus, minus, at = np.array([0, 0, 1]), np.array([1, 1, 0]), np.array([0, 1, 2])
    proved, weights = perturbation.near_exact(
        points, plus, minus, at, np.array([0.5, 0.5 + 1e-9, 1.0]), 2, 1e-12
    )
    assert proved
    np.testing.assert_allclose(weights / weights[2], [0.5, 0.5, 1.0], rtol=1e-15)


def test_a_spanning_certificate_corrects_what_a_lean_one_cannot():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(40, 6))
    chosen = spanning.spanning_rows(rows)
    assert np.linalg.matrix_rank(rows[chosen]) == 6
    weights = spanning.complete(rows, chosen)
    assert (weights[chosen] >= 1).all()
    assert (weights >= 0).all()
    assert np.abs(weights @ rows).max() < 1e-10 * weights.sum()
    assert spanning.complete(np.abs(rows), chosen) is None  # a pointed cone has no such weights


def test_too_much_exact_work_ends_in_ambiguous_not_in_a_guess(monkeypatch):
    features, labels, probes, classes = near_degenerate("near_duplicates", 4)
    full = pair_proxy(features, labels, probes, classes=classes)
    assert full.settled > 0
    monkeypatch.setattr(exact.Work, "__init__", lambda self: setattr(self, "left", 0))
    answer = pair_proxy(features, labels, probes, classes=classes)
    known = answer.status >= 0
    assert not known.all()
    np.testing.assert_array_equal(answer.status[known], full.status[known])


def test_a_mapped_copy_of_faces_is_answered_as_the_floats_stand():
    features, labels, probes, _ = problem(3, 3, 3, 14, "relu", p=4)
    rng = np.random.default_rng(0)
    matrix, shift = rng.normal(size=(3, 3)), rng.normal(size=3)
    moved, asked = features @ matrix + shift, probes @ matrix + shift
    answer = pair_proxy(moved, labels, asked, classes=3)
    for x, c in np.ndindex(answer.status.shape):
        assert (answer.status[x, c] == FEASIBLE) == can_take(moved, labels, asked[x], c, 3)
