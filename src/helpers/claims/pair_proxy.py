"""Claims of Table 4, the pair proxy on MNIST, and of the theory behind it."""

from __future__ import annotations

from functools import partial

import numpy as np

from helpers.claims.correlations import RULE_EFFECT, RULE_NULL, RULE_OUTPERFORMS, Family
from helpers.claims.types import Claim, Load, Reading, Verdict
from helpers.reported import reported_value, stated_in_text

TABLE = "pair_proxy_mnist"
CHECKS = "theory_pair_proxy"
FAMILY = {
    "hessian_trace": "hessian_trace",
    "weight_l2_norm": "weight_norm",
    "pair_proxy": "pair_proxy",
}
TABLE_4 = Family(TABLE, tuple(FAMILY))
CLOSE, NEAR = 1.0, 3.0  # percentage points of mean test accuracy
STATED_ACCURACY = stated_in_text()["mean_test_acc_percent_mnist_pair_proxy"]
_CHAPTER = "10-pair-proxy"


def reported_rho(measure: str, column: str = "rho") -> float:
    """Return what Table 4 of the paper prints for one of our measures."""
    return reported_value("table4_pair_proxy_mnist", column, measure=FAMILY[measure])


def _printed(measure: str) -> str:
    return f"ρ = {reported_rho(measure):+.3f}, p = {reported_rho(measure, 'p'):.2g}"


def read_mean_accuracy(load: Load, table: str, stated: float) -> Reading:
    """Compare the networks' mean test accuracy, in percent, with the one the paper states."""
    percent = 100 * load(table)["test_accuracy"].dropna()
    mean = float(percent.mean())
    reach = float(1.96 * percent.std(ddof=1) / np.sqrt(len(percent)))
    off = abs(mean - stated)
    verdict = Verdict.REPLICATES if off <= CLOSE else Verdict.FAILS
    if CLOSE < off <= NEAR:
        verdict = Verdict.PARTLY
    return Reading(
        f"{mean:.1f} % [{mean - reach:.1f}, {mean + reach:.1f}], {len(percent)} networks",
        verdict,
        mean,
        mean - reach,
        mean + reach,
    )


def _read_checks(load: Load, names: tuple[str, ...]) -> Reading:
    """Proved here means: proved in the chapter, and not one counterexample among these checks."""
    rows = load(CHECKS).set_index("check").loc[list(names)]
    failures, cases = int(rows["failures"].sum()), int(rows["cases"].sum())
    verdict = Verdict.REFUTED if failures else Verdict.PROVED
    return Reading(f"{failures} counterexamples in {cases:,} cases", verdict)


def _read_order(load: Load) -> Reading:
    rows = {row["check"]: row for row in load(CHECKS).to_dict("records")}
    row = rows["pair-proxy-orders-extensions"]
    found, cases = int(row["failures"]), int(row["cases"])
    verdict = Verdict.REFUTED if found else Verdict.OPEN
    return Reading(f"{found:,} of {cases:,} pairs the other way round: {row['detail']}", verdict)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="proposition-14",
        statement="Whether a last layer can meet a set of demands is a linear program.",
        where="Proposition 14",
        reported="with proof",
        chapter=_CHAPTER,
        tables=(CHECKS,),
        rule="Proved in the chapter; compared with an oracle that solves no program, at three "
        "margins, without a counterexample.",
        read=partial(_read_checks, names=("proposition-14",)),
    ),
    Claim(
        id="theorem-15",
        statement="The pair proxy counts the classes that each probe can still take exactly, by "
        "K linear programs a probe, and no invertible affine map of the features changes it.",
        where="Theorem 15",
        reported="with proof",
        chapter=_CHAPTER,
        tables=(CHECKS,),
        rule="Proved in the chapter; searches for counterexamples to exactness and to invariance "
        "find none.",
        read=partial(_read_checks, names=("theorem-15-exact", "theorem-15-invariant")),
    ),
    Claim(
        id="proxy-is-weakness",
        statement="The larger the pair proxy, the weaker the policy.",
        where="the use made of Theorem 15",
        reported="a proxy: the sum of single-point extensions stands in for |Ext(π)|",
        chapter=_CHAPTER,
        tables=(CHECKS,),
        rule="Refuted if a search finds two sets of features that the pair proxy puts one way "
        "and |Ext(π)|, counted in full, the other.",
        read=_read_order,
    ),
    Claim(
        id="mnist-pair-proxy",
        statement="On MNIST, networks with a larger pair proxy have the higher test accuracy.",
        where="Table 4",
        reported=_printed("pair_proxy"),
        chapter=_CHAPTER,
        tables=(TABLE,),
        rule=RULE_EFFECT,
        read=partial(
            TABLE_4.read_effect, measure="pair_proxy", reported=reported_rho("pair_proxy")
        ),
    ),
    Claim(
        id="mnist-trace",
        statement="There, the Hessian trace goes with the lower test accuracy, more weakly.",
        where="Table 4",
        reported=_printed("hessian_trace"),
        chapter=_CHAPTER,
        tables=(TABLE,),
        rule=RULE_EFFECT,
        read=partial(
            TABLE_4.read_effect, measure="hessian_trace", reported=reported_rho("hessian_trace")
        ),
    ),
    Claim(
        id="mnist-norm",
        statement="There, simplicity, as the norm of the weights, predicts nothing.",
        where="Table 4",
        reported=_printed("weight_l2_norm"),
        chapter=_CHAPTER,
        tables=(TABLE,),
        rule=RULE_NULL,
        read=partial(
            TABLE_4.read_null, measure="weight_l2_norm", reported=reported_rho("weight_l2_norm")
        ),
    ),
    Claim(
        id="mnist-outperforms",
        statement="On MNIST the pair proxy outperforms sharpness and simplicity.",
        where="Table 4 and text",
        reported=f"|ρ| = {reported_rho('pair_proxy'):.3f} against "
        f"{abs(reported_rho('hessian_trace')):.3f} (trace) and "
        f"{abs(reported_rho('weight_l2_norm')):.3f} (norm)",
        chapter=_CHAPTER,
        tables=(TABLE,),
        rule="pair proxy against the trace and the norm, the closest rival deciding. "
        + RULE_OUTPERFORMS,
        read=partial(
            TABLE_4.read_outperforms, first="pair_proxy", rivals=("hessian_trace", "weight_l2_norm")
        ),
    ),
    Claim(
        id="mnist-accuracy",
        statement="The 100 networks' mean test accuracy on MNIST.",
        where="text",
        reported=f"{STATED_ACCURACY} %",
        chapter=_CHAPTER,
        tables=(TABLE,),
        rule=f"replicates if our mean is within {CLOSE:.0f} percentage point of the paper's; in "
        f"part if within {NEAR:.0f}",
        read=partial(read_mean_accuracy, table=TABLE, stated=STATED_ACCURACY),
    ),
)
