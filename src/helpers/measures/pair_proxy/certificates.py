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
from helpers.measures.pair_proxy import kernels
from helpers.measures.pair_proxy.perturbation import near_exact
from helpers.measures.pair_proxy.problem import Floats, Ints, homogenise

# Share of the sizes of its terms to which each entry of a combination in floats has to vanish.
TOLERANCE = 1e-12
SMALLEST_NORMAL = np.finfo(float).tiny


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
    within: float = 0.0,
) -> bool:
    """Check a certificate for "probe (d,) takes class wanted" against features (n, d), labels (n,).

    The question is about floats read as the rationals they are, and a pass is a proof. A witness
    passes if every margin exceeds a bound on its own rounding error; with exact=True, or if its
    entries are Fractions, if the margins are positive in rational arithmetic. Weights that are
    Fractions pass if the combination vanishes exactly. Weights in float64 pass if the combination
    vanishes to TOLERANCE × the sizes of its terms and exact nonnegative weights for the rows they
    name exist: by a bound on the distance to them (see `perturbation`), or, where that decides
    nothing and with exact=True, in rational arithmetic. With within > 0 they pass as well if the
    combination vanishes to within × Σ weights × the largest entry of each feature: exact weights
    then exist for features changed by that share. probe=None checks a certificate about the
    training labels alone.
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
    terms = _terms(certificate, y, c)
    points = homogenise(np.vstack([phi, np.zeros((1, phi.shape[1])) if x is None else x]))
    if any(plus == minus or min(plus, minus) < 0 for plus, minus, _, _ in terms):
        return False
    if object in (certificate.weights.dtype, certificate.probe_weights.dtype):
        return _vanishes_exactly(terms, points)
    total, sizes = _combination(terms, points)
    if within > 0 and not exact:
        weight = sum(float(w) for *_, w in terms)
        if (np.abs(total) <= within * weight * np.abs(points).max(axis=0)).all():
            return True
    return bool((np.abs(total) <= TOLERANCE * sizes).all()) and (
        (not exact and _proved(terms, points)) or _support_vanishes(terms, points)
    )


def margins_exceed_rounding(layers: Floats, points: Floats, told: Ints) -> NDArray[np.bool_]:
    """For layers (w, K, d+1) and rows (n, d+1): is row i surely labelled told[i]? Returns (w, n).

    A score of d+1 products is off by at most γ Σ|u||φ̃|, γ = (d+2)ε (Higham 2002, section 3.1);
    twice that, for both scores, with a further factor two for forming the bound itself, and what
    products below the normal numbers may lose.
    """
    w, classes, width = layers.shape
    scores = (layers.reshape(-1, width) @ points.T).reshape(w, classes, len(points))
    sizes = np.abs(layers).max(axis=1) @ np.abs(points).T
    bound = rounding_of(width, sizes)
    index = np.arange(len(points))
    own = scores[:, told, index].copy()
    scores[:, told, index] = -np.inf
    return np.asarray(own - scores.max(axis=1) > bound)


def layers_hold(layers: Floats, points: Floats, told: Ints) -> NDArray[np.bool_]:
    """Say which of many layers (w, K, d+1) surely label all rows (n, d+1) as told: (w,).

    `margins_exceed_rounding`, compiled.
    """
    rounding, underflow = rounding_of(points.shape[1], np.array([1.0, 0.0]))
    columns = np.ascontiguousarray(points.T)
    return np.asarray(kernels.layers_hold(layers, columns, told, rounding, underflow))


def rounding_of(width: int, sizes: Floats) -> Floats:
    """Bound the rounding error of the difference of two scores of `width` products each."""
    return 4.0 * (width + 1) * (np.finfo(float).eps * sizes + SMALLEST_NORMAL)


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
    return [(int(y[i]), int(k), int(i), w) for i, k, w in training if w != 0] + [
        (c, int(k), -1, w) for k, w in probe if w != 0
    ]


def _columns(terms: list[tuple[int, int, int, Any]], count: int) -> tuple[Ints, Ints, Ints, Floats]:
    """Turn terms into arrays (plus, minus, point, weight); the probe is the last of the points."""
    plus, minus, point, weight = (np.array(column) for column in zip(*terms, strict=True))
    return plus, minus, np.where(point < 0, count - 1, point), weight.astype(float)


def _combination(terms: list[tuple[int, int, int, Any]], points: Floats) -> tuple[Floats, Floats]:
    """Add up the weighted rows in floats; return the sums (K, d+1) and those of the sizes."""
    plus, minus, point, weight = _columns(terms, len(points))
    used = weight[:, None] * points[point]
    total = np.zeros((1 + max(plus.max(), minus.max()), points.shape[1]))
    sizes = np.zeros_like(total)
    for at, sign in ((plus, 1.0), (minus, -1.0)):
        np.add.at(total, at, sign * used)
        np.add.at(sizes, at, np.abs(used))
    return total, sizes


def _proved(terms: list[tuple[int, int, int, Any]], points: Floats) -> bool:
    """Say whether a bound on rounding shows an exact certificate next to this one."""
    return bool(near_exact(points, *_columns(terms, len(points)), 0, np.inf)[0])


def _vanishes_exactly(terms: list[tuple[int, int, int, Any]], points: Floats) -> bool:
    total: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
    for plus, minus, point, weight in terms:
        for j, value in enumerate(points[point]):
            term = Fraction(weight) * Fraction(float(value))
            total[plus, j] += term
            total[minus, j] -= term
    return all(entry == 0 for entry in total.values())


def _support_vanishes(terms: list[tuple[int, int, int, Any]], points: Floats) -> bool:
    """Ask whether the rows named have some exactly vanishing nonnegative combination."""
    rows = [(plus, minus, point) for plus, minus, point, _ in terms]
    return rational.vanishing_weights(points, rows) is not None
