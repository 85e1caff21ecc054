"""Our tables set beside the paper's, ready to be shown on a page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.experiments.invariance import EXPECTED, MOVED
from helpers.plots import REGIMES
from helpers.reported import reparameterisation_table, reported_table


def beside_table_1(frame: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return regime means at size n beside Table 1: accuracy in %, Hessian trace.

    `frame` is a table `vanishing_…`. Index: the regime.
    """
    means = frame.groupby("regime", sort=False)[["test_accuracy", "hessian_trace"]].mean()
    printed = reported_table("table1_vanishing_advantage").set_index("n").to_dict("index")[n]
    ours = pd.DataFrame(index=[REGIMES[name]["label"] for name in means.index])
    ours.index.name = "regime"
    ours["accuracy (%), ours"] = 100 * means["test_accuracy"].to_numpy()
    ours["accuracy (%), paper"] = [float(printed[f"{name}_acc_percent"]) for name in means.index]
    ours["trace, ours"] = means["hessian_trace"].to_numpy()
    ours["trace, paper"] = [float(printed[f"hessian_{name.split('_')[0]}"]) for name in means.index]
    return ours


def beside_table_6(frame: pd.DataFrame) -> pd.DataFrame:
    """Return network 0 at the largest n under both maps, beside Table 6, a row a factor.

    `frame` is the table `reparameterisation`.
    """
    own = frame[(frame["network"] == 0) & (frame["n"] == frame["n"].max())]
    table = reparameterisation_table()
    printed = {("T_beta", float(k)): v for k, v in table["hessian_by_beta"].items()}
    printed |= {("T_gamma", float(k)): v for k, v in table["hessian_by_gamma"].items()}
    keys = zip(own["transformation"], own["factor"], strict=True)
    return pd.DataFrame(
        {
            "map": own["transformation"].map({"T_beta": "T_β", "T_gamma": "T_γ"}),
            "factor": own["factor"].astype(int),
            "trace, paper": [printed.get(key) for key in keys],
            "trace, 50 vectors": own["hutchinson_trace"],
            "trace, exact": own["hessian_trace"],
            "trace, closed form": own["predicted_trace"],
            "test accuracy (%)": 100 * own["test_accuracy"],
            "layer-2 patterns": own["l2_patterns"],
        }
    ).reset_index(drop=True)


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
    index = pd.Index([name.replace("_", " ") for name in measures], name="measure")
    return pd.DataFrame(rows, index=index, columns=list(transformations))


def in_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with underscores as spaces in its texts and column names."""
    spoken = frame.replace("_", " ", regex=True)
    return spoken.rename(columns=lambda name: str(name).replace("_", " "))
