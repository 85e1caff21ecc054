"""Claims of Table 3: choosing among 300 networks by counting regions."""

from __future__ import annotations

from dataclasses import replace

from helpers.claims.correlations import RULE_NULL
from helpers.claims.printed import PrintedTable
from helpers.claims.types import Claim, Load, Reading, Verdict
from helpers.experiments.model_selection import FAMILY

NOT_INVARIANT = ("hessian_trace", "weight_l2_norm", "weight_l1_norm")
_PRINTED = PrintedTable(
    "Table 3",
    "table3_model_selection",
    FAMILY,
    table="model_selection_mnist",
    p_format=".3f",
)
TABLE_3 = _PRINTED.family
reported_rho = _PRINTED.rho


def _judge_norms(load: Load) -> Reading:
    found = [
        TABLE_3.judge_null(load, name, reported_rho(name))
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
    _PRINTED.effect(
        "regions-predict",
        "Among 300 networks trained alike, those with more unseen-only regions, the weaker ones "
        "in the region-class vocabulary, have the higher test accuracy.",
        "unseen_only_regions",
        where="Table 3, Theorem 12",
    ),
    _PRINTED.effect(
        "patterns-predict",
        "So do those with more layer-2 activation patterns on the unseen points.",
        "l2_patterns",
    ),
    _PRINTED.null(
        "trace-does-not-select",
        "The Hessian trace does not tell the 300 networks apart.",
        "hessian_trace",
    ),
    _PRINTED.claim(
        "norms-do-not-select",
        "Nor do the norms of the weights.",
        f"L2 {_PRINTED.printed('weight_l2_norm')}; L1 {_PRINTED.printed('weight_l1_norm')}",
        RULE_NULL + "; the worse of the two norms decides",
        _judge_norms,
    ),
    _PRINTED.outperforms(
        "invariant-beats-the-rest",
        "The measures that rescaling cannot move rank the networks better than those it can.",
        f"|ρ| = {abs(reported_rho('unseen_only_regions')):.3f} for unseen-only regions against "
        f"{abs(reported_rho('hessian_trace')):.3f} for the trace",
        "unseen-only regions against the trace and both norms",
        first="unseen_only_regions",
        rivals=NOT_INVARIANT,
    ),
)
