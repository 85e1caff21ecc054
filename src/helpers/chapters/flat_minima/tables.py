"""Our tables of the chapter beside the paper's."""

from __future__ import annotations

import pandas as pd

from helpers.page.plots import REGIMES
from helpers.page.reported import table_1
from helpers.page.tables import word


def beside_table_1(frame: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return regime means at size n beside Table 1: accuracy in %, Hessian trace.

    `frame` is a table `vanishing_…`. Index: the regime.
    """
    means = frame.groupby("regime", sort=False)[["test_accuracy", "hessian_trace"]].mean()
    printed = table_1().to_dict("index")[n]
    ours = pd.DataFrame(index=[REGIMES[name]["label"] for name in means.index])
    ours.index.name = "regime"
    ours["accuracy (%), ours"] = 100 * means["test_accuracy"].to_numpy()
    ours["accuracy (%), paper"] = [float(printed[f"{name}_acc_percent"]) for name in means.index]
    ours["trace, ours"] = means["hessian_trace"].to_numpy()
    ours["trace, paper"] = [float(printed[f"hessian_{name.split('_')[0]}"]) for name in means.index]
    return ours


def rerun_table(check: pd.DataFrame) -> pd.DataFrame:
    """Return a re-run beside its bands (see `experiments.rerun.compare`) under readable names."""
    spoken = {name: check[name].map(word) for name in ("regime", "column")}
    return check.assign(**spoken).rename(columns=word)
