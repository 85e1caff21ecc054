"""Claims of Part II, Weakness."""

from __future__ import annotations

from typing import Any

import pandas as pd

from helpers.claims.types import Claim, Load, Reading, Verdict

LEAST_RATIO = 1.1
"""The smallest advantage that the earlier paper's abstract states (arXiv:2301.12987)."""

WEAKEST = ("weakest_states", "weakest_statements")


def _check(load: Load, name: str) -> dict[str, Any]:
    """Return the row of one check: its cases, failures and detail."""
    rows = load("theory").to_dict("records")
    return {str(k): v for row in rows if row["check"] == name for k, v in row.items()}


def _read_lemma_1(load: Load) -> Reading:
    row = _check(load, "lemma-1")
    cases, failures = int(row["cases"]), int(row["failures"])
    verdict = Verdict.REFUTED if failures else Verdict.PROVED
    return Reading(f"{failures} failures in {cases:,} cases: {row['detail']}", verdict)


def _read_weak_is_not_short(load: Load) -> Reading:
    row = _check(load, "shorter-is-weaker")
    cases, found = int(row["cases"]), int(row["failures"])
    verdict = Verdict.PROVED if found else Verdict.REFUTED
    return Reading(f"{found:,} of {cases:,} pairs, the first: {row['detail']}", verdict)


def generalisation_ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """Return, per vocabulary and way of counting, the weakest's rate over the shortest's.

    Rates are means over both operations, all four answer bits and all numbers of seen rows.
    Columns: vocabulary, criterion, weakest, shortest, ratio.
    """
    bits = frame[frame["bit"].astype(str) != "all"]
    means = bits.groupby(["vocabulary", "criterion"], as_index=False)["rate"].mean()
    rival = means[means["criterion"] == "shortest"].set_index("vocabulary")["rate"]
    weakest = means[means["criterion"].isin(WEAKEST)].rename(columns={"rate": "weakest"})
    shortest = weakest["vocabulary"].map(rival)
    return weakest.assign(shortest=shortest, ratio=weakest["weakest"] / shortest)


def _read_weakest_not_shortest(load: Load) -> Reading:
    ratios = generalisation_ratios(load("arithmetic"))
    reached = ratios["ratio"] >= LEAST_RATIO
    verdict = Verdict.FAILS
    if reached.any():
        verdict = Verdict.REPLICATES if reached.all() else Verdict.PARTLY
    low, high = ratios["ratio"].min(), ratios["ratio"].max()
    return Reading(
        f"{low:.2f} to {high:.2f} times, over {len(ratios)} pairs of a vocabulary and a way of "
        "counting",
        verdict,
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="lemma-1",
        statement="Among the correct policies of a task, the order by weakness is the order by "
        "size of buffer: |Ext(π)| = |O| + |B|.",
        where="Lemma 1",
        reported="an identity, with proof",
        chapter="04-statements-extensions-weakness",
        tables=("theory",),
        rule="Proved in the chapter; an exhaustive search for a counterexample finds none.",
        read=_read_lemma_1,
    ),
    Claim(
        id="weak-is-not-short",
        statement="Weakness is not brevity: a shorter statement can be the stronger one.",
        where="the argument of the paper, and of arXiv:2301.12987",
        reported="stated",
        chapter="04-statements-extensions-weakness",
        tables=("theory",),
        rule="Proved if an exhaustive search among small vocabularies finds an example.",
        read=_read_weak_is_not_short,
    ),
    Claim(
        id="weakest-not-shortest",
        statement="In binary arithmetic the weakest hypothesis generalises more often than the "
        "shortest.",
        where="arXiv:2301.12987, abstract; the paper builds on it",
        reported="1.1 to 5 times as often",
        chapter="07-weakest-not-shortest",
        tables=("arithmetic",),
        rule="Ratio of the two rates at which all 16 rows come out right, per vocabulary and way "
        f"of counting: replicates if every ratio is at least {LEAST_RATIO}, in part if some is.",
        read=_read_weakest_not_shortest,
    ),
)
