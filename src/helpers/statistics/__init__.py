"""Correlations with intervals, tests that compare them, and how much a correlation could show."""

from .comparison import Comparison, compare_spearman, meng_z, steiger_z, williams_t
from .correlation import partial_spearman, spearman, spearman_within
from .estimate import Estimate
from .family import correlation_family, partial_family
from .power import (
    power_of_comparison,
    power_of_correlation,
    sample_size_for_comparison,
    sample_size_for_correlation,
)
from .reliability import (
    NoiseCeiling,
    noise_ceiling,
    noise_ceiling_from_accuracy,
    noise_ceiling_from_disagreement,
)
from .testing import benjamini_hochberg, holm, welch_difference

__all__ = [
    "Comparison",
    "Estimate",
    "NoiseCeiling",
    "benjamini_hochberg",
    "compare_spearman",
    "correlation_family",
    "holm",
    "meng_z",
    "noise_ceiling",
    "noise_ceiling_from_accuracy",
    "noise_ceiling_from_disagreement",
    "partial_family",
    "partial_spearman",
    "power_of_comparison",
    "power_of_correlation",
    "sample_size_for_comparison",
    "sample_size_for_correlation",
    "spearman",
    "spearman_within",
    "steiger_z",
    "welch_difference",
    "williams_t",
]
