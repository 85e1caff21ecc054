"""The checks find what is true, find what is false, and can fail."""

from __future__ import annotations

import dataclasses

import pytest

from helpers.theory import arithmetic, languages, tasks
from helpers.theory.checks import finite as checks

TRUE = ["lemma-1", "counts-agree", "less-is-weaker", "functions-tie", "rule-weakness"]
FALSE = ["shorter-is-weaker", "same-truth-same-weakness"]


def test_every_check_is_listed_under_its_own_name():
    for name, check in checks.FINITE_CHECKS.items():
        assert check(True).check == name
    assert sorted(checks.FINITE_CHECKS) == sorted(TRUE + FALSE)


@pytest.mark.parametrize("name", TRUE)
def test_true_statements_have_cases_and_no_counterexample(name):
    for small in (True, False):
        full_lemma = name == "lemma-1" and not small  # half a minute; a smaller size here
        found = checks.lemma_1_up_to(3, 3) if full_lemma else checks.FINITE_CHECKS[name](small)
        assert found.cases > 0
        assert found.failures == 0


@pytest.mark.parametrize("name", FALSE)
def test_false_statements_are_refuted_by_the_example_shown(name):
    found = checks.FINITE_CHECKS[name](False)
    assert 0 < found.failures < found.cases
    assert "w(" in found.detail


def test_a_wrong_closed_form_is_caught(monkeypatch):
    right = arithmetic.weakness_of_rules
    monkeypatch.setattr(arithmetic, "weakness_of_rules", lambda *a: right(*a) + 1)
    found = checks.weakness_of_rules_closed_form(True)
    assert found.failures == found.cases


def test_a_wrong_weakness_is_caught(monkeypatch):
    def off(vocabulary):
        table = languages.weaknesses(vocabulary)
        table[0] = 1
        return table

    monkeypatch.setattr(checks, "weaknesses", off)
    assert checks.saying_less_is_weaker(True).failures > 0


def test_lemma_check_counts_wrong_sizes(monkeypatch):
    wrong = dataclasses.replace(tasks.check_lemma1(languages.Vocabulary(1, (1,))), failures=2)
    monkeypatch.setattr(tasks, "check_lemma1", lambda v: wrong)
    assert checks.lemma_1(True).failures > 0
