"""Claims of Table 4, the pair proxy on MNIST, and of the theory behind it."""

from __future__ import annotations

from functools import partial

import numpy as np

from helpers.claims.printed import PrintedTable
from helpers.claims.types import Claim, Load, Reading, Verdict
from helpers.reported import stated_in_text

CHECKS = "theory_pair_proxy"
FAMILY = {
    "hessian_trace": "hessian_trace",
    "weight_l2_norm": "weight_norm",
    "pair_proxy": "pair_proxy",
}
RIVALS = ("hessian_trace", "weight_l2_norm")
CLOSE, NEAR = 1.0, 3.0  # percentage points of mean test accuracy
_CHAPTER = "10-pair-proxy"
_PRINTED = PrintedTable(
    "Table 4", "table4_pair_proxy_mnist", FAMILY, table="pair_proxy_mnist", chapter=_CHAPTER
)
TABLE_4 = _PRINTED.family
reported_rho = _PRINTED.rho


def outperforms(printed: PrintedTable, claim_id: str, dataset: str) -> Claim:
    """Claim that on a data set the pair proxy ranks the networks better than its two rivals."""
    proxy, trace, norm = (abs(printed.rho(name)) for name in ("pair_proxy", *RIVALS))
    return printed.outperforms(
        claim_id,
        f"On {dataset} the pair proxy outperforms sharpness and simplicity.",
        f"|ρ| = {proxy:.3f} against {trace:.3f} (trace) and {norm:.3f} (norm)",
        "pair proxy against the trace and the norm",
        first="pair_proxy",
        rivals=RIVALS,
    )


def mean_accuracy(printed: PrintedTable, claim_id: str, dataset: str, stated: float) -> Claim:
    """Claim what the text says of the networks' mean test accuracy, in percent."""
    return printed.claim(
        claim_id,
        f"The 100 networks' mean test accuracy on {dataset}.",
        f"{stated} %",
        f"replicates if our mean is within {CLOSE:.0f} percentage point of the paper's; in part "
        f"if within {NEAR:.0f}",
        partial(read_mean_accuracy, table=printed.table, stated=stated),
        where="text",
    )


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
    _PRINTED.effect(
        "mnist-pair-proxy",
        "On MNIST, networks with a larger pair proxy have the higher test accuracy.",
        "pair_proxy",
    ),
    _PRINTED.effect(
        "mnist-trace",
        "There, the Hessian trace goes with the lower test accuracy, more weakly.",
        "hessian_trace",
    ),
    _PRINTED.null(
        "mnist-norm",
        "There, simplicity, as the norm of the weights, predicts nothing.",
        "weight_l2_norm",
    ),
    outperforms(_PRINTED, "mnist-outperforms", "MNIST"),
    mean_accuracy(
        _PRINTED,
        "mnist-accuracy",
        "MNIST",
        stated_in_text()["mean_test_acc_percent_mnist_pair_proxy"],
    ),
)
