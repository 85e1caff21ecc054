"""Spearman's rank correlation, plain, within groups and given covariates, with intervals."""

from __future__ import annotations

import math
from itertools import permutations as all_permutations
from typing import Any

import numpy as np
from scipy import stats

from helpers.errors import UserError
from helpers.statistics.estimate import Estimate, as_column, check_level
from helpers.statistics.resampling import (
    bca_interval,
    bootstrap_counts,
    jackknife_counts,
    rank_correlations,
)

RESAMPLES = 9_999
_EXACT_UP_TO = 7  # 7! = 5,040 permutations: all of them


def spearman(
    x: Any,
    y: Any,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    permutations: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Correlate the ranks of x and y, each (n,), with a BCa interval and a permutation p.

    The interval is Efron's (1987) from paired resamples. p is two-sided: the share of permutations
    with at least as large a |ρ|, the observed order counted among them (Phipson and Smyth, 2010);
    all permutations are enumerated at n ≤ 7. A constant x or y gives nan throughout. Raises
    UserError on unequal lengths, fewer than 3 points or values that are not finite.
    Source: Spearman (1904).
    """
    return spearman_within(
        x,
        y,
        np.zeros(len(x)),
        level=level,
        resamples=resamples,
        permutations=permutations,
        seed=seed,
        method="Spearman; BCa bootstrap, permutation p",
    )


def spearman_within(
    x: Any,
    y: Any,
    groups: Any,
    *,
    given: Any = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    permutations: int = RESAMPLES,
    seed: int = 0,
    method: str = "Spearman within groups; stratified BCa bootstrap, permutation p",
) -> Estimate:
    """Average Spearman's ρ over groups, weighted by their sizes: what is left between equals.

    Ranks are taken within each group of `groups` (n,), so that a difference between groups adds
    nothing; resampling and permutation stay within groups. With `given`, (n,), it is the partial
    correlation given that covariate's ranks in the group, and p is nan. A group where x or y is
    constant gives nan. Raises UserError as `spearman` does, and where a group has fewer than 3
    members.
    """
    check_level(level)
    x = as_column(x, "x")
    y = as_column(y, "y", len(x))
    labels = np.asarray(groups)
    if labels.shape != x.shape:
        raise UserError(f"groups has shape {labels.shape}; expected {x.shape}, one label a value")
    variables = [x, y] if given is None else [x, y, as_column(given, "given", len(x))]
    correlate = _pair if given is None else _pair_given
    rng = np.random.default_rng(seed)
    n = len(x)
    estimate, replicates, jackknife = 0.0, np.zeros(resamples), np.zeros(n)
    parts = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 3:
            raise UserError(f"group {label} has {len(members)} members; expected at least 3")
        columns = np.column_stack([one[members] for one in variables])
        weight = len(members) / n
        own = correlate(columns, np.ones((1, len(members))))[0]
        estimate += weight * own
        replicates += weight * np.concatenate(
            [correlate(columns, block) for block in bootstrap_counts(len(members), resamples, rng)]
        )
        jackknife[members] = weight * (correlate(columns, jackknife_counts(len(members))) - own)
        parts.append((weight, columns))
    jackknife += estimate
    low, high = bca_interval(estimate, replicates, jackknife, level)
    p = float("nan")
    if given is None:
        p = _permutation_p(parts, estimate, permutations, rng)
    else:
        method = "partial Spearman within groups; stratified BCa bootstrap"
    return Estimate(float(estimate), low, high, p, n, method, level=level)


def _pair(columns: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return rank_correlations(columns, counts)[:, 0, 1]


def _pair_given(columns: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return _partial(rank_correlations(columns, counts))


def _permutation_p(
    parts: list[tuple[float, np.ndarray]],
    observed: float,
    permutations: int,
    rng: np.random.Generator,
) -> float:
    """Return the two-sided p of Σ weight·ρ when y is permuted within each part."""
    if not np.isfinite(observed):
        return float("nan")
    exact = len(parts) == 1 and len(parts[0][1]) <= _EXACT_UP_TO
    shuffled: Any = 0.0
    for weight, columns in parts:
        ranks = stats.rankdata(columns, axis=0)
        ranks -= ranks.mean(axis=0)
        ranks /= np.linalg.norm(ranks, axis=0)
        if exact:
            orders = ranks[np.array(list(all_permutations(range(len(ranks))))), 1]
        else:
            orders = rng.permuted(np.tile(ranks[:, 1], (permutations, 1)), axis=1)
        shuffled = shuffled + weight * (orders @ ranks[:, 0])
    extreme = int(np.sum(np.abs(shuffled) >= abs(observed) - 1e-12))
    return extreme / len(shuffled) if exact else (extreme + 1) / (permutations + 1)


def partial_spearman(
    x: Any,
    y: Any,
    covariates: Any,
    *,
    interval: str = "bootstrap",
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Correlate the ranks of x and y given the ranks of covariates, (n,) or (n, k).

    `interval` is "bootstrap" (BCa, everything ranked anew in each resample) or "fisher": Fisher's z
    with k covariates' worth of points removed (Fisher, 1924) and the variance of rank correlations
    (Bonett and Wright, 2000), (1 + ρ²/2)/(n − 3 − k). p is from t with n − 2 − k degrees of
    freedom. Where a covariate determines x or y the result is nan. Raises UserError on shapes that
    disagree, values that are not finite, too few points, or an unknown interval.
    """
    check_level(level)
    x = as_column(x, "x")
    y = as_column(y, "y", len(x))
    given = np.asarray(covariates, dtype=np.float64)
    given = given[:, None] if given.ndim == 1 else given
    for column in given.T:
        as_column(column, "a covariate", len(x))
    n, k = len(x), given.shape[1]
    if n < k + 5:
        raise UserError(f"{n} points and {k} covariates; expected at least {k + 5} points")
    columns = np.column_stack([x, y, given])
    rho = float(_partial(rank_correlations(columns, np.ones((1, n))))[0])
    if interval == "fisher":
        low, high = fisher_interval(rho, n - k, level)
    elif interval == "bootstrap":
        rng = np.random.default_rng(seed)
        replicates = np.concatenate(
            [
                _partial(rank_correlations(columns, block))
                for block in bootstrap_counts(n, resamples, rng)
            ]
        )
        jackknife = _partial(rank_correlations(columns, jackknife_counts(n)))
        low, high = bca_interval(rho, replicates, jackknife, level)
    else:
        raise UserError(f"unknown interval {interval!r}; expected bootstrap or fisher")
    freedom = n - 2 - k
    with np.errstate(divide="ignore"):
        t = float(np.float64(rho) * np.sqrt(freedom / np.maximum(0.0, 1 - rho**2)))
    p = float(2 * stats.t.sf(abs(t), freedom))
    method = f"partial Spearman given {k}; {interval} interval, t test"
    return Estimate(rho, low, high, p, n, method, t, level)


def _partial(correlations: np.ndarray) -> np.ndarray:
    """Sweep all but the first two variables out of (b, p, p) matrices; correlate what is left."""
    left = correlations
    with np.errstate(invalid="ignore", divide="ignore"):
        for k in range(left.shape[1] - 1, 1, -1):
            pivot = left[:, k, k]
            pivot = np.where(pivot > 1e-10, pivot, np.nan)[:, None, None]
            left = left[:, :k, :k] - left[:, :k, k, None] * left[:, None, k, :k] / pivot
        spread = left[:, 0, 0] * left[:, 1, 1]
        return left[:, 0, 1] / np.sqrt(np.where(spread > 1e-20, spread, np.nan))


def fisher_interval(rho: float, n: int, level: float, *, ranks: bool = True) -> tuple[float, float]:
    """Return the interval of a correlation from Fisher's z, whose variance is 1/(n − 3).

    With `ranks` the variance is (1 + ρ²/2)/(n − 3), after Bonett and Wright (2000).
    """
    if not abs(rho) < 1 or n <= 3:
        return float("nan"), float("nan")
    error = math.sqrt((1 + (rho**2 / 2 if ranks else 0)) / (n - 3))
    reach = float(stats.norm.ppf((1 + level) / 2)) * error
    return math.tanh(math.atanh(rho) - reach), math.tanh(math.atanh(rho) + reach)
