"""The claim of this chapter: flatness as a predictor."""

from __future__ import annotations

from helpers.claims.types import Claim, Load, Measured, Reading, verdict_of_estimate
from helpers.page.reported import reported_value
from helpers.statistics import spearman


def _judge_flatness(load: Load) -> Reading:
    frame = load("vanishing_mnist_500")
    found = spearman(frame["hessian_trace"], frame["test_accuracy"])
    reported = reported_value("table2_cross_regime_spearman", "hessian", n=500)
    measured = (Measured("ρ", found), Measured("networks", found.n))
    return Reading(measured, verdict_of_estimate(found, reported), found)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="flat-predicts-at-500",
        statement="Over networks of both training regimes that learned the same 500 digits, a "
        "smaller Hessian trace goes with a higher test accuracy.",
        where="Table 2, n = 500",
        reported=f"ρ = {reported_value('table2_cross_regime_spearman', 'hessian', n=500):+.2f}",
        tables=("vanishing_mnist_500",),
        rule="replicates if our 95 % interval excludes 0 on the paper's side and contains the "
        "paper's ρ; in part if only one of the two",
        judge=_judge_flatness,
    ),
)
