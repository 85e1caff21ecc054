"""Claims of Table 5: the pair proxy, the trace and the norm on Fashion-MNIST."""

from __future__ import annotations

from helpers.claims.printed import PrintedTable
from helpers.claims.types import Claim
from helpers.experiments.pair_proxy import FAMILY, RIVALS
from helpers.page.reported import stated_in_text

TABLE_5 = PrintedTable(
    "Table 5",
    "table5_pair_proxy_fashion_mnist",
    FAMILY,
    table="pair_proxy_fashion_mnist",
)
_RHO = {name: abs(TABLE_5.rho(name)) for name in FAMILY}

CLAIMS: tuple[Claim, ...] = (
    TABLE_5.effect(
        "fashion-pair-proxy",
        "On Fashion-MNIST too, networks with a larger pair proxy have the higher test accuracy.",
        "pair_proxy",
    ),
    TABLE_5.effect(
        "fashion-trace",
        "There, a smaller Hessian trace goes with a higher test accuracy, more weakly.",
        "hessian_trace",
    ),
    TABLE_5.effect(
        "fashion-norm",
        "There, a smaller norm of the weights goes with a higher test accuracy, more weakly.",
        "weight_l2_norm",
    ),
    TABLE_5.outperforms(
        "fashion-outperforms",
        "On Fashion-MNIST the pair proxy outperforms sharpness and simplicity.",
        f"|ρ| = {_RHO['pair_proxy']:.3f} against {_RHO['hessian_trace']:.3f} (trace) and "
        f"{_RHO['weight_l2_norm']:.3f} (norm)",
        "pair proxy against the trace and the norm",
        first="pair_proxy",
        rivals=RIVALS,
    ),
    TABLE_5.mean_accuracy(
        "fashion-accuracy",
        "The 100 networks' mean test accuracy on Fashion-MNIST.",
        stated_in_text()["mean_test_acc_percent_fashion_pair_proxy"],
    ),
)
