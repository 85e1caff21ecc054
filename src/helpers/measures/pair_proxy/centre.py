"""An interior point of the training cone, its analytic centre, and the metric there.

The cone is {U : a_ik·U > 0 for every training point i and class k ≠ y_i}, where
a_ik·U = (u_{y_i} − u_k)·z_i in whitened coordinates. Its centre minimises the barrier

    f(U) = Σ_ik [ −log s_ik + ½ s_ik² ],   s_ik = a_ik·U,

a self-concordant function (Nesterov & Nemirovskii 1994) whose quadratic term only fixes the scale.
Nothing in f depends on the coordinates of feature space, so neither do centre and Hessian.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize, sparse

from helpers.errors import UserError
from helpers.measures.pair_proxy.problem import Floats, Ints, Problem, homogenise

# The centre only has to be deep inside, not exact: Newton stops at this decrement.
DECREMENT = 0.25
MAX_NEWTON_STEPS = 200
# Tried in turn when rounding leaves the Hessian without a Cholesky factor: shares of its diagonal.
RIDGES = (1e-14, 1e-12, 1e-10, 1e-8)


class NoCentreError(UserError):
    """Report a start so near the boundary that rounding hides the way to the centre."""


@dataclass(frozen=True)
class Centre:
    """Hold a point deep inside the training cone and the Cholesky factor of the barrier there."""

    point: Floats  # (K−1, r)
    factor: Floats  # (m, m) lower triangular L, barrier Hessian = L Lᵀ, m = (K−1)·r
    newton_steps: int


def slacks(problem: Problem, point: Floats) -> Floats:
    """Return s_ik = (u_{y_i} − u_k)·z_i as (n, K), with +inf where k = y_i."""
    scores = problem.points @ _with_last(point).T
    index = np.arange(len(scores))
    slack = scores[index, problem.labels][:, None] - scores
    slack[index, problem.labels] = np.inf
    return slack


def from_layer(problem: Problem, weights: Floats, bias: Floats) -> Floats | None:
    """Express a trained layer (K, d), (K,) in whitened coordinates; None if it is not interior."""
    rows = np.hstack([weights, bias[:, None]])
    rows = rows[:-1] - rows[-1]
    # On the span of the training rows the layer acts as these whitened weights (least squares).
    whitened = problem.points * problem.point_lengths[:, None]
    values = homogenise(problem.features) @ rows.T
    point = np.linalg.lstsq(whitened, values, rcond=None)[0].T
    smallest = slacks(problem, point).min(initial=np.inf)
    scale = np.linalg.norm(point) if point.size else 1.0
    return np.ascontiguousarray(point) if smallest > 100 * problem.noise * scale else None


def max_margin(problem: Problem) -> tuple[Floats, float, Floats]:
    """Solve max t with a_ik·U ≥ t and |U| ≤ 1 entrywise (one linear program, HiGHS).

    Returns the point (K−1, r), its margin t, and multipliers (n, K) ≥ 0: at t = 0 they are
    candidates for a Farkas certificate of inconsistent labels.
    """
    rows = training_rows(problem)
    m = rows.shape[1]
    system = sparse.hstack([-rows, np.ones((rows.shape[0], 1))]).tocsr()
    solution = optimize.linprog(
        np.r_[np.zeros(m), -1.0],
        A_ub=system,
        b_ub=np.zeros(rows.shape[0]),
        bounds=[(-1.0, 1.0)] * m + [(0.0, 1.0)],
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    multipliers = np.zeros((len(problem.points), problem.classes))
    if solution.x is None:  # never seen: U = 0, t = 0 is feasible and the program is bounded
        return np.zeros((problem.classes - 1, problem.rank)), 0.0, multipliers
    multipliers[training_pairs(problem)] = np.maximum(-solution.ineqlin.marginals, 0.0)
    point = solution.x[:-1].reshape(problem.classes - 1, problem.rank)
    return point, float(slacks(problem, point).min(initial=np.inf)), multipliers


def tight_rows(problem: Problem, probe: int = -1, wanted: int = -1) -> list[tuple[int, int, int]]:
    """List rows (plus, minus, point) by how tight they are at the widest layer, tightest first.

    The layer maximises the smallest slack for a fixed mean slack, over the training rows and, if a
    probe is named, its rows for the wanted class (point −1). Exact arithmetic starts from these.
    """
    i, k = training_pairs(problem)
    plus, minus, point = problem.labels[i], k, i
    rows = training_rows(problem)
    if probe >= 0:
        rivals = np.flatnonzero(np.arange(problem.classes) != wanted)
        rows = sparse.vstack([rows, asked_rows(problem, probe, wanted)]).tocsr()
        plus = np.append(plus, np.full(len(rivals), wanted))
        minus, point = np.append(minus, rivals), np.append(point, np.full(len(rivals), -1))
    m = rows.shape[1]
    solution = optimize.linprog(
        np.r_[np.zeros(m), -1.0],
        A_ub=sparse.hstack([-rows, np.ones((rows.shape[0], 1))]).tocsr(),
        b_ub=np.zeros(rows.shape[0]),
        A_eq=np.r_[np.asarray(rows.mean(axis=0)).ravel(), 0.0][None],
        b_eq=[1.0],
        bounds=(None, None),
        method="highs",
    )
    if solution.x is None:  # the mean row itself vanishes: no better order is known
        return []
    slack = rows @ solution.x[:-1]
    order = np.lexsort((slack, solution.ineqlin.marginals >= 0))
    return [(int(plus[at]), int(minus[at]), int(point[at])) for at in order]


def training_rows(problem: Problem) -> sparse.csr_array:
    """Write out the rows a_ik, (n·(K−1), (K−1)·r), in the order of np.nonzero(k ≠ y_i)."""
    i, k = training_pairs(problem)
    last, r = problem.classes - 1, problem.rank
    row, column = np.arange(len(i))[:, None], np.arange(r)
    parts = []
    for classes, sign in ((problem.labels[i], 1.0), (k, -1.0)):
        keep = classes < last
        parts.append(
            sparse.csr_array(
                (
                    (sign * problem.points[i[keep]]).ravel(),
                    (
                        np.broadcast_to(row[keep], (keep.sum(), r)).ravel(),
                        (classes[keep][:, None] * r + column).ravel(),
                    ),
                ),
                shape=(len(i), last * r),
            )
        )
    return parts[0] + parts[1]


def asked_rows(problem: Problem, probe: int, wanted: int) -> Floats:
    """Write out the rows that put a class on top at a probe, one a rival: (K−1, (K−1)·r)."""
    rivals = np.flatnonzero(np.arange(problem.classes) != wanted)
    asked = np.zeros((len(rivals), problem.classes, problem.rank))
    asked[:, wanted] = problem.targets[probe]
    asked[np.arange(len(rivals)), rivals] -= problem.targets[probe]
    return asked[:, :-1].reshape(len(rivals), -1)


def analytic_centre(problem: Problem, start: Floats) -> Centre:
    """Minimise the barrier by damped Newton from an interior point (K−1, r).

    Raises NoCentreError (a UserError) if the start is not interior or rounding stops the descent.
    """
    point = np.ldexp(start, -np.frexp(np.abs(start).max())[1])  # so that no square overflows
    for step in range(MAX_NEWTON_STEPS):
        slack = slacks(problem, point)
        if not slack.min(initial=np.inf) > 0:
            raise NoCentreError(_no_centre("a slack is not positive"))
        inverse = 1.0 / slack  # zero where k = y_i
        finite = np.where(np.isinf(slack), 0.0, slack)
        if step == 0:  # the best multiple of the start, in closed form
            scale = np.sqrt(np.isfinite(slack).sum() / (finite**2).sum())
            point, finite, inverse = point * scale, finite * scale, inverse / scale
        gradient = _gradient(problem, finite - inverse)
        curvature = inverse**2 + np.where(np.isinf(slack), 0.0, 1.0)
        factor, exact = _cholesky(_hessian(problem, curvature))
        direction = -linalg.cho_solve((factor, True), gradient.ravel(), check_finite=False)
        decrement = float(np.sqrt(max(-direction @ gradient.ravel(), 0.0)))
        if not np.isfinite(decrement):
            raise NoCentreError(_no_centre("the Newton step is not finite"))
        if decrement < DECREMENT and exact:
            break
        point = point + _step(problem, finite, inverse, direction.reshape(point.shape), decrement)
    return Centre(np.ascontiguousarray(point), factor, step)


def _cholesky(hessian: Floats) -> tuple[Floats, bool]:
    """Factor the Hessian; return L and whether L Lᵀ is the Hessian itself.

    Near the boundary slacks of very different size meet in one matrix, and rounding may cost it its
    smallest eigenvalues. Scaling by the diagonal (Jacobi) alone cannot help, as Cholesky does not
    notice it, but it says how large rounding is in each direction: so much is added. The Newton
    step is then shorter in every direction than it might be, hence still safe.
    """
    try:
        return linalg.cholesky(hessian, lower=True, check_finite=False), True
    except linalg.LinAlgError:
        sizes = np.sqrt(hessian.diagonal())
    if np.isfinite(sizes).all() and (sizes > 0).all():
        scaled = hessian / sizes / sizes[:, None]
        for ridge in RIDGES:
            try:
                factor = linalg.cholesky(
                    scaled + ridge * np.eye(len(sizes)), lower=True, check_finite=False
                )
            except linalg.LinAlgError:
                continue
            return sizes[:, None] * factor, False
    raise NoCentreError(_no_centre("the Hessian has no Cholesky factor"))


def _no_centre(why: str) -> str:
    return (
        f"no centre of the training cone was found ({why}); expected a start with "
        "margins well above rounding; start from max_margin(problem)"
    )


def _step(
    problem: Problem, slack: Floats, inverse: Floats, direction: Floats, decrement: float
) -> Floats:
    """Scale a Newton direction: backtrack from nearly the boundary, 1/(1+λ) as the safe floor."""
    change = slacks(problem, direction)
    change = np.where(np.isinf(change), 0.0, change)
    share = change * inverse
    longest = 1.0 / max(-share.min(), 1e-300)
    present = inverse > 0
    linear, quadratic = float((slack * change).sum()), float((change**2).sum())
    safe = min(1.0 / (1.0 + decrement), 0.99 * longest)  # the latter matters only to rounding
    t = min(1.0, 0.95 * longest)
    while t > safe:
        barrier = -np.log1p(t * share[present]).sum() + t * linear + 0.5 * t * t * quadratic
        if barrier < -0.1 * t * decrement**2:
            return t * direction
        t *= 0.6
    return safe * direction


def _gradient(problem: Problem, by_slack: Floats) -> Floats:
    """Turn ∂f/∂s (n, K) into ∂f/∂U (K−1, r)."""
    coefficients = -by_slack
    coefficients[np.arange(len(by_slack)), problem.labels] += by_slack.sum(axis=1)
    return coefficients.T[:-1] @ problem.points


def _hessian(problem: Problem, curvature: Floats) -> Floats:
    """Assemble Σ_ik h_ik a_ik a_ikᵀ from one (r, r) block for each pair of classes."""
    last, r = problem.classes - 1, problem.rank
    hessian = np.zeros((last + 1, r, last + 1, r))
    everyone = np.arange(last + 1)
    outer = (problem.points[:, :, None] * problem.points[:, None, :]).reshape(-1, r * r)
    for y in np.unique(problem.labels):
        mine = problem.labels == y
        blocks = (curvature[mine].T @ outer[mine]).reshape(-1, r, r)
        hessian[everyone, :, everyone, :] += blocks
        hessian[y, :, y, :] += blocks.sum(axis=0)
        hessian[y] -= blocks.transpose(1, 0, 2)
        hessian[:, :, y] -= blocks
    return hessian[:last, :, :last].reshape(last * r, last * r)


def _with_last(point: Floats) -> Floats:
    return np.vstack([point, np.zeros((1, point.shape[1]))])


def training_pairs(problem: Problem) -> tuple[Ints, Ints]:
    """List (point, rival) of the rows a_ik, in the order of `training_rows`."""
    i, k = np.nonzero(np.arange(problem.classes) != problem.labels[:, None])
    return i, k
