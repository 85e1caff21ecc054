"""Claims of this chapter: invariance, and the PAC-Bayes bound."""

from __future__ import annotations

from helpers.chapters.counting_to_measuring.analysis import bound_correlations
from helpers.claims.checks import judge_theorem
from helpers.claims.types import Claim, Load, Measured, Reading, Verdict


def _judge_bounds(load: Load) -> Reading:
    table = bound_correlations(load("pac_bayes"))
    asked = table[table["pair"].isin(["bound, test error", "bound, pair proxy"])]
    asked = asked[asked["n"] <= 2_000]
    clear = [
        rho.times(sign).above(0) for rho, sign in zip(asked["rho"], asked["expected"], strict=True)
    ]
    verdict = Verdict.FAILS
    if any(clear):
        verdict = Verdict.REPLICATES if all(clear) else Verdict.PARTLY
    measured = tuple(
        Measured(f"ρ of {pair} at n = {n:,}", rho)
        for pair, n, rho in zip(asked["pair"], asked["n"], asked["rho"], strict=True)
    )
    return Reading(measured, verdict)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="invariance",
        statement="Weakness does not change when parameters change and the policy they "
        "implement does not.",
        where="Theorem 6",
        reported="with proof",
        tables=("theory",),
        rule="Holds only if the vocabulary speaks of behaviour: counts over hidden features "
        "change while the logits do not.",
        judge=judge_theorem(
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
        tables=("theory",),
        rule="Proved in the chapter; compared with the sum over the listed language on all "
        "small tasks.",
        judge=judge_theorem(("theorem-7",), {}, Verdict.PROVED),
    ),
    Claim(
        id="bounds-track-weakness",
        statement="PAC-Bayes bounds work because they track weakness.",
        where="discussion of Theorem 7",
        reported="stated",
        tables=("pac_bayes",),
        rule="Replicates if at 250 and at 2,000 points the bound rises with the test error and "
        "falls with the pair proxy, all four 95 % intervals clear of zero; in part if some are.",
        judge=_judge_bounds,
    ),
)
