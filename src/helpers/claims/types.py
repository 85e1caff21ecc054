"""What a claim is, and what a reading of it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from helpers.errors import MissingTableError
from helpers.statistics import Estimate


class Verdict(StrEnum):
    """The fixed vocabulary of verdicts: the first three for measurements, the rest for theorems.

    OPEN is the ledger's word for a claim whose table was never computed, and for a theorem whose
    counterexample was looked for and not found.
    """

    REPLICATES = "replicates"
    PARTLY = "replicates in part"
    FAILS = "does not replicate"
    OPEN = "not measured yet"
    PROVED = "proved"
    REPAIRED = "proved as repaired"
    CONDITIONAL = "holds only if"
    REFUTED = "refuted by example"


Load = Callable[[str], pd.DataFrame]
"""Give the name of a table in results/, get the table."""


@dataclass(frozen=True)
class Measured:
    """One measured value under its label, such as "Δ at n = 500": `form` and `unit` print it."""

    label: str
    value: Estimate | float | int | str
    form: str = ""
    unit: str = ""

    def __str__(self) -> str:
        text = format(self.value, self.form) + (f" {self.unit}" if self.unit else "")
        return f"{self.label}: {text}"


@dataclass(frozen=True)
class Reading:
    """One reading of a claim: what was measured, the verdict, and the estimate it rests on."""

    measured: tuple[Measured, ...]
    verdict: Verdict
    estimate: Estimate | None = None

    @property
    def text(self) -> str:
        """Return what was measured on one line."""
        return "; ".join(map(str, self.measured)) or "–"


@dataclass(frozen=True)
class Claim:
    """One claim of the paper in our words, and how it is put to the test.

    `where` is its place in the paper, `reported` the paper's own number, `tables` the names in
    results/ it is read from, `rule` the words of the verdict's rule, and `judge` the rule itself.
    """

    id: str
    statement: str
    where: str
    reported: str
    tables: tuple[str, ...]
    rule: str
    judge: Callable[[Load], Reading]

    def read(self, load: Load) -> Reading:
        """Read the claim from the tables that `load` gives.

        A table that was never computed makes the verdict 'not measured yet'; a table that is there
        but damaged raises UserError, as it should.
        """
        try:
            return self.judge(load)
        except MissingTableError:
            return Reading((), Verdict.OPEN)


def verdict_of_estimate(one: Estimate, reported: float) -> Verdict:
    """Judge a signed effect against the paper's.

    Replicates: our interval excludes zero on the paper's side and contains the paper's number.
    In part: our interval excludes zero on the paper's side, or our estimate has the paper's sign
    and our interval contains its number. Anything else does not replicate.
    """
    same_sign = one.estimate * reported > 0
    if same_sign and not one.covers(0) and one.covers(reported):
        return Verdict.REPLICATES
    if same_sign and (not one.covers(0) or one.covers(reported)):
        return Verdict.PARTLY
    return Verdict.FAILS


def verdict_of_null(one: Estimate, reported: float) -> Verdict:
    """Judge a claimed absence of an effect.

    Replicates: our interval contains both zero and the paper's number. In part: it contains zero
    only. Anything else does not replicate.
    """
    if one.covers(0):
        return Verdict.REPLICATES if one.covers(reported) else Verdict.PARTLY
    return Verdict.FAILS


def verdict_over(verdicts: Sequence[Verdict]) -> Verdict:
    """Put the verdicts of several sizes together: all, none even in part, or in part."""
    found = set(verdicts)
    return found.pop() if found in ({Verdict.REPLICATES}, {Verdict.FAILS}) else Verdict.PARTLY
