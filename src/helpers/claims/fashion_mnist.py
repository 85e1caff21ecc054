"""Claims of Table 5: the pair proxy, the trace and the norm on Fashion-MNIST."""

from __future__ import annotations

from helpers.claims.pair_proxy import FAMILY, mean_accuracy, outperforms
from helpers.claims.printed import PrintedTable
from helpers.claims.types import Claim
from helpers.reported import stated_in_text

_PRINTED = PrintedTable(
    "Table 5",
    "table5_pair_proxy_fashion_mnist",
    FAMILY,
    table="pair_proxy_fashion_mnist",
    chapter="11-fashion-mnist",
)
TABLE_5 = _PRINTED.family
reported_rho = _PRINTED.rho

CLAIMS: tuple[Claim, ...] = (
    _PRINTED.effect(
        "fashion-pair-proxy",
        "On Fashion-MNIST too, networks with a larger pair proxy have the higher test accuracy.",
        "pair_proxy",
    ),
    _PRINTED.effect(
        "fashion-trace",
        "There, a smaller Hessian trace goes with a higher test accuracy, more weakly.",
        "hessian_trace",
    ),
    _PRINTED.effect(
        "fashion-norm",
        "There, a smaller norm of the weights goes with a higher test accuracy, more weakly.",
        "weight_l2_norm",
    ),
    outperforms(_PRINTED, "fashion-outperforms", "Fashion-MNIST"),
    mean_accuracy(
        _PRINTED,
        "fashion-accuracy",
        "Fashion-MNIST",
        stated_in_text()["mean_test_acc_percent_fashion_pair_proxy"],
    ),
)
