"""How far test-set noise alone would make a correlation fade from one set of networks to another.

Where accuracies differ little, much of what differs is the noise of the test. A correlation ρ
measured under a noise ceiling c is worth ρ / c without noise; under another ceiling c' noise alone
would leave ρ c' / c of it. Both ceilings are estimates, that of nearly equal networks a poor one:
the comparison with what is measured carries an interval, or says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.statistics import Estimate, spearman_ceiling
from helpers.statistics.correlation import RESAMPLES
from helpers.statistics.resampling import (
    bca_interval,
    bootstrap_counts,
    jackknife_counts,
    rank_correlations,
)


@dataclass(frozen=True)
class Fading:
    """Hold the ρ that noise alone would leave, and the ρ measured less that, with BCa intervals.

    `percentile` is the difference again with the plain percentile interval, which does not correct
    for ceilings that come out lower in resamples than in the sample.
    """

    left: Estimate
    difference: Estimate
    percentile: Estimate


def fading(
    first: pd.DataFrame,
    last: pd.DataFrame,
    measure: str,
    points: int,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Fading:
    """Compare ρ of a measure with accuracy in `last` with what noise leaves of that in `first`.

    Both hold a row a network with the measure, test_accuracy (on `points` shared test images),
    unseen_accuracy and ensemble_agreement. The intervals are BCa; networks of both are resampled,
    and ρ and ceiling of one resample go together. Raises UserError where `first` has no ceiling
    above zero to divide by.
    """
    rng = np.random.default_rng(seed)
    tables = (first, last)
    whole = [_rho_and_ceiling(t, measure, points, np.ones((1, len(t)))) for t in tables]
    drawn = [
        np.concatenate(
            [
                _rho_and_ceiling(t, measure, points, counts)
                for counts in bootstrap_counts(len(t), resamples, rng)
            ]
        )
        for t in tables
    ]
    if not whole[0][0, 1] > 0:
        raise UserError("the first networks' accuracies are all noise; expected some that differ")
    out = [_rho_and_ceiling(t, measure, points, jackknife_counts(len(t))) for t in tables]
    # leave one network out of either table, the other kept whole
    without_one = (
        np.concatenate([out[0], np.repeat(whole[0], len(last), axis=0)]),
        np.concatenate([np.repeat(whole[1], len(first), axis=0), out[1]]),
    )

    values, replicates, jackknife = (
        _left_and_difference(*pair) for pair in (whole, drawn, without_one)
    )
    names = ("ρ left by noise alone", "ρ measured less ρ left by noise alone")
    estimates = []
    for which, name in enumerate(names):
        value = float(values[which][0])
        ends = bca_interval(value, replicates[which], jackknife[which], level)
        estimates.append(_estimate(value, ends, tables, f"{name}; BCa bootstrap", level))
    gap = estimates[1].estimate
    tails = np.nanquantile(replicates[1], [(1 - level) / 2, (1 + level) / 2])
    plain = _estimate(gap, tails, tables, f"{names[1]}; percentile bootstrap", level)
    return Fading(estimates[0], estimates[1], plain)


def _estimate(
    value: float,
    ends: Sequence[float],
    tables: Sequence[pd.DataFrame],
    method: str,
    level: float,
) -> Estimate:
    low, high = map(float, ends)
    networks = sum(len(table) for table in tables)
    return Estimate(value, low, high, float("nan"), networks, method, level=level)


def _left_and_difference(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.where(first[:, 1] > 0, first[:, 0] / first[:, 1], np.nan) * last[:, 1]
    return left, last[:, 0] - left


def _rho_and_ceiling(
    frame: pd.DataFrame, measure: str, points: int, counts: np.ndarray
) -> np.ndarray:
    """Return ρ with accuracy and its noise ceiling, (b, 2), for resamples by counts (b, networks).

    The ceiling is that of `analysis.ceiling_of`, a network counted as often as it was drawn.
    """
    accuracy = frame["test_accuracy"].to_numpy(dtype=np.float64)
    disagreeing = 2 * frame["ensemble_agreement"] * (1 - frame["unseen_accuracy"])
    columns = np.column_stack([frame[measure].to_numpy(dtype=np.float64), accuracy])
    rho = rank_correlations(columns, counts)[:, 0, 1]
    size = counts.sum(axis=1)
    mean = counts @ accuracy / size
    spread = np.maximum(0.0, (counts @ accuracy**2 - size * mean**2) / (size - 1))
    rate = counts @ disagreeing.to_numpy(dtype=np.float64) / size
    noise = np.maximum(0.0, rate / 2 - spread) / (points - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.column_stack([rho, spearman_ceiling(1 - noise / spread)])
