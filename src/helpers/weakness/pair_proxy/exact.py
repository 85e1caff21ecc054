"""Exact rational arithmetic: which of Gordan's two alternatives holds, beyond any rounding.

Floats are rationals with a power of two below the line, so every row becomes a row of integers
after scaling by a positive number. A simplex method on integers (Edmonds 1967, Bareiss 1968: every
division is exact) then solves

    max Σλ  subject to  Σ λ_j r_j = 0,  λ ≥ 0,        dual:  r_j·U ≥ 1 for every row j.

Every basis sits at λ = 0. Either the dual solution of a basis satisfies all rows, which is a
witness, or entering a violated row meets no blocking row, and the vanishing combination is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .problem import Floats, Ints

Row = tuple[int, int, int]  # (plus, minus, point): (e_plus − e_minus) ⊗ row of the point
GREEDY_PIVOTS = 2_000  # most violated row first; then Bland's rule, which cannot cycle
MAX_PIVOTS = 20_000


@dataclass(frozen=True)
class Alternative:
    """Hold a witness (integer weights (K, d+1)) or the rows and weights of a combination."""

    witness: NDArray[Any] | None
    rows: list[Row]
    weights: list[Fraction]


def integers(rows: NDArray[Any]) -> NDArray[Any]:
    """Scale each row by a positive number to integers (dtype object), with no common factor."""
    out = np.empty(rows.shape, dtype=object)
    for at, row in enumerate(rows):
        values = [Fraction(value) for value in row]
        below = max((value.denominator for value in values), default=1)
        if any(below % value.denominator for value in values):
            below = int(np.lcm.reduce(np.array([v.denominator for v in values], dtype=object)))
        whole = [int(value * below) for value in values]
        factor = int(np.gcd.reduce(np.array(whole, dtype=object))) or 1
        out[at] = [value // factor for value in whole]
    return out


def labels_strictly(rows: NDArray[Any], points: Floats, told: Ints) -> bool:
    """Check exactly that the layer (K, d+1) puts told[i] strictly on top at every row (n, d+1)."""
    layer = integers(rows.reshape(1, -1)).reshape(rows.shape)
    scores = integers(points).dot(layer.T)
    return all(
        all(s[c] > value for k, value in enumerate(s) if k != c)
        for s, c in zip(scores, told, strict=True)
    )


def independent_columns(matrix: NDArray[Any]) -> list[int]:
    """Return the positions of a maximal set of independent columns of an integer matrix."""
    pivots: list[tuple[int, NDArray[Any]]] = []
    for row in matrix:
        row = row.copy()
        for column, known in pivots:
            if row[column]:
                row = row * known[column] - known * row[column]
        nonzero = np.flatnonzero(row)
        if len(nonzero):
            factor = int(np.gcd.reduce(row[nonzero]))
            pivots.append((int(nonzero[0]), row // factor))
            if len(pivots) == matrix.shape[1]:
                break
    return sorted(column for column, _ in pivots)


class _Basis:
    """Independent rows B with their integer adjugate: B⁻¹ = adjugate / scale, scale > 0."""

    def __init__(self, points: NDArray[Any], classes: int) -> None:
        self.points, self.classes = points, classes
        size = (classes - 1) * points.shape[1]
        self.adjugate = np.array([[int(i == j) for j in range(size)] for i in range(size)], object)
        self.adjugate = self.adjugate.reshape(size, size)
        self.scale = 1
        self.rows: list[Row | None] = [None] * size

    def coefficients(self, row: Row) -> NDArray[Any]:
        """Return scale times the coefficients of a row in the basis."""
        plus, minus, point = row
        values, width = self.points[point], self.points.shape[1]
        out = np.zeros(len(self.rows), dtype=object)
        if plus < self.classes - 1:
            out = out + values.dot(self.adjugate[plus * width : (plus + 1) * width])
        if minus < self.classes - 1:
            out = out - values.dot(self.adjugate[minus * width : (minus + 1) * width])
        return np.asarray(out)

    def exchange(self, row: Row, coefficients: NDArray[Any], leaving: int) -> None:
        """Replace the basis row at one position (its coefficient must not be zero)."""
        pivot, column = coefficients[leaving], self.adjugate[:, leaving].copy()
        updated = (self.adjugate * pivot - np.outer(column, coefficients)) // self.scale
        updated[:, leaving] = column
        self.adjugate, self.scale = (updated, pivot) if pivot > 0 else (-updated, -pivot)
        self.rows[leaving] = row

    def witness(self) -> NDArray[Any]:
        """Return scale times the U that gives every basis row the value 1, as (K, width)."""
        values = self.adjugate.sum(axis=1).reshape(self.classes - 1, -1)
        return np.vstack([values, np.zeros((1, values.shape[1]), dtype=object)])


def decide(points: Floats, told: Ints, classes: int, hint: list[Row]) -> Alternative | None:
    """Decide exactly whether some layer labels every row of points (n, d+1) as told (n,).

    The hint lists rows believed to matter: they form the first basis, which makes few pivots
    enough. Returns None only if MAX_PIVOTS did not suffice.
    """
    whole = integers(points)
    width = whole.shape[1]
    if classes == 1:
        return Alternative(np.zeros((1, width), dtype=object), [], [])
    kept = independent_columns(whole)
    matrix = whole[:, kept]
    basis = _Basis(matrix, classes)
    others = independent_columns(matrix.T)
    spanning = [(int(told[i]), k, i) for i in others for k in range(classes) if k != told[i]]
    for row in [*hint, *spanning]:
        if None not in basis.rows:
            break
        coefficients = basis.coefficients(row)
        free = [at for at, r in enumerate(basis.rows) if r is None and coefficients[at]]
        if free:
            basis.exchange(row, coefficients, free[0])
    for pivot in range(MAX_PIVOTS):
        layer = basis.witness()
        row = _violated(matrix, told, layer, basis.scale, greedy=pivot < GREEDY_PIVOTS)
        if row is None:
            answer = np.zeros((classes, width), dtype=object)
            answer[:, kept] = layer
            return Alternative(answer, [], [])
        coefficients = basis.coefficients(row)
        blocking = [at for at, value in enumerate(coefficients) if value > 0]
        if not blocking:
            used = [(r, v) for r, v in zip(basis.rows, coefficients, strict=True) if v and r]
            weights = [Fraction(-int(v), basis.scale) for _, v in used]
            return Alternative(None, [row, *(r for r, _ in used)], [Fraction(1), *weights])
        leaving = min(blocking, key=lambda at: _order(basis.rows[at], classes))
        basis.exchange(row, coefficients, leaving)
    return None


def combination_vanishes(points: Floats, rows: list[Row]) -> bool:
    """Say exactly whether some nonnegative, nonzero combination of the given rows vanishes."""
    whole = integers(points)
    classes = 1 + max(max(plus, minus) for plus, minus, _ in rows)
    width = whole.shape[1]
    system = np.zeros((len(rows), classes * width), dtype=object)
    for at, (plus, minus, point) in enumerate(rows):
        system[at, plus * width : (plus + 1) * width] += whole[point]
        system[at, minus * width : (minus + 1) * width] -= whole[point]
    # The rows as points of one two-class problem: "every row gets a positive value".
    answer = decide_rows(system)
    return answer is not None and answer.witness is None


def decide_rows(system: NDArray[Any]) -> Alternative | None:
    """Decide exactly whether some U has r·U > 0 for every row r of an integer matrix."""
    return decide(system, np.zeros(len(system), dtype=np.int64), 2, [])


def _violated(
    matrix: NDArray[Any], told: Ints, layer: NDArray[Any], scale: int, greedy: bool
) -> Row | None:
    """Find a row below 1 (values are scaled): the lowest one, or the first in order (Bland)."""
    scores = matrix.dot(layer.T)
    index = np.arange(len(told))
    slack = scores[index, told][:, None] - scores
    slack[index, told] = scale
    if greedy:
        flat = int(np.argmin(slack))
    else:
        below = np.flatnonzero(slack.ravel() < scale)
        flat = int(below[0]) if len(below) else 0
    i, k = divmod(flat, slack.shape[1])
    return (int(told[i]), int(k), int(i)) if slack[i, k] < scale else None


def _order(row: Row | None, classes: int) -> int:
    return -1 if row is None else row[2] * classes + row[1]
