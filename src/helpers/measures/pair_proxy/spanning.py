"""A certificate whose rows span: it has the slack that a proof by perturbation needs.

The few rows that an active set ends with may lie in a subspace that only the exact features share
(zeros of a ReLU after a linear map in floats). Their combination then vanishes to rounding, and no
exact one exists on these rows alone. Where no layer weakly satisfies all rows either, the cone of
all rows is the whole space, so any combination can be completed to zero with nonnegative weights:
start from weight 1 on rows that span, and complete it.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg, optimize

from helpers.measures.pair_proxy.problem import Floats, Ints


def spanning_rows(rows: Floats) -> Ints:
    """Choose as many rows of (N, m) as they have dimensions, well apart (pivoted QR)."""
    _, _, order = linalg.qr(rows.T, mode="economic", pivoting=True)
    return np.asarray(order[: min(rows.shape)], dtype=np.int64)


def complete(rows: Floats, spanning: Ints) -> Floats | None:
    """Find weights ≥ 0 (N,), at least 1 on `spanning`, with which rows (N, m) cancel to rounding.

    One problem of nonnegative least squares (Lawson & Hanson 1974). None if it does not converge.
    """
    start = np.zeros(len(rows))
    start[spanning] = 1.0
    try:
        weights, residual = optimize.nnls(rows.T, -(start @ rows))
    except RuntimeError:
        return None
    return start + weights if residual <= 1e-9 * len(spanning) else None
