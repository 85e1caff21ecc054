"""Claims of Table 4, the pair proxy on MNIST, and of the theory behind it."""

from __future__ import annotations

from helpers.claims.checks import check_row, failures_of, judge_theorem
from helpers.claims.printed import PrintedTable
from helpers.claims.types import Claim, Load, Reading, Verdict
from helpers.experiments.pair_proxy import FAMILY, RIVALS
from helpers.page.reported import stated_in_text

CHECKS = "theory_pair_proxy"
TABLE_4 = PrintedTable("Table 4", "table4_pair_proxy_mnist", FAMILY, table="pair_proxy_mnist")
_RHO = {name: abs(TABLE_4.rho(name)) for name in FAMILY}


def _judge_order(load: Load) -> Reading:
    row = check_row(load, "pair-proxy-orders-extensions", CHECKS)
    verdict = Verdict.REFUTED if int(row["failures"]) else Verdict.OPEN
    return Reading((failures_of("pairs the other way round", [row]),), verdict)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="proposition-14",
        statement="Whether a last layer can meet a set of demands is a linear program.",
        where="Proposition 14",
        reported="with proof",
        tables=(CHECKS,),
        rule="Proved in the chapter; compared with an oracle that solves no program, at three "
        "margins, without a counterexample.",
        judge=judge_theorem(("proposition-14",), {}, Verdict.PROVED, CHECKS),
    ),
    Claim(
        id="theorem-15",
        statement="The pair proxy counts the classes that each probe can still take exactly, by "
        "K linear programs a probe, and no invertible affine map of the features changes it.",
        where="Theorem 15",
        reported="with proof",
        tables=(CHECKS,),
        rule="Proved in the chapter; searches for counterexamples to exactness and to invariance "
        "find none.",
        judge=judge_theorem(
            ("theorem-15-exact", "theorem-15-invariant"), {}, Verdict.PROVED, CHECKS
        ),
    ),
    Claim(
        id="proxy-is-weakness",
        statement="The larger the pair proxy, the weaker the policy.",
        where="the use made of Theorem 15",
        reported="a proxy: the sum of single-point extensions stands in for |Ext(π)|",
        tables=(CHECKS,),
        rule="Refuted if a search finds two sets of features that the pair proxy puts one way "
        "and |Ext(π)|, counted in full, the other.",
        judge=_judge_order,
    ),
    TABLE_4.effect(
        "mnist-pair-proxy",
        "On MNIST, networks with a larger pair proxy have the higher test accuracy.",
        "pair_proxy",
    ),
    TABLE_4.effect(
        "mnist-trace",
        "There, the Hessian trace goes with the lower test accuracy, more weakly.",
        "hessian_trace",
    ),
    TABLE_4.null(
        "mnist-norm",
        "There, simplicity, as the norm of the weights, predicts nothing.",
        "weight_l2_norm",
    ),
    TABLE_4.outperforms(
        "mnist-outperforms",
        "On MNIST the pair proxy outperforms sharpness and simplicity.",
        f"|ρ| = {_RHO['pair_proxy']:.3f} against {_RHO['hessian_trace']:.3f} (trace) and "
        f"{_RHO['weight_l2_norm']:.3f} (norm)",
        "pair proxy against the trace and the norm",
        first="pair_proxy",
        rivals=RIVALS,
    ),
    TABLE_4.mean_accuracy(
        "mnist-accuracy",
        "The 100 networks' mean test accuracy on MNIST.",
        stated_in_text()["mean_test_acc_percent_mnist_pair_proxy"],
    ),
)
