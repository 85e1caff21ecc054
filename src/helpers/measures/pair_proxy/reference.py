"""The slow way: one linear program for each (probe, class) pair, as the definition says it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from helpers.errors import UserError
from helpers.measures.pair_proxy.problem import Floats, Ints, check_inputs, homogenise


def constraint_rows(rows: Floats, told: Ints, classes: int) -> Floats:
    """Write (e_y − e_k) ⊗ φ̃ for every row (n, d+1) and k ≠ y: (n·(K−1), K·(d+1))."""
    n, width = rows.shape
    system = np.zeros((n, classes, classes, width))  # point, rival k, block, column
    everyone = np.arange(classes)
    system[:, everyone, everyone] = -rows[:, None]
    system[np.arange(n), :, told] += rows[:, None]
    keep = everyone != told[:, None]
    return system[keep].reshape(-1, classes * width)


def pair_proxy_reference(
    features: ArrayLike,
    labels: ArrayLike,
    probes: ArrayLike,
    *,
    classes: int | None = None,
    margin: float = 1.0,
    careful: bool = True,
) -> NDArray[np.int8]:
    """Decide every pair by scipy's linprog (HiGHS): rows·U ≥ margin, K·(d+1) free unknowns.

    Returns status (p, K): 1 feasible, 0 infeasible, −1 if the solver gave neither answer.
    careful=True scales the columns of the features, divides by the margin (the constraints are
    homogeneous, so this changes nothing but the size of the solution, and a margin of 1e-6 no
    longer drowns in the solver's tolerance of 1e-7), asks for the tightest tolerances, and
    believes a "feasible" only if the solution meets every row. careful=False sends the program
    as it stands with default options.
    """
    phi, y, x, k = check_inputs(features, labels, probes, classes)
    if not margin > 0:
        raise UserError(f"margin is {margin}; expected a positive number, since rows are strict")
    train, queries = homogenise(phi), homogenise(x)
    if careful:
        columns = np.abs(train).max(axis=0)
        columns[columns == 0] = 1.0
        train, queries, margin = train / columns, queries / columns, 1.0
    rows = constraint_rows(train, y, k)
    status = np.full((len(x), k), -1, dtype=np.int8)
    for probe, query in enumerate(queries):
        for c in range(k):
            asked = constraint_rows(query[None], np.array([c]), k)
            status[probe, c] = _feasible(np.vstack([rows, asked]), margin, careful)
    return status


def _feasible(rows: Floats, margin: float, careful: bool) -> int:
    if len(rows) == 0:
        return 1
    tight = {"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9}
    solution = optimize.linprog(
        np.zeros(rows.shape[1]),
        A_ub=-rows,
        b_ub=np.full(len(rows), -margin),
        bounds=(None, None),
        method="highs",
        options=tight if careful else {},
    )
    if solution.status == 0:
        return 1 if not careful or (rows @ solution.x).min() > 0 else -1
    return 0 if solution.status == 2 else -1
