"""How much a rescaling inflates the trace."""

from __future__ import annotations

import pandas as pd


def inflations(frame: pd.DataFrame) -> pd.DataFrame:
    """Return how much each network's trace grows at the largest factor, one row a network.

    `frame` is the table `reparameterisation`; columns dataset, n, network, regime, and for each of
    T_beta and T_gamma the trace at 1, at the largest factor, and their ratio.
    """
    keys = ["dataset", "n", "network", "regime"]
    rows = []
    for identity, group in frame.groupby(keys, sort=False):
        row = dict(zip(keys, identity, strict=True))
        for name in ("T_beta", "T_gamma"):
            own = group[group["transformation"] == name].set_index("factor")["hessian_trace"]
            row |= {f"{name}_start": own[1.0], f"{name}_end": own[own.index.max()]}
            row |= {f"{name}_inflation": own[own.index.max()] / own[1.0]}
        rows.append(row)
    return pd.DataFrame(rows)
