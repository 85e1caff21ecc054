"""How likely a true correlation, or a true difference of two, is to be found with n networks."""

from __future__ import annotations

import math

from scipy import stats

from helpers.errors import UserError
from helpers.statistics.comparison import steiger_z


def power_of_correlation(rho: float, n: int, *, alpha: float = 0.05) -> float:
    """Return the chance that a two-sided test finds a Spearman correlation of rho at n points.

    Fisher's z with the variance of Bonett and Wright (2000): 1/(n − 3) under the null hypothesis,
    (1 + ρ²/2)/(n − 3) at rho.
    """
    if n < 4 or not abs(rho) < 1:
        raise UserError(f"rho {rho} and n {n}; expected |rho| < 1 and n of at least 4")
    critical = float(stats.norm.ppf(1 - alpha / 2))
    shift = math.atanh(abs(rho)) * math.sqrt(n - 3)
    spread = math.sqrt(1 + rho**2 / 2)
    upper = stats.norm.sf((critical - shift) / spread)
    return float(upper + stats.norm.cdf((-critical - shift) / spread))


def power_of_comparison(
    first: float, second: float, between: float, n: int, *, alpha: float = 0.05
) -> float:
    """Return the chance that Steiger's z finds first ≠ second, correlations sharing a variable.

    Arguments as for `steiger_z`. The statistic is taken as normal about its value at these
    correlations, with variance 1. Source: Steiger (1980).
    """
    shift = abs(steiger_z(first, second, between, n).statistic)
    critical = float(stats.norm.ppf(1 - alpha / 2))
    return float(stats.norm.sf(critical - shift) + stats.norm.cdf(-critical - shift))


def sample_size_for_correlation(rho: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """Return the least n at which `power_of_correlation` reaches a power."""
    if rho == 0:
        raise UserError("rho is 0; expected a correlation that is there to be found")
    return _least(lambda n: power_of_correlation(rho, n, alpha=alpha), power)


def sample_size_for_comparison(
    first: float, second: float, between: float, *, power: float = 0.8, alpha: float = 0.05
) -> int:
    """Return the least n at which `power_of_comparison` reaches a power."""
    if first == second:
        raise UserError("the two correlations are equal; expected a difference to be found")
    return _least(lambda n: power_of_comparison(first, second, between, n, alpha=alpha), power)


def _least(power_at, wanted: float) -> int:  # type: ignore[no-untyped-def]
    """Bisect for the least n ≥ 4 whose power is at least the wanted one."""
    if not 0 < wanted < 1:
        raise UserError(f"a power of {wanted} was asked for; expected one between 0 and 1")
    low, high = 3, 4
    while power_at(high) < wanted:
        low, high = high, 2 * high
        if high > 10**9:
            raise UserError("no sample is large enough; expected a larger effect")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_at(middle) >= wanted else (middle, high)
    return high
