"""Families of correlations as estimates, tables and comparisons."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.claims import rankings
from helpers.claims.correlations import Family
from helpers.claims.printed import PrintedTable
from helpers.statistics import correlation_family, partial_family, spearman

MEASURES = ("hessian_trace", "weight_l2_norm", "pair_proxy")


@pytest.fixture(scope="module")
def networks():
    random = np.random.default_rng(3)
    frame = pd.DataFrame(random.normal(size=(40, 3)), columns=MEASURES)
    return frame.assign(test_accuracy=frame["pair_proxy"] + random.normal(size=40))


def test_a_row_of_a_family_is_the_estimate_that_it_was_made_from(networks):
    found = rankings.estimates(correlation_family(networks, MEASURES))
    alone = spearman(networks["pair_proxy"], networks["test_accuracy"])
    one = found["pair_proxy"]
    assert (one.estimate, one.low, one.high, one.p, one.n) == (
        *(alone.estimate, alone.low, alone.high),
        *(alone.p, 40),
    )
    assert list(found) == list(MEASURES)


def test_a_partial_family_is_shown_without_a_column_for_each_end_of_the_interval(networks):
    questions = {"proxy given trace": ("pair_proxy", ["hessian_trace"])}
    found = partial_family(networks, questions)
    shown = rankings.show_family(found, "caption")
    assert shown.columns == ("question", "ρ", "p")
    assert shown.rows[0][:2] == (
        "proxy given trace",
        f"{rankings.estimates(found)['proxy given trace']:+.3f}",
    )


def test_the_papers_columns_stand_before_ours(networks):
    names = {name: name for name in MEASURES} | {"weight_l2_norm": "weight_norm"}
    paper = PrintedTable("Table 4", "table4_pair_proxy_mnist", names, "a table").frame()
    shown = rankings.show_family(correlation_family(networks, MEASURES), "caption", paper)
    assert shown.columns[:4] == ("measure", "paper ρ", "paper p", "ρ")
    assert [row[0] for row in shown.rows] == ["Hessian trace", "weight norm (L2)", "pair proxy"]
    assert shown.rows[2][1] == "+0.374"


def test_a_comparison_carries_its_interval(networks):
    family = Family("a table", MEASURES)
    table = rankings.comparisons(family, lambda name: networks, "pair_proxy", MEASURES[:1])
    gap = family.compare(lambda name: networks, "pair_proxy", "hessian_trace")
    assert table.loc["hessian_trace", "difference"] == gap.bootstrap
    shown = rankings.show_comparisons(table.assign(**{"Holm p": 0.5}), "caption")
    assert shown.rows[0][0] == "Hessian trace"
    assert shown.rows[0][2] == f"{gap.bootstrap:+.3f}"
    assert shown.rows[0][-1] == "0.500"
