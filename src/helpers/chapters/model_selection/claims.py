"""Claims of Table 3: choosing among 300 networks by counting regions."""

from __future__ import annotations

from dataclasses import replace

from helpers.claims.correlations import RULE_NULL
from helpers.claims.printed import PrintedTable
from helpers.claims.types import Claim, Load, Reading, Verdict
from helpers.experiments.model_selection import FAMILY

NOT_INVARIANT = ("hessian_trace", "weight_l2_norm", "weight_l1_norm")
TABLE_3 = PrintedTable(
    "Table 3",
    "table3_model_selection",
    FAMILY,
    table="model_selection_mnist",
    p_format=".3f",
)


def _judge_norms(load: Load) -> Reading:
    found = [
        TABLE_3.family.judge_null(load, name, TABLE_3.rho(name))
        for name in ("weight_l2_norm", "weight_l1_norm")
    ]
    verdicts = [one.verdict for one in found]
    worst = Verdict.FAILS if Verdict.FAILS in verdicts else Verdict.PARTLY
    if set(verdicts) == {Verdict.REPLICATES}:
        worst = Verdict.REPLICATES
    measured = tuple(
        replace(each, label=f"{name}, {each.label}")
        for name, one in zip(("L2", "L1"), found, strict=True)
        for each in one.measured
    )
    return Reading(measured, worst)


CLAIMS: tuple[Claim, ...] = (
    TABLE_3.effect(
        "regions-predict",
        "Among 300 networks trained alike, those with more unseen-only regions, the weaker ones "
        "in the region-class vocabulary, have the higher test accuracy.",
        "unseen_only_regions",
        where="Table 3, Theorem 12",
    ),
    TABLE_3.effect(
        "patterns-predict",
        "So do those with more layer-2 activation patterns on the unseen points.",
        "l2_patterns",
    ),
    TABLE_3.null(
        "trace-does-not-select",
        "The Hessian trace does not tell the 300 networks apart.",
        "hessian_trace",
    ),
    TABLE_3.claim(
        "norms-do-not-select",
        "Nor do the norms of the weights.",
        f"L2 {TABLE_3.printed('weight_l2_norm')}; L1 {TABLE_3.printed('weight_l1_norm')}",
        RULE_NULL + "; the worse of the two norms decides",
        _judge_norms,
    ),
    TABLE_3.outperforms(
        "invariant-beats-the-rest",
        "The measures that rescaling cannot move rank the networks better than those it can.",
        f"|ρ| = {abs(TABLE_3.rho('unseen_only_regions')):.3f} for unseen-only regions against "
        f"{abs(TABLE_3.rho('hessian_trace')):.3f} for the trace",
        "unseen-only regions against the trace and both norms",
        first="unseen_only_regions",
        rivals=NOT_INVARIANT,
    ),
)
