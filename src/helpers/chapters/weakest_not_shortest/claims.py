"""The claim of this chapter: the weakest against the shortest hypothesis."""

from __future__ import annotations

from helpers.chapters.weakest_not_shortest.analysis import generalisation_ratios
from helpers.claims.types import Claim, Load, Measured, Reading, Verdict

LEAST_RATIO = 1.1
"""The smallest advantage that the earlier paper's abstract states (arXiv:2301.12987)."""


def _judge_weakest_not_shortest(load: Load) -> Reading:
    ratios = generalisation_ratios(load("arithmetic"))
    reached = ratios["ratio"] >= LEAST_RATIO
    verdict = Verdict.FAILS
    if reached.any():
        verdict = Verdict.REPLICATES if reached.all() else Verdict.PARTLY
    measured = (
        Measured("smallest ratio", float(ratios["ratio"].min()), ".2f"),
        Measured("largest ratio", float(ratios["ratio"].max()), ".2f"),
        Measured("pairs of a vocabulary and a way of counting", len(ratios)),
    )
    return Reading(measured, verdict)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="weakest-not-shortest",
        statement="In binary arithmetic the weakest hypothesis generalises more often than the "
        "shortest.",
        where="arXiv:2301.12987, abstract; the paper builds on it",
        reported="1.1 to 5 times as often",
        tables=("arithmetic",),
        rule="Ratio of the two rates at which all 16 rows come out right, per vocabulary and way "
        f"of counting: replicates if every ratio is at least {LEAST_RATIO}, in part if some is.",
        judge=_judge_weakest_not_shortest,
    ),
)
