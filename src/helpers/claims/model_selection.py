"""Claims of Table 3: choosing among 300 networks by counting regions."""

from __future__ import annotations

from functools import partial

from helpers.claims.correlations import RULE_EFFECT, RULE_NULL, RULE_OUTPERFORMS, Family
from helpers.claims.types import Claim, Load, Reading, Verdict
from helpers.experiments.model_selection import FAMILY
from helpers.reported import reported_value

TABLE = "model_selection_mnist"
TABLE_3 = Family(TABLE, tuple(FAMILY))
NOT_INVARIANT = ("hessian_trace", "weight_l2_norm", "weight_l1_norm")
_CHAPTER = "09-regions"


def reported_rho(measure: str, column: str = "rho") -> float:
    """Return what Table 3 of the paper prints for one of our measures."""
    return reported_value("table3_model_selection", column, measure=FAMILY[measure])


def _read_norms(load: Load) -> Reading:
    found = [
        TABLE_3.read_null(load, name, reported_rho(name))
        for name in ("weight_l2_norm", "weight_l1_norm")
    ]
    verdicts = [one.verdict for one in found]
    worst = Verdict.FAILS if Verdict.FAILS in verdicts else Verdict.PARTLY
    if set(verdicts) == {Verdict.REPLICATES}:
        worst = Verdict.REPLICATES
    return Reading("L2: " + found[0].measured + ". L1: " + found[1].measured, worst)


def _printed(measure: str) -> str:
    return f"ρ = {reported_rho(measure):+.3f}, p = {reported_rho(measure, 'p'):.3f}"


CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="regions-predict",
        statement="Among 300 networks trained alike, those with more unseen-only regions, the "
        "weaker ones in the region-class vocabulary, have the higher test accuracy.",
        where="Table 3, Theorem 12",
        reported=_printed("unseen_only_regions"),
        chapter=_CHAPTER,
        tables=(TABLE,),
        rule=RULE_EFFECT,
        read=partial(
            TABLE_3.read_effect,
            measure="unseen_only_regions",
            reported=reported_rho("unseen_only_regions"),
        ),
    ),
    Claim(
        id="patterns-predict",
        statement="So do those with more layer-2 activation patterns on the unseen points.",
        where="Table 3",
        reported=_printed("l2_patterns"),
        chapter=_CHAPTER,
        tables=(TABLE,),
        rule=RULE_EFFECT,
        read=partial(
            TABLE_3.read_effect, measure="l2_patterns", reported=reported_rho("l2_patterns")
        ),
    ),
    Claim(
        id="trace-does-not-select",
        statement="The Hessian trace does not tell the 300 networks apart.",
        where="Table 3",
        reported=_printed("hessian_trace"),
        chapter=_CHAPTER,
        tables=(TABLE,),
        rule=RULE_NULL,
        read=partial(
            TABLE_3.read_null, measure="hessian_trace", reported=reported_rho("hessian_trace")
        ),
    ),
    Claim(
        id="norms-do-not-select",
        statement="Nor do the norms of the weights.",
        where="Table 3",
        reported=f"L2 {_printed('weight_l2_norm')}; L1 {_printed('weight_l1_norm')}",
        chapter=_CHAPTER,
        tables=(TABLE,),
        rule=RULE_NULL + "; the worse of the two norms decides",
        read=_read_norms,
    ),
    Claim(
        id="invariant-beats-the-rest",
        statement="The measures that rescaling cannot move rank the networks better than those it "
        "can.",
        where="Table 3 and text",
        reported=f"|ρ| = {abs(reported_rho('unseen_only_regions')):.3f} for unseen-only regions "
        f"against {abs(reported_rho('hessian_trace')):.3f} for the trace",
        chapter=_CHAPTER,
        tables=(TABLE,),
        rule="unseen-only regions against the trace and both norms, the closest rival deciding. "
        + RULE_OUTPERFORMS,
        read=partial(TABLE_3.read_outperforms, first="unseen_only_regions", rivals=NOT_INVARIANT),
    ),
)
