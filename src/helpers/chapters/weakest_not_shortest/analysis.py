"""The rates of the weakest and the shortest hypothesis."""

from __future__ import annotations

import pandas as pd

WEAKEST = ("weakest_states", "weakest_statements")


def generalisation_ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """Return, per vocabulary and way of counting, the weakest's rate over the shortest's.

    Rates are means over both operations, all four answer bits and all numbers of seen rows.
    Columns: vocabulary, criterion, weakest, shortest, ratio.
    """
    bits = frame[frame["bit"].astype(str) != "all"]
    means = bits.groupby(["vocabulary", "criterion"], as_index=False)["rate"].mean()
    rival = means[means["criterion"] == "shortest"].set_index("vocabulary")["rate"]
    weakest = means[means["criterion"].isin(WEAKEST)].rename(columns={"rate": "weakest"})
    shortest = weakest["vocabulary"].map(rival)
    return weakest.assign(shortest=shortest, ratio=weakest["weakest"] / shortest)
