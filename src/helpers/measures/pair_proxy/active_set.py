"""One question, "can this probe take class c?", by a dual active-set method.

Let H be the barrier Hessian at the centre U₀ of the training cone. The method projects the centre,
in the metric of H, on {a_ik·U ≥ 0} ∩ {t_k·U ≥ τ‖t_k‖}, where t_k·U = (u_c − u_k)·x are the K−1
rows that put class c on top at the probe x (Goldfarb & Idnani 1983; orthogonal factors of the
active rows are updated, not recomputed). It starts at the centre, where every training row is
slack, and adds the most violated row until either

* the ray from the centre through the iterate enters the target before it leaves the cone: any point
  between is a witness; or
* the row to add is minus a nonnegative combination of active rows: with these weights a nonnegative
  combination of rows vanishes, which proves that no layer satisfies all of them strictly
  (Gordan 1873; Farkas 1902).

In coordinates v = LᵀU (H = L Lᵀ) the metric is Euclidean and a row a becomes L⁻¹a.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.measures.pair_proxy.jit import jit
from helpers.measures.pair_proxy.kernels import (
    FAR,
    blocking,
    drop,
    price,
    share,
    solve_upper,
    split,
    transform,
)

FEASIBLE, INFEASIBLE, AMBIGUOUS, UNKNOWN = 1, 0, -1, -2
# How far past the boundary the target rows are pushed (τ): small, so that few rows get in the way.
PUSH = 1e-3
# A row is a combination of active rows if what remains of it is this small a share of the terms
# that cancel, or ten times what rounding of the features amounts to in whitened coordinates.
# `solve` checks the proof against the original features, and settles the pair if it fails there.
DEPENDENT = 1e-12
# The part of the ray that lies in both cones must be at least this share of it.
SLIM = 1e-6


@jit
def solve_pair(cone: Any, probe: Any, wanted: int, max_steps: int) -> Any:
    """Decide one (probe, class) pair.

    cone is (points (n, r) unit rows, columns (r, n) the same transposed, labels (n,), weights
    (K, n) = 1/slack at the centre, inverse (m, m) = rows of L⁻ᵀ, centre (m,) = LᵀU₀, noise);
    probe (r,) is a unit row.

    Returns (outcome, U (K−1, r), rows (q, 3), weights (q,), steps). If FEASIBLE, U is strictly
    inside both cones. If INFEASIBLE, rows list (plus, minus, index) for (e_plus − e_minus) ⊗
    z_index, index −1 being the probe, and weights are nonnegative. AMBIGUOUS: no decision in
    max_steps; rows are those that were active.
    """
    points, columns, labels, weights, inverse, centre, noise = cone
    classes, n = weights.shape
    last, r = classes - 1, probe.shape[0]
    m = centre.shape[0]
    own, ratio = np.empty(n), np.empty((classes, n))
    start = (inverse @ centre).reshape(last, r)
    current, v = start, centre.copy()
    goals, lengths = np.zeros((classes, m)), np.ones(classes)
    own_part = transform(inverse, wanted, last, probe, last) if wanted < last else np.zeros(m)
    for k in range(classes):
        if k != wanted:
            goals[k] = own_part
            if k < last:
                goals[k] -= transform(inverse, k, last, probe, last)
            lengths[k] = np.sqrt(goals[k] @ goals[k])
    base = goals @ centre
    basis, factor = np.empty((m, m)), np.empty((m, m))
    rows, multipliers = np.empty((m + 1, 3), np.int64), np.zeros(m + 1)
    sizes, rounding = np.empty(m), max(DEPENDENT, 10.0 * noise)
    count = 0
    for step in range(max_steps):
        lowest, low_class, low_point = 1.0, 0, 0
        if step > 0:
            current = (inverse @ v).reshape(last, r)
            lowest, low_class, low_point = price(current, columns, labels, weights, own, ratio)
        # Where does the ray U₀ + t (U − U₀) enter the target, and where does it leave the cone?
        enter, leave = 0.0, FAR
        if lowest < 1.0:
            leave = 1.0 / (1.0 - lowest)
        values = goals @ v
        worst, goal = FAR, -1
        for k in range(classes):
            if k == wanted:
                continue
            gain = values[k] - base[k]
            if base[k] <= 0.0:
                enter = max(enter, -base[k] / gain) if gain > 0.0 else FAR
            elif gain < 0.0:
                leave = min(leave, base[k] / -gain)
            excess = values[k] / lengths[k] - PUSH
            if excess < worst:
                worst, goal = excess, k
        satisfied = worst >= -1e-9 * PUSH and lowest >= -1e-9
        if enter < leave * (1.0 - SLIM) or (satisfied and enter < leave):
            t = 0.5 * (enter + leave) if leave < FAR else 2.0 * enter + 1.0
            return FEASIBLE, start + t * (current - start), rows[:count], multipliers[:count], step
        if satisfied:
            break
        # The row to add: the most violated one, each measured in its own natural unit.
        if worst <= lowest:
            plus, minus, index, row = wanted, goal, -1, goals[goal]
            violation = values[goal] - PUSH * lengths[goal]
        else:
            plus, minus, index = labels[low_point], low_class, low_point
            row = transform(inverse, plus, minus, points[low_point], last)
            violation = row @ v
        size, weight = np.sqrt(row @ row), 0.0
        while True:
            inner, rest = split(basis[:count], row)
            change = solve_upper(factor, inner)
            length = np.sqrt(rest @ rest)
            whole = size + np.abs(change) @ sizes[:count]
            dependent = count == m or length <= rounding * whole
            t, position = blocking(multipliers, change, count, 0.1 * rounding * size)
            if dependent and position < 0:
                rows[count, 0], rows[count, 1], rows[count, 2] = plus, minus, index
                multipliers[:count] = np.maximum(-change, 0.0)
                multipliers[count] = 1.0
                end = count + 1
                return INFEASIBLE, current, rows[:end], multipliers[:end], step
            full = FAR if dependent else -violation / (length * length)
            add = full <= t
            t = min(t, full)
            multipliers[:count] -= t * change
            weight += t
            if not dependent:
                v += t * rest
                violation += t * length * length
            if add:
                basis[count] = rest / length
                factor[count, :count] = inner
                factor[count, count] = length
                rows[count, 0], rows[count, 1], rows[count, 2] = plus, minus, index
                multipliers[count], sizes[count] = weight, size
                count += 1
                break
            drop(basis, factor, count, position)
            rows[position : count - 1] = rows[position + 1 : count].copy()
            multipliers[position : count - 1] = multipliers[position + 1 : count].copy()
            sizes[position : count - 1] = sizes[position + 1 : count].copy()
            count -= 1
    return AMBIGUOUS, current, rows[:count], multipliers[:count], max_steps


@jit
def solve_probe(
    cone: Any, targets: Any, x: int, status: Any, owner: Any, found: int, max_steps: int
) -> Any:
    """Decide every class still unknown at probe x; label all probes with each new witness.

    status and owner (p, K) are updated in place. Returns (witnesses (w, K−1, r), number of proofs,
    their rows and weights one after the other, their ends, their classes, steps).
    """
    classes = status.shape[1]
    m = cone[5].shape[0]
    witnesses = np.empty((classes, classes - 1, targets.shape[1]))
    rows = np.empty((classes * (m + 1), 3), np.int64)
    weights = np.empty(classes * (m + 1))
    ends, proved = np.zeros(classes + 1, np.int64), np.empty(classes, np.int64)
    fresh, proofs, steps = 0, 0, 0
    for c in range(classes):
        if status[x, c] != UNKNOWN:
            continue
        outcome, point, used, multipliers, taken = solve_pair(cone, targets[x], c, max_steps)
        steps += taken
        status[x, c] = outcome
        if outcome == FEASIBLE:
            witnesses[fresh] = point
            owner[x, c] = found + fresh
            share(point, targets, status, owner, found + fresh, UNKNOWN)
            fresh += 1
        else:
            begin = ends[proofs]
            end = begin + len(used)
            rows[begin:end] = used
            weights[begin:end] = multipliers
            proved[proofs] = c
            proofs += 1
            ends[proofs] = end
    end = ends[proofs]
    return witnesses[:fresh], rows[:end], weights[:end], ends[: proofs + 1], proved[:proofs], steps
