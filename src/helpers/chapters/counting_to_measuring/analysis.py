"""What PAC-Bayes bounds say of real networks: their means, and what they rank."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from helpers.statistics import partial_spearman, spearman

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
PARTS = {"bound": "maurer_bound", "training error of Q": "sampled_risk", "KL": "kl"}
MEANS = {
    "kl": "KL",
    "sampled_risk": "sampled error",
    "maurer_bound": "bound",
    "posterior_test_error": "its test error",
    "test_accuracy": "centre's test accuracy",
}
FEWEST = 5


def _by_size(frame: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield each n with its networks that memorised, where there are enough to rank."""
    sound = frame[frame["memorised"] & ~frame["diverged"]]
    sound = sound.assign(test_error=1 - sound["test_accuracy"])
    for n, own in sound.groupby("n"):
        if len(own) >= FEWEST:
            yield int(str(n)), own


def bound_correlations(frame: pd.DataFrame) -> pd.DataFrame:
    """Correlate bounds with errors and weakness at each n with at least five networks.

    Columns: n, networks, pair, expected (sign) and rho, the whole Estimate. Networks that diverged
    or did not memorise are left out; pairs that were not measured at a size are too.
    """
    rows = []
    for n, own in _by_size(frame):
        for pair, x, y, sign in PAIRS:
            if own[[x, y]].notna().all(axis=None):
                rows.append((n, len(own), pair, sign, spearman(own[x], own[y])))
        pair, x, y, given = GIVEN
        if own[given].notna().all():
            rho = partial_spearman(own[x], own[y], own[given])
            rows.append((n, len(own), pair, 0, rho))
    return pd.DataFrame(rows, columns=["n", "networks", "pair", "expected", "rho"])


def ranks_of_own_error(frame: pd.DataFrame) -> pd.DataFrame:
    """Correlate the bound and its two parts with the test error of Q: a row an n, Estimates."""
    rows = {
        n: {part: spearman(own[x], own["posterior_test_error"]) for part, x in PARTS.items()}
        for n, own in _by_size(frame)
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("n")


def mean_bounds(frame: pd.DataFrame) -> pd.DataFrame:
    """Average bounds and errors over the networks of each n that memorised, or of the largest n."""
    sound = frame[frame["memorised"] | (frame["n"] == frame["n"].max())].groupby("n")
    means = sound[list(MEANS)].mean().rename(columns=MEANS)
    means.insert(0, "networks", sound.size())
    return means
