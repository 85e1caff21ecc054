"""Small dense steps of the active-set method: pricing, row transforms, updates of R and Q.

Each function runs compiled or as plain numpy. Only pricing, the one step that touches every
training row, has a version of its own for each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.measures.pair_proxy.jit import finite_jit, jit, strict_jit

FAR = 1e300


def _price_loops(block: Any, columns: Any, labels: Any, weights: Any, own: Any, ratio: Any) -> Any:
    classes, n = ratio.shape
    r = columns.shape[0]
    whole = r - r % 3
    for k in range(classes - 1):
        row = ratio[k]
        row[:] = 0.0
        for j in range(0, whole, 3):
            a, b, c = block[k, j], block[k, j + 1], block[k, j + 2]
            x, y, z = columns[j], columns[j + 1], columns[j + 2]
            for i in range(n):
                row[i] += a * x[i] + b * y[i] + c * z[i]
        for j in range(whole, r):
            a, x = block[k, j], columns[j]
            for i in range(n):
                row[i] += a * x[i]
    ratio[classes - 1] = 0.0
    for i in range(n):
        own[i] = ratio[labels[i], i]
        ratio[labels[i], i] = -FAR
    # The minimum over classes first, point by point: one over all would wait for itself.
    lows = np.full(n, FAR)
    for k in range(classes):
        row, weight = ratio[k], weights[k]
        for i in range(n):
            value = (own[i] - row[i]) * weight[i]
            lows[i] = value if value < lows[i] else lows[i]
    where = 0
    for i in range(n):
        if lows[i] < lows[where]:
            where = i
    lowest, rival = FAR, 0
    for k in range(classes):
        value = (own[where] - ratio[k, where]) * weights[k, where]
        if value < lowest:
            lowest, rival = value, k
    return lowest, rival, where


# price(block (K−1, r), columns (r, n), labels, weights (K, n), scratch (n,), scratch (K, n)):
# the smallest a_ik·U · weight_ik over training rows, and where it is: (value, k, i).
price = finite_jit(_price_loops)


@jit
def transform(inverse: Any, plus: int, minus: int, vector: Any, last: int) -> Any:
    """Return L⁻¹ applied to (e_plus − e_minus) ⊗ vector; inverse holds the rows of L⁻ᵀ."""
    r = vector.shape[0]
    row = np.zeros(inverse.shape[1])
    for i in range(r):
        value = vector[i]
        if plus < last and minus < last:
            row += value * (inverse[plus * r + i] - inverse[minus * r + i])
        elif plus < last:
            row += value * inverse[plus * r + i]
        else:
            row -= value * inverse[minus * r + i]
    return row


@jit
def split(basis: Any, row: Any) -> Any:
    """Split a row into its coefficients in an orthonormal basis and the rest.

    Twice is enough, and once if little was taken away (Daniel, Gragg, Kaufman & Stewart 1976).
    """
    inner = basis @ row
    rest = row - inner @ basis
    if rest @ rest > 0.5 * (row @ row):
        return inner, rest
    again = basis @ rest
    return inner + again, rest - again @ basis


@jit
def solve_upper(factor: Any, right: Any) -> Any:
    """Solve R x = right for upper triangular R, stored by columns (row j holds column j)."""
    x = right.copy()
    for j in range(x.shape[0] - 1, -1, -1):
        x[j] /= factor[j, j]
        x[:j] -= x[j] * factor[j, :j]
    return x


@jit
def drop(basis: Any, factor: Any, count: int, position: int) -> None:
    """Remove one active row: shift the columns of R, restore the triangle by rotations of Q."""
    for j in range(position, count - 1):
        factor[j, : j + 2] = factor[j + 1, : j + 2]
    for j in range(position, count - 1):
        size = np.hypot(factor[j, j], factor[j, j + 1])
        c, s = factor[j, j] / size, factor[j, j + 1] / size
        for column in range(j, count - 1):
            a, b = factor[column, j], factor[column, j + 1]
            factor[column, j] = c * a + s * b
            factor[column, j + 1] = c * b - s * a
        first = c * basis[j] + s * basis[j + 1]
        basis[j + 1] = c * basis[j + 1] - s * basis[j]
        basis[j] = first


@jit
def blocking(multipliers: Any, change: Any, count: int, floor: float) -> Any:
    """Find how far the multipliers can move along −change, and which one reaches zero first."""
    furthest, position = np.inf, -1
    for j in range(count):
        if change[j] > floor and multipliers[j] < furthest * change[j]:
            furthest, position = multipliers[j] / change[j], j
    return furthest, position


@jit
def share(block: Any, targets: Any, status: Any, owner: Any, number: int, unknown: int) -> int:
    """Label every probe with U and mark the pairs this settles; return how many were new.

    status (p, K) and owner (p, K) are updated in place. A narrow win is left to its own solve.
    """
    scores = targets @ block.T
    found = 0
    for x in range(scores.shape[0]):
        best, second, top = 0.0, -FAR, scores.shape[1]
        size = 0.0
        for k in range(scores.shape[1]):
            value = scores[x, k]
            size = max(size, abs(value))
            if value > best:
                second, best, top = best, value, k
            elif value > second:
                second = value
        if best - second > 1e-7 * size and status[x, top] == unknown:
            status[x, top] = 1
            owner[x, top] = number
            found += 1
    return found


@strict_jit
def layers_hold(layers: Any, columns: Any, told: Any, rounding: float, underflow: float) -> Any:
    """Say which layers (w, K, d+1) label all points (columns, (d+1, n)) by more than rounding.

    The bound is `rounding` times Σ_j max_k |u_kj| |x_j|, plus `underflow`.
    """
    count, classes, width = layers.shape
    n = columns.shape[1]
    held = np.ones(count, np.bool_)
    scores, own, size = np.empty((classes, n)), np.empty(n), np.empty(n)
    sizes = np.abs(columns)
    for w in range(count):
        layer = layers[w]
        size[:] = underflow
        for j in range(width):
            largest, x = rounding * np.abs(layer[:, j]).max(), sizes[j]
            for i in range(n):
                size[i] += largest * x[i]
        for k in range(classes):
            row = scores[k]
            row[:] = 0.0
            for j in range(width):
                u, x = layer[k, j], columns[j]
                for i in range(n):
                    row[i] += u * x[i]
        for i in range(n):
            own[i] = scores[told[i], i] - size[i]
            scores[told[i], i] = -FAR
        close = False
        for k in range(classes):
            row = scores[k]
            for i in range(n):
                close |= not own[i] > row[i]
        held[w] = not close
    return held
