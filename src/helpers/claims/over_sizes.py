"""Judge a claim about several sizes of the training set by one rule at each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from helpers.claims.types import Load, Measured, Reading, verdict_over

RULE_OVER_SIZES = (
    "over the sizes: replicates if every one does, does not if none does even in part, in part "
    "otherwise"
)


def judge_over_sizes(
    load: Load, sizes: Sequence[int], judge: Callable[[Load, int], Reading]
) -> Reading:
    """Judge a claim at every size and put the verdicts together.

    Raises MissingTableError where the table of a size was never computed.
    """
    found = {n: judge(load, n) for n in sizes}
    measured = [
        replace(each, label=f"{each.label}, n = {n:,}")
        for n, one in found.items()
        for each in one.measured
    ]
    return Reading(
        tuple[Measured, ...](measured), verdict_over([r.verdict for r in found.values()])
    )
