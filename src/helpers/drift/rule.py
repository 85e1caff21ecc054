"""When a column has moved; the package says the rule and its reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

FALSE_ALARMS = 0.01
"""How often an honest re-run may raise an alarm anywhere in a report."""
BAND = 0.25
"""Of the published standard deviation between seeds: what a shift must exceed to matter."""
FEWEST = 8
"""Networks on each side, or pairs, below which a spread, or a paired shift, is never an alarm."""
ROUNDING = 1e-6
"""A difference that is never one: columns of what is left of zero hold nothing but rounding."""
SHUFFLES = 9_999
"""Of these, at most one may reach a shift between different networks that is called an alarm."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Contrast:
    """One number of one column in one group, published against re-run.

    `what` is mean, spread, share or value. `unit` is the published standard deviation between
    seeds (nan where there is none), `band` the shift that does not matter. `error` is the standard
    error of the shift and `freedom` its degrees of freedom. `sides` holds the re-run's values and
    the published ones where they belong to different networks.
    """

    group: str
    column: str
    what: str
    published: float
    rerun: float
    unit: float
    band: float
    error: float = 0.0
    freedom: float = np.inf
    sides: tuple[Values, Values] | None = field(default=None, repr=False)

    @property
    def shift(self) -> float:
        """Return re-run minus published."""
        return self.rerun - self.published

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return Student's interval of the shift, which misses with probability `alpha`."""
        if self.error == 0:
            return self.shift, self.shift
        reach = float(student_t.ppf(1 - alpha / 2, self.freedom)) * self.error
        return self.shift - reach, self.shift + reach


@dataclass(frozen=True)
class Judged:
    """A contrast with the interval of its shift and the outcome: moved, held or open."""

    contrast: Contrast
    low: float
    high: float
    outcome: str

    @property
    def in_units(self) -> float:
        """Return the shift in published standard deviations between seeds."""
        unit = self.contrast.unit
        return self.contrast.shift / unit if unit > 0 else np.nan

    @property
    def size(self) -> float:
        """Return the shift's size, to sort by; one without a unit comes first."""
        return np.inf if np.isnan(self.in_units) else abs(self.in_units)

    @property
    def visible(self) -> float:
        """Return the smallest shift, in the same units, that would have been called moved."""
        unit, reach = self.contrast.unit, (self.high - self.low) / 2
        return max(reach, self.contrast.band) / unit if unit > 0 else np.nan


def judge(contrasts: Sequence[Contrast], alpha: float) -> list[Judged]:
    """Judge the contrasts of one table together, `alpha` shared equally among them."""
    each = alpha / max(1, len(contrasts))
    return [_judged(contrast, *contrast.interval(each)) for contrast in contrasts]


def _judged(contrast: Contrast, low: float, high: float) -> Judged:
    band = contrast.band
    outcome = "held" if -band <= low and high <= band else "open"
    if (low > 0 or high < 0) and abs(contrast.shift) > band and not _common(contrast):
        outcome = "moved"
    return Judged(contrast, low, high, outcome)


def _common(contrast: Contrast) -> bool:
    """Tell whether networks shuffled between the tables reach such a shift more than once.

    Student's interval trusts two samples to be nearly normal; a column of rare events is not.
    """
    if contrast.sides is None:
        return False
    new, old = contrast.sides
    pooled = np.concatenate([new, old])
    pooled = pooled - pooled.mean()
    means = _shuffles(len(new), len(pooled)) @ pooled.astype(np.float32)
    return int((np.abs(means) >= abs(pooled[: len(new)].mean()) * (1 - 1e-5)).sum()) > 1


@lru_cache(maxsize=4)
def _shuffles(count: int, total: int) -> NDArray[np.float32]:
    """Return rows that average `count` of `total` values drawn without replacement."""
    ranks = np.random.default_rng(0).random((SHUFFLES, total)).argsort(axis=1)
    return ((ranks < count) / count).astype(np.float32)


def same(new: Values, old: Values, tolerance: float) -> NDArray[np.bool_]:
    """Tell which values agree within a relative tolerance, or but for rounding; or both miss."""
    with np.errstate(invalid="ignore"):
        close = np.abs(new - old) <= np.maximum(tolerance * np.abs(old), ROUNDING)
    return close | (new == old) | (np.isnan(new) & np.isnan(old))


def contrasts_of(
    group: str, column: str, new: Values, old: Values, tolerance: float, paired: bool
) -> list[Contrast]:
    """Return what is compared of a column: its mean (of yes and no, the share) and its spread.

    `new` and `old` hold a number per seed, in the same order where `paired`; missing ones are left
    out. Nothing is returned where all pairs agree, or where nothing is left.
    """
    if paired:
        if same(new, old, tolerance).all():
            return []
        both = np.isfinite(new) & np.isfinite(old)
        new, old = new[both], old[both]
    new, old = new[np.isfinite(new)], old[np.isfinite(old)]
    if not len(new) or not len(old):
        return []
    unit = float(old.std(ddof=1)) if len(old) > 1 else np.nan
    least = max(tolerance * abs(float(old.mean())), ROUNDING)
    band = max(BAND * unit, least) if unit > 0 else least
    is_share = bool(np.isin(np.concatenate([new, old]), (0.0, 1.0)).all())
    sides = {"share" if is_share else "mean": (new, old)}
    if not is_share and min(len(new), len(old)) >= FEWEST:
        sides["spread"] = (np.abs(new - np.median(new)), np.abs(old - np.median(old)))
    return [
        Contrast(
            *(group, column, what, float(b.mean()), float(a.mean()), unit, band),
            *(_paired_error(a - b) if paired else _pooled_error(a, b)),
            None if paired else (a, b),
        )
        for what, (a, b) in sides.items()
    ]


def _paired_error(differences: Values) -> tuple[float, float]:
    count = len(differences)
    if count < FEWEST:
        return np.inf, 1.0
    return float(differences.std(ddof=1) / np.sqrt(count)), count - 1.0


def _pooled_error(new: Values, old: Values) -> tuple[float, float]:
    freedom = len(new) + len(old) - 2.0
    if freedom < 1:
        return np.inf, 1.0
    squares = sum(float(((side - side.mean()) ** 2).sum()) for side in (new, old))
    return float(np.sqrt(squares / freedom * (1 / len(new) + 1 / len(old)))), freedom
