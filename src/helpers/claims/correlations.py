"""Read claims of the form 'this measure ranks the networks' or 'it ranks them better than that'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from helpers.claims.types import Load, Reading, Verdict, verdict_of_estimate, verdict_of_null
from helpers.statistics import Comparison, Estimate, compare_spearman, correlation_family

RULE_EFFECT = (
    "replicates if our 95 % interval excludes 0 on the paper's side and contains the paper's ρ; "
    "in part if only one of the two"
)
RULE_NULL = (
    "replicates if our 95 % interval contains both 0 and the paper's ρ; in part if it contains 0 "
    "only"
)
RULE_OUTPERFORMS = (
    "|ρ| of the one less |ρ| of the other, on the same networks: replicates if the 95 % bootstrap "
    "interval lies above 0 and Steiger's p is below .05; in part if the difference is positive"
)


@dataclass(frozen=True)
class Family:
    """A table of networks and the measures that the paper tests on it, one outcome for all."""

    table: str
    measures: tuple[str, ...]

    def correlations(self, load: Load) -> pd.DataFrame:
        """Return `correlation_family` of this table: computed once, however many claims ask."""
        columns = load(self.table)[["test_accuracy", *self.measures]].to_numpy(dtype=np.float64)
        return _correlations(columns.tobytes(), self.measures).copy()

    def _row(self, load: Load, measure: str) -> dict[str, float]:
        table = self.correlations(load)
        values = table.loc[[measure]].to_numpy(dtype=np.float64)[0]
        return {str(name): float(x) for name, x in zip(table.columns, values, strict=True)}

    def read_effect(self, load: Load, measure: str, reported: float) -> Reading:
        """Judge a correlation that the paper reports as one."""
        row = self._row(load, measure)
        verdict = verdict_of_estimate(row["rho"], row["low"], row["high"], reported)
        return _reading(row, verdict, len(self.measures))

    def read_null(self, load: Load, measure: str, reported: float) -> Reading:
        """Judge a correlation that the paper reports as absent."""
        row = self._row(load, measure)
        verdict = verdict_of_null(row["low"], row["high"], reported)
        return _reading(row, verdict, len(self.measures))

    def compare(self, load: Load, first: str, second: str) -> Comparison:
        """Compare |ρ| of two measures on the networks that have every measure of the family."""
        frame = load(self.table).dropna(subset=["test_accuracy", *self.measures])
        columns = frame[first], frame[second], frame["test_accuracy"]
        return compare_spearman(*columns, absolute=True)

    def read_outperforms(self, load: Load, first: str, rivals: Sequence[str]) -> Reading:
        """Judge whether `first` has the larger |ρ| than every rival; the closest rival decides."""
        found = [self.compare(load, first, rival) for rival in rivals]
        closest = min(found, key=lambda one: one.first - one.second)
        rival = rivals[found.index(closest)]
        gap, steiger = closest.bootstrap, closest.steiger
        verdict = Verdict.PARTLY if gap.estimate > 0 else Verdict.FAILS
        if gap.low > 0 and steiger.p < 0.05:
            verdict = Verdict.REPLICATES
        return Reading(
            f"{closest.first:.3f} against {closest.second:.3f} ({rival.replace('_', ' ')}): "
            f"difference {_signed(gap)}, Steiger p = {steiger.p:.2g}",
            verdict,
            gap.estimate,
            gap.low,
            gap.high,
        )


@lru_cache(maxsize=8)
def _correlations(columns: bytes, measures: tuple[str, ...]) -> pd.DataFrame:
    values = np.frombuffer(columns).reshape(-1, 1 + len(measures))
    return correlation_family(pd.DataFrame(values, columns=["test_accuracy", *measures]), measures)


def _reading(row: dict[str, float], verdict: Verdict, tests: int) -> Reading:
    return Reading(
        f"ρ = {row['rho']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}], {row['n']:.0f} networks, "
        f"p = {row['p']:.2g}; corrected for {tests} tests (Holm) {row['p_holm']:.2g}",
        verdict,
        row["rho"],
        row["low"],
        row["high"],
    )


def _signed(one: Estimate) -> str:
    return f"{one.estimate:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
