"""Our tables of the chapter beside the paper's."""

from __future__ import annotations

import pandas as pd

from helpers.page.plots import REGIMES
from helpers.page.reported import reported_table


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


def in_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with underscores as spaces in its texts and column names."""
    spoken = frame.replace("_", " ", regex=True)
    return spoken.rename(columns=lambda name: str(name).replace("_", " "))
