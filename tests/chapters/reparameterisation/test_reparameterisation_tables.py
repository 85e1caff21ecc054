"""Our numbers stand beside the paper's Table 6, factor by factor."""

from __future__ import annotations

import pandas as pd

from helpers.chapters.reparameterisation.tables import beside_table_6
from helpers.page.reported import reparameterisation_table


def test_only_network_0_at_the_largest_n_is_shown() -> None:
    rows = [
        (n, network, name, factor)
        for n in (500, 6_000)
        for network in (0, 5)
        for name, factor in (("T_beta", 1.0), ("T_beta", 20.0), ("T_gamma", 20.0))
    ]
    frame = pd.DataFrame(rows, columns=["n", "network", "transformation", "factor"])
    measured = ("hutchinson_trace", "hessian_trace", "predicted_trace", "l2_patterns")
    frame = frame.assign(**dict.fromkeys(measured, 1.0), test_accuracy=0.5)
    table, printed = beside_table_6(frame), reparameterisation_table()
    assert table["map"].tolist() == ["T_β", "T_β", "T_γ"]
    expected = [printed["hessian_by_beta"]["1"], printed["hessian_by_beta"]["20"]]
    assert table["trace, paper"].tolist() == [*expected, printed["hessian_by_gamma"]["20"]]
    assert (table["test accuracy (%)"] == 50).all()
