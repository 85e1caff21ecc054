"""Ask whether one measure correlates with an outcome more strongly than another does.

The two correlations come from the same networks and share the outcome, so they are dependent: the
correlation between the two measures enters. Steiger (1980) recommends Williams' t, or a z with the
two correlations pooled under the null hypothesis; the bootstrap assumes least.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from helpers.errors import UserError
from helpers.statistics.correlation import RESAMPLES, fisher_interval
from helpers.statistics.estimate import Estimate, as_column, check_level
from helpers.statistics.resampling import (
    bca_interval,
    bootstrap_counts,
    jackknife_counts,
    rank_correlations,
)


@dataclass(frozen=True)
class Comparison:
    """Hold two dependent correlations and four tests of their difference, first − second.

    With `absolute`, the correlations are |ρ| and the tests compare those.
    """

    first: float
    second: float
    between: float
    n: int
    absolute: bool
    bootstrap: Estimate
    steiger: Estimate
    williams: Estimate
    meng: Estimate


def compare_spearman(
    first: Any,
    second: Any,
    outcome: Any,
    *,
    absolute: bool = False,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare ρ(first, outcome) with ρ(second, outcome), all (n,), on the same networks.

    With `absolute` a measure whose sample ρ is negative is first turned round, which asks whether
    |ρ(first)| exceeds |ρ(second)|: "predicts better", whatever the sign. The sign is then a choice
    made on the data. Where both correlations are clear of zero it costs nothing; a correlation that
    is truly zero gains by it, so the weaker measure is flattered and the difference understated.
    The bootstrap interval is BCa on the difference; its p is twice the share of resamples on the
    far side of zero. The z and t tests are normal theory, applied to rank correlations as an
    approximation. Raises UserError on unequal lengths or values that are not finite.
    """
    check_level(level)
    columns = [as_column(first, "first")]
    n = len(columns[0])
    columns += [as_column(second, "second", n), as_column(outcome, "outcome", n)]
    data = np.column_stack(columns)
    whole = np.ones((1, n))
    if absolute:
        signs = np.sign(rank_correlations(data, whole)[0, :2, 2])
        data[:, :2] *= np.where(signs < 0, -1.0, 1.0)
    matrix = rank_correlations(data, whole)[0]
    one, two, between = float(matrix[0, 2]), float(matrix[1, 2]), float(matrix[0, 1])
    if not np.isfinite([one, two, between]).all():
        raise UserError("a measure or the outcome is constant; expected values that vary")

    def difference(counts: np.ndarray) -> np.ndarray:
        resampled = rank_correlations(data, counts)
        return resampled[:, 0, 2] - resampled[:, 1, 2]

    rng = np.random.default_rng(seed)
    replicates = np.concatenate([difference(c) for c in bootstrap_counts(n, resamples, rng)])
    low, high = bca_interval(one - two, replicates, difference(jackknife_counts(n)), level)
    far = min(np.sum(replicates <= 0), np.sum(replicates >= 0))
    p = min(1.0, 2 * (int(far) + 1) / (resamples + 1))
    bootstrap = Estimate(one - two, low, high, p, n, "difference of Spearman; BCa", level=level)
    tests = (test(one, two, between, n, level=level) for test in (steiger_z, williams_t, meng_z))
    return Comparison(one, two, between, n, absolute, bootstrap, *tests)


def steiger_z(
    first: float, second: float, between: float, n: int, *, level: float = 0.95
) -> Estimate:
    """Test first = second by z with pooled correlations; the interval is Zou's (2007).

    `first` and `second` are correlations with the shared variable, `between` that of the other two.
    Source: Steiger (1980), equations 3, 10 and 14 (his Z1*, overlapping case).
    """
    _check(first, second, between, n)
    pooled = (first + second) / 2
    covariance = between * (1 - 2 * pooled**2) - pooled**2 / 2 * (1 - 2 * pooled**2 - between**2)
    covariance /= (1 - pooled**2) ** 2
    error = math.sqrt(max(0.0, 2 - 2 * covariance) / (n - 3))
    z = _ratio(math.atanh(first) - math.atanh(second), error)
    low, high = _zou_interval(first, second, between, n, level)
    return Estimate(first - second, low, high, _normal_p(z), n, "Steiger's z", z, level)


def williams_t(
    first: float, second: float, between: float, n: int, *, level: float = 0.95
) -> Estimate:
    """Test first = second by Williams' t with n − 3 degrees of freedom.

    Source: Williams (1959) in the form of Steiger (1980), equation 7.
    """
    _check(first, second, between, n)
    pooled = (first + second) / 2
    spread = 2 * (n - 1) / (n - 3) * _determinant(first, second, between)
    spread += pooled**2 * (1 - between) ** 3
    error = math.sqrt(spread / ((n - 1) * (1 + between)))
    t = _ratio(first - second, error)
    reach = float(stats.t.ppf((1 + level) / 2, n - 3)) * error
    p = float(2 * stats.t.sf(abs(t), n - 3))
    gap = first - second
    return Estimate(gap, gap - reach, gap + reach, p, n, "Williams' t", t, level)


def meng_z(first: float, second: float, between: float, n: int, *, level: float = 0.95) -> Estimate:
    """Test first = second by the z of Meng, Rosenthal and Rubin (1992).

    The estimate and its interval are differences of Fisher's z, atanh(first) − atanh(second).
    """
    _check(first, second, between, n)
    mean_square = (first**2 + second**2) / 2
    f = min(1.0, (1 - between) / (2 * (1 - mean_square)))
    h = (1 - f * mean_square) / (1 - mean_square)
    error = math.sqrt(2 * (1 - between) * h / (n - 3))
    gap = math.atanh(first) - math.atanh(second)
    z = _ratio(gap, error)
    reach = float(stats.norm.ppf((1 + level) / 2)) * error
    return Estimate(gap, gap - reach, gap + reach, _normal_p(z), n, "Meng's z", z, level)


def _zou_interval(
    first: float, second: float, between: float, n: int, level: float
) -> tuple[float, float]:
    """Combine two Fisher intervals, with the correlation of the two correlations (Zou, 2007)."""
    low1, high1 = fisher_interval(first, n, level, ranks=False)
    low2, high2 = fisher_interval(second, n, level, ranks=False)
    shared = (between - first * second / 2) * (1 - first**2 - second**2 - between**2)
    shared = (shared + between**3) / ((1 - first**2) * (1 - second**2))

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a**2 + b**2 - 2 * shared * a * b))

    gap = first - second
    return gap - reach(first - low1, high2 - second), gap + reach(high1 - first, second - low2)


def _determinant(first: float, second: float, between: float) -> float:
    return 1 - first**2 - second**2 - between**2 + 2 * first * second * between


def _normal_p(z: float) -> float:
    return float(2 * stats.norm.sf(abs(z)))


def _ratio(gap: float, error: float) -> float:
    return gap / error if error > 0 else (0.0 if gap == 0 else math.copysign(math.inf, gap))


def _check(first: float, second: float, between: float, n: int) -> None:
    if n < 4:
        raise UserError(f"n is {n}; expected at least 4 to compare two correlations")
    if max(abs(first), abs(second)) >= 1 or abs(between) > 1:
        raise UserError(
            f"correlations {first}, {second}, {between}; expected values inside (−1, 1)"
        )
    if _determinant(first, second, between) < -1e-9:
        raise UserError(
            f"correlations {first}, {second}, {between} cannot occur together; expected those of "
            "one sample; check their order"
        )
