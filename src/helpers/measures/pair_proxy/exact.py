"""Exact rational arithmetic: which of Gordan's two alternatives holds, beyond any rounding.

Floats are rationals with a power of two below the line, so every row becomes a row of integers
after scaling by a positive number. A simplex method on integers (Edmonds 1967, Bareiss 1968: every
division is exact) then solves

    min b·U  subject to  r_j·U ≥ h_j for every row j,
    dual:  max h·λ  subject to  Σ λ_j r_j = b,  λ ≥ 0,

where h > 0 is at choice (the cone is homogeneous) and b is a positive combination of the rows of
the first basis, so that the dual starts feasible. Either the U of a basis satisfies all rows, which
is a witness, or a violated row enters and no row of the basis blocks it: the dual is unbounded, and
its ray is a vanishing combination.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helpers.measures.pair_proxy.problem import Floats, Ints

Row = tuple[int, int, int]  # (plus, minus, point): (e_plus − e_minus) ⊗ row of the point
MAX_PIVOTS = 5_000
MAX_WORK = 2_000_000  # numbers updated in pivots: seconds, or half a minute if these are long
MAX_TRIED = 200  # hinted rows that are tried as the last row of a vanishing combination


@dataclass(frozen=True)
class Alternative:
    """Hold a witness (integer weights (K, d+1)) or the rows and weights of a combination."""

    witness: NDArray[Any] | None
    rows: list[Row]
    weights: list[Fraction]


@dataclass
class Work:
    """Count down how many numbers pivots may still update."""

    left: int = MAX_WORK


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

    def __init__(self, points: NDArray[Any], classes: int, least: NDArray[Any], work: Work) -> None:
        self.points, self.classes, self.least, self.work = points, classes, least, work
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
        self.work.left -= self.adjugate.size
        pivot, column = coefficients[leaving], self.adjugate[:, leaving].copy()
        updated = (self.adjugate * pivot - np.outer(column, coefficients)) // self.scale
        updated[:, leaving] = column
        self.adjugate, self.scale = (updated, pivot) if pivot > 0 else (-updated, -pivot)
        self.rows[leaving] = row

    def start(self) -> NDArray[Any]:
        """Return b = Σ θ_i r_i over the basis, the θ distinct so that ties are unlikely."""
        values, width = self.points, self.points.shape[1]
        out = np.zeros(len(self.rows), dtype=object)
        for at, row in enumerate(self.rows):
            if row is None:
                continue
            for block, sign in ((row[0], 1), (row[1], -1)):
                if block < self.classes - 1:
                    part = slice(block * width, (block + 1) * width)
                    out[part] = out[part] + sign * (1009 + 7 * at) * values[row[2]]
        return out

    def witness(self) -> NDArray[Any]:
        """Return scale times the U that gives every basis row its level h, as (K, width)."""
        levels = np.array([self.least[row[2]] for row in self.rows if row], dtype=object)
        values = self.adjugate.dot(levels).reshape(self.classes - 1, -1)
        return np.vstack([values, np.zeros((1, values.shape[1]), dtype=object)])


def decide(
    points: Floats | NDArray[Any],
    told: Ints,
    classes: int,
    hint: list[Row],
    lengths: Floats | None = None,
    work: Work | None = None,
) -> Alternative | None:
    """Decide exactly whether some layer labels every row of points (n, d+1) as told (n,).

    The hint lists rows believed to matter: they form the first basis, which makes few pivots
    enough. lengths (n,) > 0 are sizes of the rows in well-scaled coordinates; they steer the path,
    not the answer. Returns None only if MAX_PIVOTS or the work allowed did not suffice.
    """
    whole = integers(points)
    least = _levels(whole, points, lengths)
    width = whole.shape[1]
    if classes == 1:
        return Alternative(np.zeros((1, width), dtype=object), [], [])
    kept = independent_columns(whole)
    matrix = whole[:, kept]
    work = Work() if work is None else work
    basis = _Basis(matrix, classes, least, work)
    others = independent_columns(matrix.T)
    spanning = [(int(told[i]), k, i) for i in others for k in range(classes) if k != told[i]]
    for row in [*hint, *spanning]:
        if work.left < 0:
            return None
        if None not in basis.rows and row not in hint[:MAX_TRIED]:
            break
        coefficients = basis.coefficients(row)
        free = [at for at, r in enumerate(basis.rows) if r is None and coefficients[at]]
        if free:
            basis.exchange(row, coefficients, free[0])
        elif row not in basis.rows and all(value <= 0 for value in coefficients):
            return _combination(basis, row, coefficients)
    price = basis.start()
    for _ in range(MAX_PIVOTS):
        if work.left < 0:
            return None
        layer = basis.witness()
        short = _lowest(matrix, told, layer, least * basis.scale)
        if short is None:
            answer = np.zeros((classes, width), dtype=object)
            answer[:, kept] = layer
            return Alternative(answer, [], [])
        coefficients = basis.coefficients(short)
        blocking = [at for at, value in enumerate(coefficients) if value > 0]
        if not blocking:
            return _combination(basis, short, coefficients)
        levels = price.dot(basis.adjugate)
        leaving = min(blocking, key=lambda at: Fraction(int(levels[at]), int(coefficients[at])))
        basis.exchange(short, coefficients, leaving)
    return None


def _combination(basis: _Basis, row: Row, coefficients: NDArray[Any]) -> Alternative:
    used = [(r, v) for r, v in zip(basis.rows, coefficients, strict=True) if v and r]
    weights = [Fraction(-int(v), basis.scale) for _, v in used]
    return Alternative(None, [row, *(r for r, _ in used)], [Fraction(1), *weights])


def vanishing_weights(
    points: Floats, rows: list[Row], work: Work | None = None
) -> list[Fraction] | None:
    """Find exact weights ≥ 0, not all zero, with which the rows cancel (point −1: the last one).

    Returns one weight for each row, or None if no such weights exist (or the work is used up).
    """
    used = sorted({point % len(points) for *_, point in rows})
    position = {point: at for at, point in enumerate(used)}
    whole = integers(points[used])
    classes = 1 + max(max(plus, minus) for plus, minus, _ in rows)
    width = whole.shape[1]
    system = np.zeros((len(rows), classes * width), dtype=object)
    for at, (plus, minus, point) in enumerate(rows):
        values = whole[position[point % len(points)]]
        system[at, plus * width : (plus + 1) * width] += values
        system[at, minus * width : (minus + 1) * width] -= values
    # The rows as points of one two-class problem: "every row gets a positive value".
    answer = decide_rows(system, work)
    if answer is None or answer.witness is not None:
        return None
    weights = [Fraction(0)] * len(rows)
    for (_, _, at), weight in zip(answer.rows, answer.weights, strict=True):
        # The last entry of a homogenised row is 1, so its integer is the factor it was scaled by.
        weights[at] += weight * int(whole[position[rows[at][2] % len(points)], -1])
    return weights


def decide_rows(system: NDArray[Any], work: Work | None = None) -> Alternative | None:
    """Decide exactly whether some U has r·U > 0 for every row r of an integer matrix."""
    return decide(system, np.zeros(len(system), dtype=np.int64), 2, [], work=work)


def _levels(
    whole: NDArray[Any], points: Floats | NDArray[Any], lengths: Floats | None
) -> NDArray[Any]:
    """Choose h > 0 for each row, in proportion to its length in well-scaled coordinates."""
    if lengths is None:
        return np.array([1] * len(whole), dtype=object)
    factors = [int(a[-1]) * Fraction(float(size)) for a, size in zip(whole, lengths, strict=True)]
    unit = max(min((f for f in factors if f > 0), default=Fraction(1)), Fraction(1, 2**200)) / 2**20
    return np.array([max(1, int(factor / unit)) for factor in factors], dtype=object)


def _lowest(
    matrix: NDArray[Any], told: Ints, layer: NDArray[Any], least: NDArray[Any]
) -> Row | None:
    """Find the row that falls short most (values and least are scaled), None if none does."""
    scores = matrix.dot(layer.T)
    index = np.arange(len(told))
    slack = scores[index, told][:, None] - scores - least[:, None]
    slack[index, told] = 0
    rivals = slack.argmin(axis=1)
    worst = slack[index, rivals]
    short = np.flatnonzero(worst < 0)
    if not len(short):
        return None
    i = min(short, key=lambda at: Fraction(int(worst[at]), int(least[at])))
    return (int(told[i]), int(rivals[i]), int(i))
