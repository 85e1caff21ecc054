"""Prove that next to a nearly vanishing combination of rows lies one that vanishes exactly.

A Farkas certificate in floats never vanishes to the last bit. It is a proof only if nonnegative
weights exist with which the same rows, read as the rationals their floats are, cancel exactly. Let
the q rows be (e_plus − e_minus) ⊗ φ̃ and F the matrix of the equations Σ_t F_it η_t = 0 that they
have to meet, one for each class and feature (the appended 1 is a feature).

* Some equations say nothing. Over the rows in which feature j is not zero, classes that are
  linked by rows form components; summed over a component the equations of j cancel whatever the
  weights are. One for each component is left out, and nothing is lost: the gauge, classes that do
  not occur and features that are zero go this way, exactly.
* Rows and equations are scaled by powers of two, so F holds the given numbers exactly and the
  weights η lie in [½, 1).
* Of D < q equations left, D weights are chosen to be corrected and the others stay as they are
  (if q = D + 1 a row of ones is added instead, and all are corrected); M is their square part of F
  and X its inverse in floats. If ‖I − M X‖ ≤ ε < 1, then M X is invertible, so the correction
  δ = −X (M X)⁻¹ F η exists, F (η + δ) = 0 exactly, and |δ_t| ≤ Σ_i |X_ti| · max|F η| / (1 − ε).
  Below the smallest weight, η + δ is positive: an exact certificate. Each product is bounded
  together with its own rounding error (Rump 2010; Higham 2002, section 3.1), so a pass is a proof,
  and it shows the rank of F as well.

Anything else (too few rows for the equations, dependent equations, a scaling that would underflow)
is not proved here; `exact` decides it. One case needs no bound: two opposite rows of equal points.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from helpers.measures.pair_proxy.jit import strict_jit

# Share of its smallest size (½) that a scaled weight may be away from the exact one.
NEAR = 0.25
REFINEMENTS = 2
TINY, HUGE = 1e-290, 1e290  # outside, scaled numbers or their products may have lost bits


@strict_jit
def _kept_equations(points: Any, plus: Any, minus: Any, at: Any, classes: int) -> Any:
    """List (class, feature) of the equations left when one goes for each component."""
    width, rows = points.shape[1], len(at)
    kept = np.empty((classes * width, 2), np.int64)
    root = np.empty(classes, np.int64)
    count = 0
    for j in range(width):
        root[:] = np.arange(classes)
        for t in range(rows):
            if points[at[t], j] != 0.0:
                a, b = root[plus[t]], root[minus[t]]
                if a != b:
                    for k in range(classes):
                        if root[k] == b:
                            root[k] = a
        for k in range(classes):
            if root[k] != k:
                kept[count, 0], kept[count, 1] = k, j
                count += 1
    return kept[:count]


@strict_jit
def _system(points: Any, plus: Any, minus: Any, at: Any, weights: Any, kept: Any) -> Any:
    """Return (F, η, exponents), F empty if a scaling by powers of two would not be exact."""
    q, count = len(at), len(kept)
    matrix, eta = np.zeros((count, q)), np.empty(q)
    exponents = np.empty(q, np.int64)
    nothing = np.zeros((0, 0))
    for t in range(q):
        if not (weights[t] > TINY and weights[t] < HUGE):
            return nothing, eta, exponents
        eta[t], exponents[t] = math.frexp(weights[t])
    top = exponents.max()
    for i in range(count):
        k, j = kept[i]
        largest = -10_000
        for t in range(q):
            value = points[at[t], j]
            if value != 0.0 and (plus[t] == k or minus[t] == k):
                largest = max(largest, math.frexp(value)[1] + exponents[t] - top)
        for t in range(q):
            value = points[at[t], j]
            if value != 0.0 and (plus[t] == k or minus[t] == k):
                shift = exponents[t] - top - largest
                if math.frexp(value)[1] + shift < -960:
                    return nothing, eta, exponents
                matrix[i, t] = math.ldexp(value, int(shift))
                if minus[t] == k:
                    matrix[i, t] = -matrix[i, t]
    return matrix, eta, exponents


@strict_jit
def _pivots(matrix: Any) -> Any:
    """Choose D columns of F (D, q) by elimination with column pivoting."""
    count, q = matrix.shape
    work, chosen = matrix.copy(), np.empty(count, np.int64)
    free = np.ones(q, np.bool_)
    for i in range(count):
        best = -1
        for t in range(q):
            if free[t] and (best < 0 or abs(work[i, t]) > abs(work[i, best])):
                best = t
        chosen[i], free[best] = best, False
        if work[i, best] == 0.0:
            continue  # dependent equations: the inverse will not exist
        for k in range(i + 1, count):
            factor = work[k, best] / work[i, best]
            if factor != 0.0:
                work[k] -= factor * work[i]
    return chosen


@strict_jit
def _shown_near(
    matrix: Any, square: Any, inverse: Any, eta: Any, smallest: float, worst: float
) -> Any:
    """Bound |δ| as the module says, with all rounding; worst bounds the residual allowed."""
    q, m = len(eta), len(square)
    rounding = 2.0 * (q + 3) * 2.220446049250313e-16
    rows = np.abs(inverse).sum(axis=1)
    error = np.abs(square @ inverse - np.eye(m)).sum(axis=1)
    error += rounding * (1.0 + np.abs(square) @ rows)
    epsilon = error.max() * (1.0 + rounding)
    total, whole = matrix @ eta, np.abs(matrix) @ eta
    residual = 0.0
    for i in range(len(matrix)):
        if not abs(total[i]) <= worst * whole[i]:
            return False
        residual = max(residual, abs(total[i]) + rounding * whole[i] + TINY)
    if not epsilon < 0.5:  # NaN fails too
        return False
    furthest = rows.max() * residual * 2.0 * (1.0 + rounding)
    return furthest <= NEAR * smallest


@strict_jit
def near_exact(
    points: Any, plus: Any, minus: Any, at: Any, weights: Any, refinements: int, worst: float
) -> Any:
    """Prove one certificate: rows (e_plus − e_minus) ⊗ points[at], weights > 0.

    Returns (proved, weights), the weights improved by Newton steps if refinements > 0. Every
    equation must also vanish to `worst` times the sum of its terms' sizes.
    """
    q, classes = len(at), 0
    if q < 2:
        return False, weights
    for t in range(q):
        if plus[t] == minus[t] or min(plus[t], minus[t]) < 0:
            return False, weights
        classes = max(classes, max(plus[t], minus[t]) + 1)
    if q == 2 and plus[0] == minus[1] and minus[0] == plus[1]:
        same = (points[at[0]] == points[at[1]]).all()
        near = refinements > 0 or abs(weights[0] - weights[1]) <= worst * weights[0]
        if same and near and weights.min() > 0.0:
            return True, np.full(2, weights[0])
    kept = _kept_equations(points, plus, minus, at, classes)
    count = len(kept)
    if count >= q:
        return False, weights
    matrix, eta, exponents = _system(points, plus, minus, at, weights, kept)
    if len(matrix) == 0:
        return False, weights
    if count == q - 1:
        basis, square = np.arange(q), np.ones((q, q))
        square[:count] = matrix
    else:
        basis = _pivots(matrix)
        square = matrix[:, basis].copy()
    inverse = _inverse(square)
    if len(inverse) == 0:
        return False, weights
    for _ in range(refinements):
        eta[basis] -= inverse[:, :count].copy() @ (matrix @ eta)
    if not eta.min() > 0.01:  # far from where it started, or NaN
        return False, weights
    proved = _shown_near(matrix, square, inverse, eta, eta[basis].min(), worst)
    better = np.empty(q)
    for t in range(q):
        better[t] = math.ldexp(eta[t], int(exponents[t]))
    return proved, better


@strict_jit
def _inverse(matrix: Any) -> Any:
    """Invert by Gauss and Jordan with row pivoting; empty if a pivot vanishes."""
    q = len(matrix)
    work = np.zeros((q, 2 * q))
    work[:, :q] = matrix
    for i in range(q):
        work[i, q + i] = 1.0
    for j in range(q):
        pivot = j
        for i in range(j + 1, q):
            if abs(work[i, j]) > abs(work[pivot, j]):
                pivot = i
        if not abs(work[pivot, j]) > 1e-200:
            return np.zeros((0, 0))
        if pivot != j:
            moved = work[pivot].copy()
            work[pivot] = work[j]
            work[j] = moved
        work[j] /= work[j, j]
        for i in range(q):
            factor = work[i, j]
            if i != j and factor != 0.0:
                work[i, j:] -= factor * work[j, j:]
    return work[:, q:].copy()


@strict_jit
def prove_all(
    points: Any, plus: Any, minus: Any, at: Any, weights: Any, ends: Any, worst: float
) -> Any:
    """Prove certificates whose rows lie one after the other, from ends[s] to ends[s + 1].

    Returns (proved (s,), weights), improved where proved.
    """
    proved = np.zeros(len(ends) - 1, np.bool_)
    better = weights.copy()
    for s in range(len(ends) - 1):
        a, b = ends[s], ends[s + 1]
        proved[s], found = near_exact(
            points, plus[a:b], minus[a:b], at[a:b], weights[a:b], REFINEMENTS, worst
        )
        if proved[s]:
            better[a:b] = found
    return proved, better
