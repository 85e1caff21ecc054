"""The invariance matrix as numbers and words, and what theory expects of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.experiments.invariance import EXPECTED, MOVED
from helpers.page.tables import readable


def moves_and_words(
    result: pd.DataFrame, measures: Sequence[str], transformations: Sequence[str]
) -> tuple[NDArray[np.float64], list[list[str]]]:
    """Return the invariance matrix as numbers to colour and words to print.

    `result` comes from `invariance.matrix`. A number is the decimal logarithm of the median factor
    of those networks where the measure moved, 0 where it stayed, NaN where it is not defined.
    Words: "exact" (equal to the last bit), "kept" (up to rounding), or the factor.
    """
    values = np.full((len(measures), len(transformations)), np.nan)
    words = [["" for _ in transformations] for _ in measures]
    for row in result.to_dict("records"):
        at = measures.index(row["measure"]), transformations.index(row["transformation"])
        if not row["networks"]:
            continue
        moved = row["largest_change"] > MOVED
        values[at] = np.log10(row["factor"]) if moved and row["factor"] > 0 else 0.0
        if moved:
            words[at[0]][at[1]] = f"×{row['factor']:.3g}"
        else:
            words[at[0]][at[1]] = "exact" if row["exact"] else "kept"
    return values, words


def expectations(measures: Sequence[str], transformations: Sequence[str]) -> pd.DataFrame:
    """Return what theory lets move (×) and keeps (·), a row a measure; blank where undefined."""
    sign = {True: "×", False: "·", None: ""}
    rows = [[sign[EXPECTED[name, change]] for change in transformations] for name in measures]
    index = pd.Index(readable(measures), name="measure")
    return pd.DataFrame(rows, index=index, columns=list(transformations))
