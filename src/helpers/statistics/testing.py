"""Corrections for many tests, and the difference of two means."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from .estimate import Estimate, as_column, check_level


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
