"""What a claim is, and what a reading of it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd


class Verdict(StrEnum):
    """The fixed vocabulary of verdicts: the first five for measurements, the rest for theorems."""

    REPLICATES = "replicates"
    PARTLY = "replicates in part"
    FAILS = "does not replicate"
    OPEN = "not measured yet"
    UNFINISHED = "measured in part"
    PROVED = "proved"
    REPAIRED = "proved as repaired"
    CONDITIONAL = "holds only if"
    REFUTED = "refuted by example"


Load = Callable[[str], pd.DataFrame]
"""Give the name of a table in results/, get the table."""


@dataclass(frozen=True)
class Reading:
    """One reading of a claim: `measured` in words and figures, ready to print, and its verdict.

    `value`, `low` and `high` are the number behind it and its 95 % interval, where there is one.
    """

    measured: str
    verdict: Verdict
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Claim:
    """One claim of the paper in our words, and how it is put to the test.

    `where` is its place in the paper, `reported` the paper's own number, `tables` the names in
    results/ it is read from, `rule` the words of the verdict's rule, and `read` the rule itself.
    """

    id: str
    statement: str
    where: str
    reported: str
    chapter: str
    tables: tuple[str, ...]
    rule: str
    read: Callable[[Load], Reading]


def verdict_of_estimate(value: float, low: float, high: float, reported: float) -> Verdict:
    """Judge a signed effect against the paper's.

    Replicates: our interval excludes zero on the paper's side and contains the paper's number.
    In part: our interval excludes zero on the paper's side, or our estimate has the paper's sign
    and our interval contains its number. Anything else does not replicate.
    """
    same_sign = value * reported > 0
    excludes_zero = low > 0 or high < 0
    contains = low <= reported <= high
    if same_sign and excludes_zero and contains:
        return Verdict.REPLICATES
    if same_sign and (excludes_zero or contains):
        return Verdict.PARTLY
    return Verdict.FAILS


def verdict_of_null(low: float, high: float, reported: float) -> Verdict:
    """Judge a claimed absence of an effect.

    Replicates: our interval contains both zero and the paper's number. In part: it contains zero
    only. Anything else does not replicate.
    """
    if low <= 0 <= high:
        return Verdict.REPLICATES if low <= reported <= high else Verdict.PARTLY
    return Verdict.FAILS
