"""Sharpness: how the loss curves around a network, and measures of it that rescaling cannot move.

`trace` has the exact Hessian trace, `estimators` the matrix-free ones, `landscape` slices of the
loss, `invariant` and `orbit` the rivals that were built to survive a reparameterisation.
"""

from helpers.measures.sharpness.estimators import (
    hessian_operator,
    hutchinson_trace,
    largest_eigenvalue,
)
from helpers.measures.sharpness.invariant import (
    adaptive_sharpness,
    fisher_rao_norm,
    relative_flatness,
)
from helpers.measures.sharpness.kinks import (
    Rise,
    average_rise,
    expected_rise,
    kink_rise,
    kink_terms,
)
from helpers.measures.sharpness.landscape import (
    filter_normalised_direction,
    gaussian_direction,
    loss_along_direction,
)
from helpers.measures.sharpness.orbit import OrbitMinimum, orbit_minimum_trace
from helpers.measures.sharpness.reference import brute_force_hessian
from helpers.measures.sharpness.trace import (
    MAX_POINTS,
    TraceTerms,
    hessian_trace,
    hessian_trace_terms,
    softmax_factor,
    trace_under_scaling,
)

__all__ = [
    "MAX_POINTS",
    "OrbitMinimum",
    "Rise",
    "TraceTerms",
    "adaptive_sharpness",
    "average_rise",
    "brute_force_hessian",
    "expected_rise",
    "filter_normalised_direction",
    "fisher_rao_norm",
    "gaussian_direction",
    "hessian_operator",
    "hessian_trace",
    "hessian_trace_terms",
    "hutchinson_trace",
    "kink_rise",
    "kink_terms",
    "largest_eigenvalue",
    "loss_along_direction",
    "orbit_minimum_trace",
    "relative_flatness",
    "softmax_factor",
    "trace_under_scaling",
]
