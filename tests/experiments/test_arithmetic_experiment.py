"""The arithmetic protocol: its rows against the searches called one by one, and its sampling."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest

from helpers.experiments import arithmetic
from helpers.experiments.arithmetic import Arithmetic, Cell
from helpers.theory import criteria
from helpers.theory.arithmetic import Examples, truth_table


@pytest.fixture(scope="module")
def rows():
    return arithmetic.summarise(Cell("multiplication", 15, 999, 0))  # 16 choices: all of them


def _row(rows, **where):
    (found,) = [r for r in rows if all(r[k] == v for k, v in where.items())]
    return found


def test_all_choices_of_rows_are_taken_when_there_are_few():
    assert len(set(arithmetic.choices_of_rows(Cell("addition", 14, 1000, 0)))) == comb(16, 14)
    drawn = arithmetic.choices_of_rows(Cell("addition", 6, 30, 0))
    assert len(set(drawn)) == 30
    assert {mask.bit_count() for mask in drawn} == {6}
    assert drawn == arithmetic.choices_of_rows(Cell("addition", 6, 30, 0))
    assert drawn != arithmetic.choices_of_rows(Cell("addition", 6, 30, 1))


def test_rates_against_searches_called_one_by_one(rows):
    per_bit = []
    for bit in range(4):
        table = truth_table("multiplication", bit)
        chances = []
        for seen in combinations(range(16), 15):
            found = criteria.shortest(Examples(table, sum(1 << r for r in seen)))
            hits = [
                weight
                for one, zero, weight in zip(found.ones, found.zeros, found.weight, strict=True)
                if all((table >> r & 1, 1 - (table >> r & 1)) == (one >> r & 1, zero >> r & 1)
                       for r in range(16))
            ]  # fmt: skip
            chances.append(sum(hits) / found.weight.sum())
        per_bit.append(chances)
        row = _row(rows, bit=str(bit), vocabulary="rules", criterion="shortest")
        assert row["rate"] == pytest.approx(np.mean(chances))
        assert row["trials"] == 16
    together = _row(rows, bit="all", vocabulary="rules", criterion="shortest")
    assert together["rate"] == pytest.approx(np.mean(np.prod(per_bit, axis=0)))


def test_bounds_and_known_extremes(rows):
    for row in rows:
        assert row["rate_low"] <= row["rate"] + 1e-12
        assert row["rate"] <= row["rate_high"] + 1e-12
        assert row["rate"] <= row["survival"] + 1e-12
        assert row["survival"] <= row["solvable"] + 1e-12
    rote = _row(rows, bit="all", vocabulary="rules", criterion="weakest_states")
    assert (rote["rate"], rote["survival"]) == (0, 1)  # never commits, never contradicted
    free = _row(rows, bit="2", vocabulary="functions", criterion="weakest_states")
    assert free["rate"] == 0.5  # one unseen row, two functions left
    same = _row(rows, bit="1", vocabulary="rules", criterion="shortest")
    assert same["coincides"] == 1


def test_the_small_copy_is_the_same_protocol_in_seconds():
    small = Arithmetic().smoke()
    assert len(small.cells()) == 4
    rows = [row for cell in small.cells() for row in arithmetic.summarise(cell)]
    assert len(rows) == 4 * 5 * len(arithmetic.CHOICES)
    assert len({tuple(row[name] for name in Arithmetic.key) for row in rows}) == len(rows)


def test_sampled_rates_agree_with_exact_ones():
    small = replace(Arithmetic(), operations=("addition",), seen=(14,))
    frame = arithmetic.sample(120, small)
    exact = pd.DataFrame(arithmetic.summarise(small.cells()[0]))
    exact = exact[exact["bit"] != "all"].groupby(["vocabulary", "criterion"])["rate"].mean()
    for row in frame.to_dict("records"):
        rate = exact[row["vocabulary"], row["criterion"]]
        spread = (rate * (1 - rate) / 120) ** 0.5
        assert abs(row["share"] - rate) <= 4 * spread + 1e-12
    assert ((frame["low"] <= frame["share"]) & (frame["share"] <= frame["high"])).all()


def test_tables_for_the_chapter_hold_the_rows_they_say(rows):
    table = pd.DataFrame(rows)
    ratio = arithmetic.ratio_by_seen(table, "prime_rules")
    assert list(ratio.columns) == ["k = 15"]
    bits = table[(table["bit"] != "all") & (table["vocabulary"] == "prime_rules")]
    means = bits.groupby("criterion")["rate"].mean()
    expected = means["weakest_states"] / means["shortest"]
    assert ratio.loc["multiplication", "k = 15"] == pytest.approx(expected)
    shares = arithmetic.coincidence(table)
    where = (table["vocabulary"] == "rules") & (table["criterion"] == "weakest_states")
    expected = table[where & (table["bit"] != "all")]["coincides"].mean()
    assert shares.loc[("rules", "weakest, by states"), "k = 15"] == pytest.approx(expected)
    run = arithmetic.sample(2, replace(Arithmetic(), seen=(14, 15)))
    wide = arithmetic.sampled_rates(run, "addition")
    assert wide.loc["published: weakest", "k = 14"] == "0.68"
    assert wide.loc["published: weakest"].isna().sum() == 1
    assert "[" in wide.loc["prime rules: shortest", "k = 15"]
