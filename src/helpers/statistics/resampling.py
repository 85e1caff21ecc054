"""Rank correlations of thousands of resamples at once, and BCa intervals from them.

A bootstrap resample is a vector of counts: how often each observation was drawn. The midranks
within the resample follow from cumulative counts along the sorted order, so that no resample is
ever sorted: the cost is a few passes over a (resamples × n) array.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import special

_CHUNK = 50_000  # numbers to an array: a few such arrays stay in cache


def bootstrap_counts(n: int, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield blocks (b, n) of counts whose rows are bootstrap resamples of n observations."""
    block = max(1, _CHUNK // n)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.integers(0, n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def jackknife_counts(n: int) -> np.ndarray:
    """Return counts (n, n) whose row i leaves observation i out."""
    return 1.0 - np.eye(n)


def rank_correlations(columns: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the Spearman matrices, (b, p, p), of columns (n, p) resampled by counts (b, n).

    Ties, those that resampling makes included, get midranks. A column that is constant within a
    resample gives nan.
    """
    size = counts.sum(axis=1, keepdims=True)
    ranks = np.stack([_midranks(column, counts) for column in columns.T], axis=1)
    ranks -= (size[:, None] + 1) / 2
    ranks *= np.sqrt(counts)[:, None]
    covariance = ranks @ ranks.swapaxes(1, 2)
    spread = np.sqrt(np.einsum("bpp->bp", covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        return covariance / (spread[:, :, None] * spread[:, None, :])


def _midranks(column: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the midrank, (b, n), that each observation's value has within each resample."""
    _, group = np.unique(column, return_inverse=True)
    order = np.argsort(group, kind="stable")
    first = np.searchsorted(group[order], np.arange(group.max() + 1))
    tied = np.add.reduceat(counts[:, order], first, axis=1)
    return (np.cumsum(tied, axis=1) - tied / 2 + 0.5)[:, group]


def bca_interval(
    estimate: float, replicates: np.ndarray, jackknife: np.ndarray, level: float
) -> tuple[float, float]:
    """Return the bias-corrected and accelerated interval of Efron (1987).

    `replicates` (resamples,) and `jackknife` (n,) are the statistic on resamples and with one
    observation left out. Undefined replicates (nan) are dropped. Where every replicate lies on one
    side of the estimate the correction is infinite: the plain percentile interval is returned.
    """
    replicates = replicates[np.isfinite(replicates)]
    if not len(replicates) or not np.isfinite(estimate):
        return float("nan"), float("nan")
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    close = np.isclose(replicates, estimate, rtol=0, atol=1e-12)
    below = np.mean((replicates < estimate) & ~close) + close.mean() / 2
    if 0 < below < 1:
        bias = special.ndtri(below)
        pull = np.nanmean(jackknife) - jackknife[np.isfinite(jackknife)]
        scale = np.sum(pull**2) ** 1.5
        acceleration = np.sum(pull**3) / (6 * scale) if scale > 0 else 0.0
        shifted = bias + special.ndtri(tails)
        tails = special.ndtr(bias + shifted / (1 - acceleration * shifted))
    low, high = np.quantile(replicates, tails)
    return float(low), float(high)
