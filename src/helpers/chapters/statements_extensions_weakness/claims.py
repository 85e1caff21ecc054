"""Claims of this chapter: weakness counted, and what it is not."""

from __future__ import annotations

from helpers.claims.checks import check_row, failures_of
from helpers.claims.types import Claim, Load, Reading, Verdict


def _judge_lemma_1(load: Load) -> Reading:
    row = check_row(load, "lemma-1")
    verdict = Verdict.REFUTED if int(row["failures"]) else Verdict.PROVED
    return Reading((failures_of("failures", [row]),), verdict)


def _judge_weak_is_not_short(load: Load) -> Reading:
    row = check_row(load, "shorter-is-weaker")
    verdict = Verdict.PROVED if int(row["failures"]) else Verdict.REFUTED
    return Reading((failures_of("pairs where the shorter is the stronger", [row]),), verdict)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="lemma-1",
        statement="Among the correct policies of a task, the order by weakness is the order by "
        "size of buffer: |Ext(π)| = |O| + |B|.",
        where="Lemma 1",
        reported="an identity, with proof",
        tables=("theory",),
        rule="Proved in the chapter; an exhaustive search for a counterexample finds none.",
        judge=_judge_lemma_1,
    ),
    Claim(
        id="weak-is-not-short",
        statement="Weakness is not brevity: a shorter statement can be the stronger one.",
        where="the argument of the paper, and of arXiv:2301.12987",
        reported="stated",
        tables=("theory",),
        rule="Proved if an exhaustive search among small vocabularies finds an example.",
        judge=_judge_weak_is_not_short,
    ),
)
