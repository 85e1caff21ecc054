"""Rank correlations between PAC-Bayes bounds, weakness and test error, one row a pair and size."""

from __future__ import annotations

import pandas as pd

from helpers.statistics import Estimate, partial_spearman, spearman

# What "bounds work because they track weakness" predicts: the sign of each correlation.
PAIRS = (
    ("bound, test error", "maurer_bound", "test_error", +1),
    ("bound, pair proxy", "maurer_bound", "pair_proxy", -1),
    ("bound, unseen-only regions", "maurer_bound", "unseen_only_regions", -1),
    ("bound, training regions", "maurer_bound", "training_regions", +1),
    ("pair proxy, test error", "pair_proxy", "test_error", -1),
    ("unseen-only regions, test error", "unseen_only_regions", "test_error", -1),
    ("training regions, test error", "training_regions", "test_error", +1),
)
GIVEN = ("bound, test error, given pair proxy", "maurer_bound", "test_error", "pair_proxy")
FEWEST = 5


def bound_correlations(frame: pd.DataFrame) -> pd.DataFrame:
    """Correlate bounds with errors and weakness at each n with at least five networks.

    Columns: n, networks, pair, expected (sign), rho, low, high (95 %), p, and
    found, the whole Estimate. Networks that diverged or
    did not memorise are left out; pairs that were not measured at a size are too.
    """
    sound = frame[frame["memorised"] & ~frame["diverged"]]
    sound = sound.assign(test_error=1 - sound["test_accuracy"])
    rows = []
    for n, own in sound.groupby("n"):
        if len(own) < FEWEST:
            continue
        for pair, x, y, sign in PAIRS:
            if own[x].notna().all() and own[y].notna().all():
                rows.append(_row(n, own, pair, sign, spearman(own[x], own[y])))
        pair, x, y, given = GIVEN
        if own[given].notna().all():
            rows.append(_row(n, own, pair, 0, partial_spearman(own[x], own[y], own[given])))
    return pd.DataFrame(rows)


def _row(n: object, own: pd.DataFrame, pair: str, sign: int, found: Estimate) -> dict[str, object]:
    return {
        "n": n,
        "networks": len(own),
        "pair": pair,
        "expected": sign,
        "rho": found.estimate,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "found": found,
    }
