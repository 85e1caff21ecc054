"""The chapter's tables: the paper's numbers stand beside ours, under readable names."""

from __future__ import annotations

import pandas as pd

from helpers.chapters.flat_minima.tables import beside_table_1, rerun_table
from helpers.page.reported import table_1


def test_each_regime_stands_beside_its_own_printed_number() -> None:
    frame = pd.DataFrame(
        {
            "regime": ["large_batch", "small_batch", "small_batch"],
            "test_accuracy": [0.9, 0.8, 0.7],
            "hessian_trace": [10.0, 50.0, 70.0],
        }
    )
    table, printed = beside_table_1(frame, n=500), table_1().loc[500]
    assert table.loc["small batch", "accuracy (%), ours"] == 75
    assert table.loc["small batch", "trace, ours"] == 60
    assert table.loc["small batch", "trace, paper"] == printed["hessian_small"]
    assert table.loc["large batch", "accuracy (%), paper"] == printed["large_batch_acc_percent"]


def test_a_rerun_reads_as_words() -> None:
    check = pd.DataFrame(
        {"regime": ["small_batch"], "column": ["hessian_trace"], "same_seed_difference": [0.0]}
    )
    table = rerun_table(check)
    assert list(table.columns) == ["regime", "column", "same seed difference"]
    assert table.iloc[0, :2].tolist() == ["small batch", "Hessian trace"]
