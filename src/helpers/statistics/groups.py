"""What two groups make of a correlation, and what is left of it within them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from helpers.errors import UserError
from helpers.statistics.estimate import as_column


@dataclass(frozen=True)
class GroupSplit:
    """Hold Spearman's ρ of x and y over two groups, and its parts: ρ = between + remainder.

    `x_group` and `y_group` are the correlations of the ranks with the group, `between` is their
    product, `within` the partial correlation given the group, and `remainder` is
    √((1 − x_group²)(1 − y_group²)) · within.
    """

    rho: float
    x_group: float
    y_group: float
    between: float
    within: float
    remainder: float


def split_by_group(x: Any, y: Any, groups: Any) -> GroupSplit:
    """Split Spearman's ρ of x and y, each (n,), into a part between two groups and one within.

    `groups` (n,) takes two values; which of them counts as the higher changes nothing but two
    signs. Where a group determines the ranks of x or y, `within` is nan and the remainder 0.
    Raises UserError unless there are exactly two groups. Source: the definition of a partial
    correlation (Yule, 1907), applied to ranks.
    """
    x = as_column(x, "x")
    y = as_column(y, "y", len(x))
    names, code = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) != 2 or code.shape != x.shape:
        raise UserError(
            f"groups holds {len(names)} values for {len(x)} points; expected one of two a point"
        )
    columns = np.column_stack([stats.rankdata(x), stats.rankdata(y), code])
    matrix = np.corrcoef(columns.T)
    rho, x_group, y_group = (float(matrix[at]) for at in ((0, 1), (0, 2), (1, 2)))
    between = x_group * y_group
    room = math.sqrt(max(0.0, (1 - x_group**2) * (1 - y_group**2)))
    remainder = rho - between
    within = remainder / room if room > 1e-9 else float("nan")
    return GroupSplit(rho, x_group, y_group, between, within, remainder)


def separation_alone(first: int, second: int) -> float:
    """Return the |between| of two groups of these sizes that overlap in neither x nor y.

    With equal sizes m it is 3m² / (4m² − 1), three quarters from a few points on: the rank
    correlation that two separate groups have although nothing correlates within either.
    """
    if min(first, second) < 1:
        raise UserError(f"groups of {first} and {second}; expected at least one point in each")
    total = first + second
    return 3 * first * second / (total**2 - 1)
