"""Answers that can be checked without trusting the method that found them.

Feasible: a last layer that labels every training point as told and the probe as asked. Infeasible:
weights λ, μ ≥ 0, not all zero, with

    Σ λ_j (e_{y_j} − e_{k_j}) ⊗ φ̃_j + Σ μ_k (e_c − e_k) ⊗ x̃ = 0.

If some U satisfied every row strictly, multiplying by it would give 0 > 0. Gordan (1873) proved the
converse: one of the two always exists. Without probe rows the same weights prove that the training
labels themselves are inconsistent.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.errors import UserError
from helpers.measures.pair_proxy import exact as rational
from helpers.measures.pair_proxy.problem import Floats, Ints, homogenise

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Witness:
    """A last layer: weights (K, d), bias (K,); entries are Fractions if floats were too coarse."""

    weights: NDArray[Any]
    bias: NDArray[Any]


@dataclass(frozen=True)
class Farkas:
    """A vanishing nonnegative combination of rows.

    Training row j is (e_y − e_k) ⊗ φ̃ for point points[j] and class k = classes[j], weight
    weights[j]; probe row s is (e_c − e_k) ⊗ x̃ with k = probe_classes[s]. Weights are float64, or
    Fractions where exact arithmetic found them.
    """

    points: Ints
    classes: Ints
    weights: NDArray[Any]
    probe_classes: Ints
    probe_weights: NDArray[Any]


def verify(
    certificate: Witness | Farkas,
    features: ArrayLike,
    labels: ArrayLike,
    probe: ArrayLike | None = None,
    wanted: int | None = None,
    *,
    exact: bool = False,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check a certificate for "probe (d,) takes class wanted" against features (n, d), labels (n,).

    In float64 (the default) a witness passes if every margin exceeds a bound on its own rounding
    error, so a pass is a proof; a Farkas certificate passes if the combination is zero up to
    tolerance × Σ weights × the largest entry of each feature: for features changed by that share
    of their size it is exact. With exact=True floats are read as the
    rationals they are: a witness passes on exact margins; a Farkas certificate passes if the rows
    it names have an exactly vanishing nonnegative combination (found anew when its own weights are
    rounded). probe=None checks a certificate about the training labels alone.
    """
    phi = np.asarray(features, dtype=np.float64)
    y = np.asarray(labels, dtype=np.int64)
    if (probe is None) != (wanted is None):
        raise UserError("verify got a probe or a class alone; pass both, or neither")
    x = None if probe is None else np.asarray(probe, dtype=np.float64).reshape(1, -1)
    c = -1 if wanted is None else int(wanted)
    if isinstance(certificate, Witness):
        rows = np.concatenate([certificate.weights, certificate.bias[:, None]], axis=1)
        told = y if x is None else np.append(y, c)
        points = homogenise(phi if x is None else np.vstack([phi, x]))
        if exact or rows.dtype == object:
            return rational.labels_strictly(rows, points, told)
        return bool(margins_exceed_rounding(rows[None], points, told).all())
    if not _well_formed(certificate, len(phi), x is not None):
        return False
    if object in (certificate.weights.dtype, certificate.probe_weights.dtype):
        return _vanishes_exactly(certificate, phi, y, x, c)
    if exact:
        return _support_vanishes(certificate, phi, y, x, c)
    return _vanishes(certificate, phi, y, x, c, tolerance)


def margins_exceed_rounding(layers: Floats, points: Floats, told: Ints) -> NDArray[np.bool_]:
    """For layers (w, K, d+1) and rows (n, d+1): is row i surely labelled told[i]? Returns (w, n).

    A score of d+1 products is off by at most γ Σ|u||φ̃|, γ = (d+2)ε (Higham 2002, section 3.1);
    twice that, for both scores, with a further factor two for forming the bound itself.
    """
    w, classes, width = layers.shape
    scores = (layers.reshape(-1, width) @ points.T).reshape(w, classes, len(points))
    sizes = np.abs(layers).max(axis=1) @ np.abs(points).T
    bound = 4.0 * (width + 1) * np.finfo(float).eps * sizes
    index = np.arange(len(points))
    own = scores[:, told, index].copy()
    scores[:, told, index] = -np.inf
    return np.asarray(own - scores.max(axis=1) > bound)


def _well_formed(certificate: Farkas, count: int, has_probe: bool) -> bool:
    weights = [*certificate.weights, *certificate.probe_weights]
    return (
        all(w >= 0 for w in weights)
        and any(w > 0 for w in weights)
        and all(0 <= i < count for i in certificate.points)
        and (has_probe or len(certificate.probe_weights) == 0)
    )


def _terms(certificate: Farkas, y: Ints, c: int) -> list[tuple[int, int, int, Any]]:
    """List (plus, minus, point, weight) for every row used; point −1 is the probe."""
    training = zip(certificate.points, certificate.classes, certificate.weights, strict=True)
    probe = zip(certificate.probe_classes, certificate.probe_weights, strict=True)
    return [(int(y[i]), int(k), int(i), w) for i, k, w in training if w > 0] + [
        (c, int(k), -1, w) for k, w in probe if w > 0
    ]


def _vanishes(
    certificate: Farkas, phi: Floats, y: Ints, x: Floats | None, c: int, tolerance: float
) -> bool:
    terms = _terms(certificate, y, c)
    if any(plus == minus for plus, minus, _, _ in terms):
        return False
    queries = np.zeros((1, phi.shape[1])) if x is None else x
    rows = homogenise(np.vstack([phi, queries]))  # the probe is the last row, index −1
    plus, minus, point, weight = (np.array(column) for column in zip(*terms, strict=True))
    used = weight[:, None] * rows[point]
    total = np.zeros((1 + max(plus.max(), minus.max()), rows.shape[1]))
    np.add.at(total, plus, used)
    np.subtract.at(total, minus, used)
    size = weight.sum() * np.abs(rows).max(axis=0)
    return bool((np.abs(total) <= tolerance * size).all())


def _vanishes_exactly(certificate: Farkas, phi: Floats, y: Ints, x: Floats | None, c: int) -> bool:
    total: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
    for plus, minus, point, weight in _terms(certificate, y, c):
        source = x[0] if point < 0 and x is not None else phi[point]
        for j, value in enumerate([*source, 1.0]):
            term = Fraction(weight) * Fraction(float(value))
            total[plus, j] += term
            total[minus, j] -= term
        if plus == minus:
            return False
    return all(entry == 0 for entry in total.values())


def _support_vanishes(certificate: Farkas, phi: Floats, y: Ints, x: Floats | None, c: int) -> bool:
    """Ask whether the rows named have some exactly vanishing nonnegative combination."""
    terms = _terms(certificate, y, c)
    used = sorted({point for _, _, point, _ in terms if point >= 0})
    position = {point: at for at, point in enumerate(used)}
    rows = [(plus, minus, position.get(point, -1)) for plus, minus, point, _ in terms]
    if any(plus == minus for plus, minus, _ in rows):
        return False
    queries = np.zeros((0, phi.shape[1])) if x is None else x
    return rational.combination_vanishes(homogenise(np.vstack([phi[used], queries])), rows)
