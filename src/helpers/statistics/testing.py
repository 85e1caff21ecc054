"""Corrections for many tests, and the difference of two groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from scipy import stats

from helpers.statistics.estimate import Estimate, as_column, check_level


def holm(p: Any) -> np.ndarray:
    """Adjust p values, (m,), for the chance of any false rejection. Source: Holm (1979)."""
    return _adjust(p, "holm")


def benjamini_hochberg(p: Any) -> np.ndarray:
    """Adjust p values, (m,), for the share of false rejections.

    Source: Benjamini and Hochberg (1995).
    """
    return _adjust(p, "fdr_bh")


def _adjust(p: Any, method: str) -> np.ndarray:
    from statsmodels.stats.multitest import multipletests

    values = np.asarray(p, dtype=np.float64)
    return np.asarray(multipletests(values, method=method)[1])


def welch_difference(a: Any, b: Any, *, level: float = 0.95) -> Estimate:
    """Estimate mean(a) − mean(b) for samples of unequal variance. Source: Welch (1947)."""
    check_level(level)
    a, b = as_column(a, "a"), as_column(b, "b")
    result = stats.ttest_ind(a, b, equal_var=False)
    interval = result.confidence_interval(level)
    return Estimate(
        float(a.mean() - b.mean()),
        float(interval.low),
        float(interval.high),
        float(result.pvalue),
        len(a) + len(b),
        "difference of means; Welch's t",
        float(result.statistic),
        level,
    )


def paired_difference(a: Any, b: Any, *, level: float = 0.95) -> Estimate:
    """Estimate mean(a − b) for pairs, such as networks of one seed. Source: Student (1908)."""
    check_level(level)
    a = as_column(a, "a")
    b = as_column(b, "b", len(a))
    result = stats.ttest_rel(a, b)
    interval = result.confidence_interval(level)
    return Estimate(
        float((a - b).mean()),
        float(interval.low),
        float(interval.high),
        float(result.pvalue),
        len(a),
        "difference of means; paired t",
        float(result.statistic),
        level,
    )


def bootstrap_difference(
    a: Any, b: Any, *, level: float = 0.95, resamples: int = 9_999, seed: int = 0
) -> Estimate:
    """Estimate mean(a) − mean(b) with a BCa interval that assumes no normal law.

    a (n,) and b (m,) are resampled apart; p is twice the share of resamples on the far side of
    zero. Source: Efron (1987).
    """
    check_level(level)
    a, b = as_column(a, "a"), as_column(b, "b")

    def gap(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.asarray(x.mean(axis=axis) - y.mean(axis=axis))

    low, high, replicates = _bootstrap(gap, a, b, "BCa", level, resamples, seed)
    far = int(min(np.sum(replicates <= 0), np.sum(replicates >= 0)))
    p = min(1.0, 2 * (far + 1) / (len(replicates) + 1))
    method = "difference of means; BCa bootstrap"
    return Estimate(float(gap(a, b)), low, high, p, len(a) + len(b), method, level=level)


def superiority(
    a: Any, b: Any, *, level: float = 0.95, resamples: int = 9_999, seed: int = 0
) -> Estimate:
    """Estimate the chance that a random value of a exceeds one of b, ties counting half.

    The interval is a percentile bootstrap; p is that of the Mann–Whitney test. Source: Mann and
    Whitney (1947), whose U over the number of pairs this is.
    """
    check_level(level)
    a, b = as_column(a, "a"), as_column(b, "b")

    def share(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        both = stats.rankdata(np.concatenate([x, y], axis=axis), axis=axis)
        m, n = x.shape[axis], y.shape[axis]
        mine = np.take(both, np.arange(m), axis=axis).sum(axis=axis)
        return np.asarray((mine - m * (m + 1) / 2) / (m * n))

    low, high, _ = _bootstrap(share, a, b, "percentile", level, resamples, seed)
    p = float(stats.mannwhitneyu(a, b).pvalue)
    method = "probability of superiority; percentile bootstrap, Mann–Whitney p"
    return Estimate(float(share(a, b)), low, high, p, len(a) + len(b), method, level=level)


def _bootstrap(
    statistic: Callable[..., np.ndarray],
    a: np.ndarray,
    b: np.ndarray,
    method: Literal["percentile", "BCa"],
    level: float,
    resamples: int,
    seed: int,
) -> tuple[float, float, np.ndarray]:
    if np.ptp(a) == 0 and np.ptp(b) == 0:  # nothing varies, so no resample differs
        value = float(statistic(a, b))
        return value, value, np.full(resamples, value)
    found = stats.bootstrap(
        (a, b),
        statistic,
        n_resamples=resamples,
        confidence_level=level,
        method=method,
        rng=np.random.default_rng(seed),
    )
    interval = found.confidence_interval
    return float(interval.low), float(interval.high), found.bootstrap_distribution
