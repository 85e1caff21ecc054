"""How well any measure could rank networks by an accuracy that is itself measured with noise.

The model. Network i is right on a random test point with probability a_i, its true accuracy; we see
the share of N points it gets right. All networks meet the same N points, so a hard test set lowers
them all alike and changes no ranking. What does change rankings is that networks err on different
points. In the table of right and wrong (networks × points) this is the residual of a two-way
analysis of variance, and

    reliability = 1 − MS(residual) / MS(networks)

estimates Var(a) / Var(observed accuracy): Hoyt's (1941) reliability, which is Cronbach's alpha
(1951) and for right/wrong scores Kuder and Richardson's (1937) formula 20. A measure that ranks by
a_i perfectly correlates with the observed accuracy at √reliability (Spearman, 1904), its rank
correlation being (6/π) asin(√reliability / 2) for normal spreads. That is the ceiling: a measure
can pass it only by luck, or by looking at the very test points (ensemble agreement does).

The binomial variance a(1 − a)/N, right for separate test sets, is too large for a shared one: it
counts the difficulty of the points, which all networks share. It bounds reliability from below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from helpers.errors import UserError
from helpers.statistics.estimate import Estimate, as_column, check_level


@dataclass(frozen=True)
class NoiseCeiling:
    """Hold the largest expected correlation with a measured accuracy, and what it comes from.

    `spread_variance` is that of the observed accuracies, `noise_variance` the part of it due to the
    test points; a reliability estimated below 0 gives a ceiling of 0.
    """

    spearman: Estimate
    pearson: Estimate
    reliability: Estimate
    spread_variance: float
    noise_variance: float


def noise_ceiling(correct: Any, *, level: float = 0.95) -> NoiseCeiling:
    """Estimate the ceiling from the table of right and wrong answers, (M networks, N points).

    The interval is Feldt's (1965), from the F distribution of the mean squares; p tests whether the
    networks differ in true accuracy at all. Raises UserError unless M ≥ 3, N ≥ 2 and all is 0 or 1.
    """
    table = np.asarray(correct)
    if table.ndim != 2 or table.shape[0] < 3 or table.shape[1] < 2:
        raise UserError(f"correct has shape {table.shape}; expected (networks ≥ 3, points ≥ 2)")
    if not np.isin(table, (0, 1)).all():
        raise UserError("correct holds values other than 0 and 1; expected right or wrong")
    networks, points = table.shape
    rows = table.mean(axis=1, dtype=np.float64)
    columns = table.mean(axis=0, dtype=np.float64)
    total = networks * points * rows.mean() * (1 - rows.mean())
    residual = total - points * np.sum((rows - rows.mean()) ** 2)
    residual -= networks * np.sum((columns - rows.mean()) ** 2)
    noise = max(0.0, residual) / ((networks - 1) * (points - 1)) / points
    return _ceiling(rows, noise, (networks - 1) * (points - 1), level, "shared test set")


def noise_ceiling_from_disagreement(
    accuracy: Any, disagreement: Any, points: int, *, level: float = 0.95
) -> NoiseCeiling:
    """Estimate the ceiling from accuracies (M,) and pairwise disagreement rates (M, M).

    disagreement[i, k] is the share of test points that exactly one of networks i and k gets right.
    Equal to `noise_ceiling`: the mean over pairs of the variance of the paired difference is twice
    the residual mean square.
    """
    rows = as_column(accuracy, "accuracy")
    rates = np.asarray(disagreement, dtype=np.float64)
    if rates.shape != (len(rows), len(rows)):
        raise UserError(f"disagreement has shape {rates.shape}; expected {(len(rows),) * 2}")
    mean = float(np.mean(rates[np.triu_indices(len(rows), 1)]))
    return noise_ceiling_from_mean_disagreement(rows, mean, points, level=level)


def noise_ceiling_from_mean_disagreement(
    accuracy: Any, disagreement: float, points: int, *, level: float = 0.95
) -> NoiseCeiling:
    """Estimate the ceiling from accuracies (M,) and the mean disagreement rate over all pairs.

    `disagreement` is the share of test points that exactly one of two networks gets right. The mean
    is all that `noise_ceiling_from_disagreement` uses of the rates: the mean square of the paired
    gaps is twice the variance of the accuracies. Raises UserError for a rate outside [0, 1].
    """
    rows = as_column(accuracy, "accuracy")
    if not 0 <= disagreement <= 1:
        raise UserError(f"the disagreement rate is {disagreement}; expected one from 0 to 1")
    noise = max(0.0, disagreement / 2 - float(rows.var(ddof=1))) / (points - 1)
    freedom = (len(rows) - 1) * (points - 1)
    return _ceiling(rows, noise, freedom, level, "shared test set, from disagreement")


def noise_ceiling_from_accuracy(accuracy: Any, points: int, *, level: float = 0.95) -> NoiseCeiling:
    """Estimate the ceiling from accuracies (M,) alone, as if each had a test set of its own.

    With one shared test set this understates the ceiling: a lower bound.
    """
    rows = as_column(accuracy, "accuracy")
    noise = float(np.mean(rows * (1 - rows))) / (points - 1)
    return _ceiling(rows, noise, math.inf, level, "separate test sets (binomial)")


def spearman_ceiling(reliability: Any) -> np.ndarray:
    """Return the rank correlation that a perfect measure would show at a reliability, of any shape.

    (6/π) asin(√reliability / 2), for normal spreads; a reliability below 0 counts as 0.
    Source: Spearman (1904) and Pearson (1907).
    """
    root = np.sqrt(np.maximum(0.0, np.asarray(reliability, dtype=np.float64)))
    return np.asarray(6 / math.pi * np.arcsin(root / 2))


def _ceiling(
    accuracy: np.ndarray, noise: float, freedom: float, level: float, model: str
) -> NoiseCeiling:
    check_level(level)
    networks = len(accuracy)
    spread = float(accuracy.var(ddof=1))
    if spread == 0:
        raise UserError("all accuracies are equal; expected networks that differ")
    share = noise / spread  # = 1 − reliability
    tails = np.array([(1 + level) / 2, (1 - level) / 2])
    if math.isinf(freedom):
        factors = stats.chi2.ppf(tails, networks - 1) / (networks - 1)
        p = float(stats.chi2.sf((networks - 1) / share, networks - 1)) if share else 0.0
    else:
        factors = stats.f.ppf(tails, networks - 1, freedom)
        p = float(stats.f.sf(1 / share, networks - 1, freedom)) if share else 0.0
    values = [1 - share, *(1 - share * factors)]

    def estimate(name: str, numbers: list[float]) -> Estimate:
        method = f"{name}; {model}, Feldt interval"
        value, low, high = map(float, numbers)
        return Estimate(value, low, high, p, networks, method, level=level)

    roots = [math.sqrt(max(0.0, value)) for value in values]
    return NoiseCeiling(
        spearman=estimate("Spearman ceiling", [float(spearman_ceiling(v)) for v in values]),
        pearson=estimate("Pearson ceiling", roots),
        reliability=estimate("reliability", values),
        spread_variance=spread,
        noise_variance=noise,
    )
