"""The table of checks, and the verdicts that are read from it and from the arithmetic table."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers.claims.types import Verdict
from helpers.experiments import theory
from helpers.ledger import claims_by_chapter
from helpers.theory.checks.finite import FINITE_CHECKS

CLAIMS = {claim.id: claim for claims in claims_by_chapter().values() for claim in claims}


def test_one_row_a_check_with_the_columns_the_ledger_reads():
    small = theory.Theory().smoke()
    names = [cell.check for cell in small.cells()]
    assert set(FINITE_CHECKS) <= set(names)
    assert len(set(names)) == len(names)
    (row,) = theory.Theory.run_cell(theory.Cell("functions-tie", True), "cpu").rows
    assert set(row) == {"check", "cases", "failures", "detail"}
    assert (row["check"], row["failures"]) == ("functions-tie", 0)


@pytest.mark.parametrize(
    ("claim", "check", "failures", "verdict"),
    [
        ("lemma-1", "lemma-1", 0, Verdict.PROVED),
        ("lemma-1", "lemma-1", 1, Verdict.REFUTED),
        ("weak-is-not-short", "shorter-is-weaker", 3, Verdict.PROVED),
        ("weak-is-not-short", "shorter-is-weaker", 0, Verdict.REFUTED),
    ],
)
def test_verdicts_follow_the_failures(claim, check, failures, verdict):
    other = {"check": "other", "cases": 1, "failures": 1 - failures, "detail": "y"}
    mine = {"check": check, "cases": 1234, "failures": failures, "detail": "x"}
    table = pd.DataFrame([other, mine])
    reading = CLAIMS[claim].read(lambda name: table)
    assert reading.verdict == verdict
    assert "1,234" in reading.text


@pytest.mark.parametrize(
    ("rates", "verdict"),
    [
        ((0.6, 0.8), Verdict.REPLICATES),
        ((0.6, 0.5), Verdict.PARTLY),
        ((0.5, 0.2), Verdict.FAILS),
    ],
)
def test_weakest_must_beat_shortest_by_the_least_published_factor(rates, verdict):
    common = {"operation": "addition", "seen": 4, "bit": "0"}
    rows = [
        {**common, "vocabulary": name, "criterion": criterion, "rate": rate}
        for name, weakest in zip(("rules", "functions"), rates, strict=True)
        for criterion, rate in (("weakest_states", weakest), ("shortest", 0.5))
    ]
    rows += [{**row, "bit": "all", "rate": 1.0} for row in rows]  # not part of the rule
    reading = CLAIMS["weakest-not-shortest"].read(lambda name: pd.DataFrame(rows))
    assert reading.verdict == verdict
