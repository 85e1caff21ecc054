"""The one shape in which every statistic comes back, and the checks every input goes through."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from helpers.errors import UserError


@dataclass(frozen=True)
class Estimate:
    """Hold an estimate, its interval at `level`, a two-sided p, the sample size and the method.

    `statistic` is the z or t behind p where there is one. Whatever is undefined is nan.
    """

    estimate: float
    low: float
    high: float
    p: float
    n: int
    method: str
    statistic: float = float("nan")
    level: float = 0.95

    def above(self, value: float) -> bool:
        """Tell whether the whole interval lies above a value."""
        return self.low > value

    def below(self, value: float) -> bool:
        """Tell whether the whole interval lies below a value."""
        return self.high < value

    def covers(self, value: float) -> bool:
        """Tell whether the interval contains a value."""
        return self.low <= value <= self.high

    def times(self, factor: float) -> Estimate:
        """Return the estimate in other units, such as points for shares; p stays."""
        low, high = sorted((factor * self.low, factor * self.high))
        return replace(self, estimate=factor * self.estimate, low=low, high=high)

    def exp(self) -> Estimate:
        """Return a difference of logarithms as a ratio; p stays."""
        estimate, low, high = (math.exp(x) for x in (self.estimate, self.low, self.high))
        return replace(self, estimate=estimate, low=low, high=high)

    def __format__(self, spec: str) -> str:
        """Print the estimate with its interval, '+0.25 [−0.01, +0.51]', each number by `spec`."""
        if not math.isfinite(self.estimate):
            return "–"
        numbers = (format(x, spec or "+.2f") for x in (self.estimate, self.low, self.high))
        centre, low, high = (text.replace("-", "−") for text in numbers)
        return f"{centre} [{low}, {high}]"

    def __str__(self) -> str:
        interval = f"[{self.low:+.3f}, {self.high:+.3f}]"
        return f"{self.estimate:+.3f} {interval}, p = {self.p:.3g}, n = {self.n} ({self.method})"


def mean_estimate(values: Any) -> Estimate:
    """Estimate a mean with its normal 95 % interval, from values (n,)."""
    column = as_column(values, "values")
    mean, reach = column.mean(), 1.96 * column.std(ddof=1) / math.sqrt(len(column))
    ends = float(mean - reach), float(mean + reach)
    return Estimate(float(mean), *ends, float("nan"), len(column), "mean, normal interval")


def as_column(values: Any, name: str, n: int | None = None) -> np.ndarray:
    """Return a finite float64 vector, (n,); raise UserError on anything else. Takes tensors too."""
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1:
        raise UserError(f"{name} has shape {column.shape}; expected one number a network, (n,)")
    if n is not None and len(column) != n:
        raise UserError(f"{name} has {len(column)} values; expected {n}, as many as the others")
    if len(column) < 3:
        raise UserError(f"{name} has {len(column)} values; expected at least 3")
    if not np.isfinite(column).all():
        raise UserError(f"{name} holds values that are not finite; expected numbers; drop those")
    return column


def check_level(level: float) -> None:
    """Raise UserError unless a confidence level lies strictly between 0 and 1."""
    if not 0 < level < 1:
        raise UserError(f"the level is {level}; expected one between 0 and 1, such as 0.95")
