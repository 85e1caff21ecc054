"""Read claims of the form 'this measure ranks the networks' or 'it ranks them better than that'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from helpers.claims.types import (
    Load,
    Measured,
    Reading,
    Verdict,
    verdict_of_estimate,
    verdict_of_null,
)
from helpers.page.tables import word
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

    def rho(self, load: Load, measure: str) -> Estimate:
        """Return Spearman's ρ of one measure with test accuracy."""
        row = self.correlations(load).to_dict("index")[measure]
        rho, low, high, p = (float(row[name]) for name in ("rho", "low", "high", "p"))
        return Estimate(rho, low, high, p, int(row["n"]), "Spearman, BCa bootstrap")

    def judge_effect(self, load: Load, measure: str, reported: float) -> Reading:
        """Judge a correlation that the paper reports as one."""
        return self._reading(load, measure, verdict_of_estimate, reported)

    def judge_null(self, load: Load, measure: str, reported: float) -> Reading:
        """Judge a correlation that the paper reports as absent."""
        return self._reading(load, measure, verdict_of_null, reported)

    def _reading(
        self,
        load: Load,
        measure: str,
        rule: Callable[[Estimate, float], Verdict],
        reported: float,
    ) -> Reading:
        rho = self.rho(load, measure)
        p_holm = float(self.correlations(load).to_dict("index")[measure]["p_holm"])
        measured = (
            Measured("ρ", rho, "+.3f"),
            Measured("networks", rho.n),
            Measured("p", rho.p, ".2g"),
            Measured(f"p over {len(self.measures)} tests (Holm)", p_holm, ".2g"),
        )
        return Reading(measured, rule(rho, reported), rho)

    def compare(self, load: Load, first: str, second: str) -> Comparison:
        """Compare |ρ| of two measures on the networks that have every measure of the family."""
        frame = load(self.table).dropna(subset=["test_accuracy", *self.measures])
        columns = frame[first], frame[second], frame["test_accuracy"]
        return compare_spearman(*columns, absolute=True)

    def judge_outperforms(self, load: Load, first: str, rivals: Sequence[str]) -> Reading:
        """Judge whether `first` has the larger |ρ| than every rival; the closest rival decides."""
        found = [self.compare(load, first, rival) for rival in rivals]
        closest = min(found, key=lambda one: one.first - one.second)
        rival = rivals[found.index(closest)]
        gap, steiger = closest.bootstrap, closest.steiger
        verdict = Verdict.PARTLY if gap.estimate > 0 else Verdict.FAILS
        if gap.low > 0 and steiger.p < 0.05:
            verdict = Verdict.REPLICATES
        measured = (
            Measured(f"|ρ| of {word(first)}", closest.first, ".3f"),
            Measured(f"|ρ| of {word(rival)}", closest.second, ".3f"),
            Measured("difference", gap, "+.3f"),
            Measured("Steiger p", steiger.p, ".2g"),
        )
        return Reading(measured, verdict, gap)


@lru_cache(maxsize=8)
def _correlations(columns: bytes, measures: tuple[str, ...]) -> pd.DataFrame:
    values = np.frombuffer(columns).reshape(-1, 1 + len(measures))
    return correlation_family(pd.DataFrame(values, columns=["test_accuracy", *measures]), measures)
