"""The pair proxy: which classes can a point still take, given the training labels?

Freeze a network's features and let the last layer be anything that labels all training points
rightly. For a probe x, ext(x) is the number of classes x can take under such layers, and the pair
proxy is Σ_x ext(x) (arXiv:2605.05209, appendix I and Theorem 15). The published way solves one
linear program for each (probe, class) pair; `pair_proxy` answers the same questions hundreds of
times faster and hands over a certificate for each, which `verify` checks on its own.

problem       homogenise, remove the gauge, whiten
centre        an interior point (max-margin program), the analytic centre and its metric
active_set    one pair: dual active-set projection, or a Farkas certificate (kernels: its steps)
certificates  witnesses, Farkas certificates, and `verify`
exact         rational arithmetic for whatever rounding could flip
solve         all pairs, every certificate checked
reference     one linear program for each pair
"""

from helpers.measures.pair_proxy.active_set import AMBIGUOUS, FEASIBLE, INFEASIBLE
from helpers.measures.pair_proxy.certificates import Farkas, Witness, verify
from helpers.measures.pair_proxy.reference import pair_proxy_reference
from helpers.measures.pair_proxy.solve import PairProxy, pair_proxy

__all__ = [
    "AMBIGUOUS",
    "FEASIBLE",
    "INFEASIBLE",
    "Farkas",
    "PairProxy",
    "Witness",
    "pair_proxy",
    "pair_proxy_reference",
    "verify",
]
