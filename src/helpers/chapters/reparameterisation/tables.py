"""Our table of the chapter beside the paper's Table 6."""

from __future__ import annotations

import pandas as pd

from helpers.page.reported import reparameterisation_table


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
