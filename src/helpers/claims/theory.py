"""Claims of Part II, Weakness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from helpers.bound_correlations import bound_correlations
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
    return Reading(f"{failures:,} failures in {cases:,} cases", verdict)


def _read_weak_is_not_short(load: Load) -> Reading:
    row = _check(load, "shorter-is-weaker")
    cases, found = int(row["cases"]), int(row["failures"])
    verdict = Verdict.PROVED if found else Verdict.REFUTED
    return Reading(f"{found:,} of {cases:,} pairs of statements", verdict)


def _both(
    holds: tuple[str, ...], broken: Mapping[str, str], if_so: Verdict
) -> Callable[[Load], Reading]:
    """Judge a theorem by its checks: `holds` must have no failure, each of `broken` some.

    `broken` gives each check that should fail with the words for what fails. Where it is empty the
    statement stands as printed; otherwise `if_so` says what became of it. Refuted if a check that
    should hold fails; not settled if no counterexample shows up.
    """

    def read(load: Load) -> Reading:
        sound, unsound = ([_check(load, name) for name in names] for names in (holds, broken))
        failures = sum(int(row["failures"]) for row in sound)
        verdict = if_so
        if failures:
            verdict = Verdict.REFUTED
        elif any(not int(row["failures"]) for row in unsound):
            verdict = Verdict.OPEN
        parts = [
            f"{words} in {int(row['failures']):,} of {int(row['cases']):,} cases"
            for words, row in zip(broken.values(), unsound, strict=True)
        ]
        if sound:
            cases = sum(int(row["cases"]) for row in sound)
            what = "what is proved" if broken else "the statement"
            parts.append(f"{what} fails in {failures:,} of {cases:,} cases")
        return Reading("; ".join(parts), verdict)

    return read


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


def _read_bounds(load: Load) -> Reading:
    table = bound_correlations(load("pac_bayes"))
    asked = table[table["pair"].isin(["bound, test error", "bound, pair proxy"])]
    asked = asked[asked["n"] <= 2_000]
    clear = ((asked["low"] > 0) & (asked["expected"] > 0)) | (
        (asked["high"] < 0) & (asked["expected"] < 0)
    )
    verdict = Verdict.FAILS
    if not {250, 2_000} <= set(asked["n"]):
        verdict = Verdict.OPEN
    elif clear.any():
        verdict = Verdict.REPLICATES if clear.all() else Verdict.PARTLY
    parts = [
        f"{row['pair']} at n = {row['n']:,}: {row['rho']:+.2f} "
        f"[{row['low']:+.2f}, {row['high']:+.2f}]"
        for row in asked.to_dict("records")
    ]
    return Reading("; ".join(parts), verdict)


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
        id="uniform-demands",
        statement="If all sets of unseen demands are equally likely, a policy survives with "
        "probability 2^|B| / 2^|U|, and the strictly weaker of two policies survives strictly "
        "more often.",
        where="Propositions 8 and 9",
        reported="with proof",
        chapter="05-weakest-policy",
        tables=("theory",),
        rule="Proved in the chapter; an exhaustive search for a counterexample finds none.",
        read=_both(("proposition-8", "proposition-9"), {}, Verdict.PROVED),
    ),
    Claim(
        id="exchangeable-demands",
        statement="If the law of demands depends on their number alone, survival is the sum of "
        "q_k C(b,k)/C(u,k), which grows with the buffer.",
        where="Theorem 10",
        reported="with proof; strict when non-degenerate",
        chapter="05-weakest-policy",
        tables=("theory",),
        rule="Proved in the chapter, with the exact condition for strictness and a converse; "
        "searches for counterexamples to all three find none.",
        read=_both(("theorem-10", "theorem-10-strict", "exchangeable-only"), {}, Verdict.PROVED),
    ),
    Claim(
        id="sufficiency",
        statement="For exchangeable demands survival is a nondecreasing function of the "
        "measure of the buffer.",
        where="Theorem 2",
        reported="with proof",
        chapter="05-weakest-policy",
        tables=("theory",),
        rule="Proved as repaired if the printed form has a counterexample and the repaired "
        "form, proved in the chapter, has none.",
        read=_both(
            ("theorem-2-repaired", "theorem-2-sampled"),
            {"theorem-2-as-stated": "the printed form fails"},
            Verdict.REPAIRED,
        ),
    ),
    Claim(
        id="necessity",
        statement="For exchangeable and non-degenerate demands a larger buffer survives "
        "strictly more often.",
        where="Theorem 3",
        reported="with proof",
        chapter="05-weakest-policy",
        tables=("theory",),
        rule="Proved in the chapter; the finite form is searched for counterexamples.",
        read=_both(("theorem-10-strict", "theorem-2-repaired"), {}, Verdict.PROVED),
    ),
    Claim(
        id="unified-optimality",
        statement="A correct policy is optimal exactly when its buffer has the greatest measure.",
        where="Theorem 4",
        reported="with proof",
        chapter="05-weakest-policy",
        tables=("theory",),
        rule="Proved as repaired: every optimal policy is weakest; the converse needs the "
        "repair of Theorem 2.",
        read=_both(
            ("theorem-2-repaired", "theorem-10-strict"),
            {"theorem-2-as-stated": "Theorem 2, on which it rests, fails as printed"},
            Verdict.REPAIRED,
        ),
    ),
    Claim(
        id="minimax",
        statement="The weakest correct policy attains the minimax value of survival over "
        "exchangeable laws.",
        where="Theorem 5",
        reported="with proof",
        chapter="05-weakest-policy",
        tables=("theory",),
        rule="Proved as repaired if over the whole class stronger policies attain the value "
        "too (it is zero), while over a class of bounded demands only the weakest does.",
        read=_both(
            ("theorem-5-repaired", "theorem-5-on-average"),
            {"only-weakest-is-minimax": "a stronger policy attains the value too"},
            Verdict.REPAIRED,
        ),
    ),
    Claim(
        id="exchangeability-needed",
        statement="The weakest correct policy is the best bet.",
        where="the thesis of the paper",
        reported="under exchangeable demands",
        chapter="05-weakest-policy",
        tables=("theory",),
        rule="Proved for exchangeable demands and for nested rivals, so conditional if, beyond "
        "them, laws that are not exchangeable and atoms of unequal weight give counterexamples.",
        read=_both(
            ("exchangeable-only", "robustness"),
            {
                "weakest-contains-rivals": "a rival's buffer reaches outside the weakest's",
                "unequal-atoms": "with atoms of unequal weight a lighter buffer is better",
            },
            Verdict.CONDITIONAL,
        ),
    ),
    Claim(
        id="survival-is-correctness",
        statement="A policy that survives the parent task is correct for it.",
        where="Definition 4 against the theorems",
        reported="survival stands in for correctness",
        chapter="05-weakest-policy",
        tables=("theory",),
        rule="Refuted if an enumeration of small tasks and parents finds policies that survive "
        "and are wrong.",
        read=_both(
            (),
            {
                "survival-is-correctness": "a survivor is wrong",
                "weaker-is-more-often-correct": "the weaker policy is no more often correct",
            },
            Verdict.REFUTED,
        ),
    ),
    Claim(
        id="invariance",
        statement="Weakness does not change when parameters change and the policy they "
        "implement does not.",
        where="Theorem 6",
        reported="with proof",
        chapter="06-counting-to-measuring",
        tables=("theory",),
        rule="Holds only if the vocabulary speaks of behaviour: counts over hidden features "
        "change while the logits do not.",
        read=_both(
            ("theorem-6",),
            {"hidden-counts-invariant": "counts over hidden features change"},
            Verdict.CONDITIONAL,
        ),
    ),
    Claim(
        id="pac-bayes-identity",
        statement="With the uniform prior and the posterior uniform on the buffer, KL = "
        "log(|L| / |B|).",
        where="Theorem 7",
        reported="with proof",
        chapter="06-counting-to-measuring",
        tables=("theory",),
        rule="Proved in the chapter; compared with the sum over the listed language on all "
        "small tasks.",
        read=_both(("theorem-7",), {}, Verdict.PROVED),
    ),
    Claim(
        id="bounds-track-weakness",
        statement="PAC-Bayes bounds work because they track weakness.",
        where="discussion of Theorem 7",
        reported="stated",
        chapter="06-counting-to-measuring",
        tables=("pac_bayes",),
        rule="Replicates if at 250 and at 2,000 points the bound rises with the test error and "
        "falls with the pair proxy, all four 95 % intervals clear of zero; in part if some are.",
        read=_read_bounds,
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
