"""The one shape in which every statistic comes back, and the checks every input goes through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError


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

    def __str__(self) -> str:
        interval = f"[{self.low:+.3f}, {self.high:+.3f}]"
        return f"{self.estimate:+.3f} {interval}, p = {self.p:.3g}, n = {self.n} ({self.method})"


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
