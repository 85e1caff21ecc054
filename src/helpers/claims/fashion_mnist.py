"""Claims of Table 5: the pair proxy, the trace and the norm on Fashion-MNIST."""

from __future__ import annotations

from functools import partial

from helpers.claims.correlations import RULE_EFFECT, RULE_OUTPERFORMS, Family
from helpers.claims.pair_proxy import CLOSE, NEAR, read_mean_accuracy
from helpers.claims.types import Claim
from helpers.reported import reported_value, stated_in_text

TABLE = "pair_proxy_fashion_mnist"
FAMILY = {
    "hessian_trace": "hessian_trace",
    "weight_l2_norm": "weight_norm",
    "pair_proxy": "pair_proxy",
}
TABLE_5 = Family(TABLE, tuple(FAMILY))
_CHAPTER = "11-fashion-mnist"
_STATED = stated_in_text()["mean_test_acc_percent_fashion_pair_proxy"]


def reported_rho(measure: str, column: str = "rho") -> float:
    """Return what Table 5 of the paper prints for one of our measures."""
    return reported_value("table5_pair_proxy_fashion_mnist", column, measure=FAMILY[measure])


def _printed(measure: str) -> str:
    return f"ρ = {reported_rho(measure):+.3f}, p = {reported_rho(measure, 'p'):.2g}"


def _effect(claim_id: str, statement: str, measure: str) -> Claim:
    return Claim(
        id=claim_id,
        statement=statement,
        where="Table 5",
        reported=_printed(measure),
        chapter=_CHAPTER,
        tables=(TABLE,),
        rule=RULE_EFFECT,
        read=partial(TABLE_5.read_effect, measure=measure, reported=reported_rho(measure)),
    )


CLAIMS: tuple[Claim, ...] = (
    _effect(
        "fashion-pair-proxy",
        "On Fashion-MNIST too, networks with a larger pair proxy have the higher test accuracy.",
        "pair_proxy",
    ),
    _effect(
        "fashion-trace",
        "There, a smaller Hessian trace goes with a higher test accuracy, more weakly.",
        "hessian_trace",
    ),
    _effect(
        "fashion-norm",
        "There, a smaller norm of the weights goes with a higher test accuracy, more weakly.",
        "weight_l2_norm",
    ),
    Claim(
        id="fashion-outperforms",
        statement="On Fashion-MNIST the pair proxy outperforms sharpness and simplicity.",
        where="Table 5 and text",
        reported=f"|ρ| = {reported_rho('pair_proxy'):.3f} against "
        f"{abs(reported_rho('hessian_trace')):.3f} (trace) and "
        f"{abs(reported_rho('weight_l2_norm')):.3f} (norm)",
        chapter=_CHAPTER,
        tables=(TABLE,),
        rule="pair proxy against the trace and the norm, the closest rival deciding. "
        + RULE_OUTPERFORMS,
        read=partial(
            TABLE_5.read_outperforms, first="pair_proxy", rivals=("hessian_trace", "weight_l2_norm")
        ),
    ),
    Claim(
        id="fashion-accuracy",
        statement="The 100 networks' mean test accuracy on Fashion-MNIST.",
        where="text",
        reported=f"{_STATED} %",
        chapter=_CHAPTER,
        tables=(TABLE,),
        rule=f"replicates if our mean is within {CLOSE:.0f} percentage point of the paper's; in "
        f"part if within {NEAR:.0f}",
        read=partial(read_mean_accuracy, table=TABLE, stated=_STATED),
    ),
)
