"""Correlations with intervals, tests that compare them, and how much a correlation could show."""

from helpers.statistics.comparison import (
    Comparison,
    compare_spearman,
    meng_z,
    steiger_z,
    williams_t,
)
from helpers.statistics.correlation import partial_spearman, spearman, spearman_within
from helpers.statistics.estimate import Estimate, mean_estimate
from helpers.statistics.family import correlation_family, partial_family
from helpers.statistics.groups import GroupSplit, separation_alone, split_by_group
from helpers.statistics.power import (
    power_of_comparison,
    power_of_correlation,
    sample_size_for_comparison,
    sample_size_for_correlation,
)
from helpers.statistics.reliability import (
    NoiseCeiling,
    noise_ceiling,
    noise_ceiling_from_accuracy,
    noise_ceiling_from_disagreement,
    noise_ceiling_from_mean_disagreement,
    spearman_ceiling,
)
from helpers.statistics.testing import (
    benjamini_hochberg,
    bootstrap_difference,
    holm,
    paired_difference,
    superiority,
    welch_difference,
)

__all__ = [
    "Comparison",
    "Estimate",
    "GroupSplit",
    "NoiseCeiling",
    "benjamini_hochberg",
    "bootstrap_difference",
    "compare_spearman",
    "correlation_family",
    "holm",
    "mean_estimate",
    "meng_z",
    "noise_ceiling",
    "noise_ceiling_from_accuracy",
    "noise_ceiling_from_disagreement",
    "noise_ceiling_from_mean_disagreement",
    "paired_difference",
    "partial_family",
    "partial_spearman",
    "power_of_comparison",
    "power_of_correlation",
    "sample_size_for_comparison",
    "sample_size_for_correlation",
    "separation_alone",
    "spearman",
    "spearman_ceiling",
    "spearman_within",
    "split_by_group",
    "steiger_z",
    "superiority",
    "welch_difference",
    "williams_t",
]
