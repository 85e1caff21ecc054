"""The invariance matrix in numbers and words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.chapters.invariance.tables import expectations, moves_and_words
from helpers.experiments.invariance import MEASURES, TRANSFORMATIONS


def test_a_cell_says_exact_kept_or_by_what_factor() -> None:
    columns = ["measure", "transformation", "networks", "largest_change", "factor", "exact"]
    rows = [
        ("margin", "layers × 10", 3, 0.0, np.nan, True),
        ("path_norm", "layers × 10", 3, 1e-12, np.nan, False),
        ("hessian_trace", "layers × 10", 3, 99.0, 100.0, False),
        ("hessian_trace", "features mapped", 0, np.nan, np.nan, False),
    ]
    result = pd.DataFrame(rows, columns=columns)
    values, words = moves_and_words(
        result, ["margin", "path_norm", "hessian_trace"], ["layers × 10", "features mapped"]
    )
    assert [row[0] for row in words] == ["exact", "kept", "×100"]
    assert values[:, 0].tolist() == [0, 0, 2]
    assert words[2][1] == ""
    assert np.isnan(values[2, 1])


def test_expectations_are_signs_with_a_blank_where_nothing_is_defined() -> None:
    table = expectations(MEASURES, TRANSFORMATIONS)
    assert table.loc["Hessian trace", "layers × 10"] == "×"
    assert table.loc["Hessian trace", "features mapped"] == ""
    assert table.loc["margin"].tolist() == ["·"] * len(TRANSFORMATIONS)
