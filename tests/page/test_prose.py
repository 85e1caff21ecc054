"""Sentences are held to the run, and numbers arrive whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from helpers.page import prose
from helpers.page.prose import UntrueSentenceError, holds, put
from helpers.statistics import Estimate

RHO = Estimate(-0.25, -0.51, 0.013, 0.06, 50, "test")


def test_a_true_sentence_passes_in_silence(capsys: Any) -> None:
    holds("Two is more than one.", 2 > 1, np.bool_(True), profile="laptop")
    assert capsys.readouterr() == ("", "")


def test_an_untrue_sentence_stops_the_build_and_names_the_fact() -> None:
    with pytest.raises(UntrueSentenceError) as failure:
        holds("The trace predicts.", RHO.estimate < 0, not RHO.covers(0), profile="paper")
    assert "“The trace predicts.”" in str(failure.value)
    assert "it is false that not RHO.covers(0)" in str(failure.value)


def test_a_number_that_is_not_there_makes_no_sentence_true() -> None:
    with pytest.raises(UntrueSentenceError):
        holds("It is positive.", float("nan") > 0, profile="laptop")


def test_tiny_copies_give_a_notice_instead(capsys: Any) -> None:
    holds("It is positive.", RHO.estimate > 0, profile="smoke")
    assert "notice (smoke): not true in this run: “It is positive.”" in capsys.readouterr().out


def test_a_sentence_without_facts_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no fact is given for the sentence “So it is\.”"):
        holds("So it is.", profile="laptop")


def test_an_estimate_is_one_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    glued: dict[str, Any] = {}
    monkeypatch.setattr(prose, "glue", lambda name, value, display: glued.update({name: value}))
    put({"from-a-mapping": 3}, trace_rho=RHO, more=f"{RHO:+.3f}", count=np.int64(7), low="-1.5")
    assert glued == {
        "from-a-mapping": 3,
        "trace-rho": "−0.25 [−0.51, +0.01]",
        "more": "−0.250 [−0.510, +0.013]",
        "count": 7,
        "low": "−1.5",
    }
    assert type(glued["count"]) is int


def test_estimates_change_units_and_answer_questions() -> None:
    assert RHO.covers(0)
    assert not RHO.above(0)
    assert RHO.below(0.02)
    turned = RHO.times(-100)
    assert (turned.estimate, turned.low, turned.high) == pytest.approx((25, -1.3, 51))
    assert RHO.exp().estimate == pytest.approx(np.exp(-0.25))
    assert f"{Estimate(float('nan'), 0, 0, 1, 0, '')}" == "–"
