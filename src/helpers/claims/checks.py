"""Read claims about theorems from the tables of exhaustive checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from helpers.claims.types import Load, Measured, Reading, Verdict


def check_row(load: Load, name: str, table: str = "theory") -> dict[str, Any]:
    """Return the row of one check: its cases, failures and detail."""
    return dict(load(table).set_index("check").loc[name])


def failures_of(label: str, rows: Sequence[Mapping[str, Any]]) -> Measured:
    """Count the failures over some checks: '3 of 1,000 cases'."""
    failures, cases = (sum(int(row[name]) for row in rows) for name in ("failures", "cases"))
    return Measured(label, f"{failures:,} of {cases:,} cases")


def judge_theorem(
    holds: tuple[str, ...],
    broken: Mapping[str, str],
    if_so: Verdict,
    table: str = "theory",
) -> Callable[[Load], Reading]:
    """Judge a theorem by its checks: `holds` must have no failure, each of `broken` some.

    `broken` labels each check that should fail by what fails. Where it is empty the statement
    stands as printed; otherwise `if_so` says what became of it. Refuted if a check that should hold
    fails; not settled if no counterexample shows up.
    """

    def judge(load: Load) -> Reading:
        sound = [check_row(load, name, table) for name in holds]
        unsound = [check_row(load, name, table) for name in broken]
        verdict = if_so
        if any(int(row["failures"]) for row in sound):
            verdict = Verdict.REFUTED
        elif any(not int(row["failures"]) for row in unsound):
            verdict = Verdict.OPEN
        measured = [
            failures_of(label, [row]) for label, row in zip(broken.values(), unsound, strict=True)
        ]
        if sound:
            label = "failures of what is proved" if broken else "failures of the statement"
            measured.append(failures_of(label, sound))
        return Reading(tuple(measured), verdict)

    return judge
