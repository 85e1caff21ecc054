"""Claims of Table 5: the pair proxy, the trace and the norm on Fashion-MNIST."""

from __future__ import annotations

from helpers.claims.printed import PrintedTable
from helpers.claims.types import Claim
from helpers.experiments.pair_proxy import FAMILY, RIVALS
from helpers.page.reported import stated_in_text

_PRINTED = PrintedTable(
    "Table 5",
    "table5_pair_proxy_fashion_mnist",
    FAMILY,
    table="pair_proxy_fashion_mnist",
)
TABLE_5 = _PRINTED.family
reported_rho = _PRINTED.rho
_RHO = {name: abs(reported_rho(name)) for name in FAMILY}

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
    _PRINTED.outperforms(
        "fashion-outperforms",
        "On Fashion-MNIST the pair proxy outperforms sharpness and simplicity.",
        f"|ρ| = {_RHO['pair_proxy']:.3f} against {_RHO['hessian_trace']:.3f} (trace) and "
        f"{_RHO['weight_l2_norm']:.3f} (norm)",
        "pair proxy against the trace and the norm",
        first="pair_proxy",
        rivals=RIVALS,
    ),
    _PRINTED.mean_accuracy(
        "fashion-accuracy",
        "The 100 networks' mean test accuracy on Fashion-MNIST.",
        stated_in_text()["mean_test_acc_percent_fashion_pair_proxy"],
    ),
)
