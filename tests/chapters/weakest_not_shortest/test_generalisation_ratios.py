"""The ratio of two rates, its verdict, and the figures that are drawn from the same table."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers.chapters import Page
from helpers.chapters.weakest_not_shortest import analysis, claims, figures, tables
from helpers.claims.types import Verdict
from helpers.experiments.arithmetic import VOCABULARIES
from helpers.theory import criteria
from helpers.theory.arithmetic import Examples, combine, subsets, truth_table


@pytest.fixture(autouse=True)
def _no_window():
    mpl.use("Agg")
    yield
    plt.close("all")


def rates(weakest, shortest=0.4):
    rows = [
        {"vocabulary": v, "criterion": c, "seen": k, "bit": bit, "rate": rate}
        for v in VOCABULARIES
        for c, rate in (("weakest_states", weakest[v]), ("shortest", shortest))
        for k in (4, 14)
        for bit in ("0", "all")
    ]
    frame = pd.DataFrame(rows)
    frame.loc[frame["bit"] == "all", "rate"] = 1.0  # must not count
    return frame


def everywhere(rate):
    return dict.fromkeys(VOCABULARIES, rate)


def test_ratios_are_of_means_over_single_bits():
    ratios = analysis.generalisation_ratios(rates(everywhere(0.1)))
    assert set(ratios["vocabulary"]) == set(VOCABULARIES)
    assert np.allclose(ratios["ratio"], 0.25)
    assert "0.25" in repr(tables.table_of_ratios(ratios))


@pytest.mark.parametrize(
    ("weakest", "verdict"),
    [
        (everywhere(0.8), Verdict.REPLICATES),
        (everywhere(0.42), Verdict.FAILS),
        (everywhere(0.1) | {"prime_rules": 0.8}, Verdict.PARTLY),
    ],
    ids=["all", "none", "some"],
)
def test_verdicts_follow_the_rule(weakest, verdict):
    frame = rates(weakest)
    claim = Page(claims.CLAIMS, "smoke", "cpu").claim("weakest-not-shortest")
    assert claim.read(lambda name: frame).verdict is verdict


def test_a_panel_a_vocabulary_and_a_line_a_criterion():
    _, axes = plt.subplots(1, 4, layout="constrained")
    figures.draw_by_seen(axes, rates(everywhere(0.1)), "rate")
    assert [len(ax.lines) for ax in axes] == [2] * 4


def test_the_cloud_shows_every_meaning_and_marks_the_right_one():
    lesson = Examples(truth_table("addition", 0), 0b0111111111111111)
    unseen = subsets(lesson.unseen)
    equal = np.ones(len(unseen))
    pairs = combine((lesson.positive | unseen, equal), (lesson.negative | unseen, equal))
    chosen = {
        "weakest (states)": criteria.weakest_by_states(lesson),
        "weakest (statements)": criteria.weakest_by_statements(lesson),
        "shortest": criteria.shortest(lesson),
    }
    _, ax = plt.subplots()
    figures.draw_cloud(ax, pairs, chosen, lesson.table)
    assert len(ax.collections[0].get_offsets()) == len(pairs.ones) == 4
    assert len(ax.lines[-1].get_xdata()) == 1
