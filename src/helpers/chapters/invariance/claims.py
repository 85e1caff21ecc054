"""Claims of this chapter: what moves under changes that keep the function."""

from __future__ import annotations

import pandas as pd

from helpers.claims.types import Claim, Load, Measured, Reading, Verdict
from helpers.experiments.invariance import MOVED, SCALINGS

WEAKNESS = ("l1_patterns", "l2_patterns", "unseen_only_regions", "pair_proxy")


NOT_WEAKNESS = ("hessian_trace", "weight_l2_norm", "weight_l1_norm")


def _judge_sharpness_moves(load: Load) -> Reading:
    frame = load("invariance")
    chosen = frame[frame["measure"].isin(NOT_WEAKNESS) & frame["transformation"].isin(SCALINGS)]
    moved = chosen["relative_change"] > MOVED
    if moved.all():
        verdict = Verdict.REPLICATES
    else:
        verdict = Verdict.PARTLY if moved.any() else Verdict.FAILS
    return Reading((_moved_of("measurements moved", moved),), verdict)


def _judge_weakness_stays(load: Load) -> Reading:
    frame = load("invariance")
    chosen = frame[frame["measure"].isin(WEAKNESS) & frame["after"].notna()]
    moved = chosen["relative_change"] > MOVED
    scaled = chosen["transformation"].isin(SCALINGS)
    under_scaling, elsewhere = moved[scaled], moved[~scaled]
    measured = (
        _moved_of("moved under rescaling", under_scaling),
        _moved_of("moved under other changes that keep the function", elsewhere),
    )
    if under_scaling.any():
        verdict = Verdict.FAILS
    else:
        verdict = Verdict.PARTLY if elsewhere.any() else Verdict.REPLICATES
    return Reading(measured, verdict)


def _moved_of(label: str, moved: pd.Series) -> Measured:
    """Count what moved: '3 of 40'."""
    return Measured(label, f"{int(moved.sum())} of {len(moved)}")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="sharpness-moves",
        statement="The Hessian trace and the norms of the weights are not invariant under "
        "rescalings that keep the function.",
        where="Tables 3–5, column 'invariant'",
        reported="not invariant",
        tables=("invariance",),
        rule="replicates if they move on every network under every rescaling; in part if on some",
        judge=_judge_sharpness_moves,
    ),
    Claim(
        id="weakness-stays",
        statement="The measures of weakness (pattern counts, free regions, pair proxy) depend on "
        "the function alone, so writing it differently cannot move them.",
        where="Tables 3–5, column 'invariant'; Theorem 6",
        reported="invariant",
        tables=("invariance",),
        rule="replicates if no change that keeps the function moves them; in part if rescalings "
        "do not but another change does",
        judge=_judge_weakness_stays,
    ),
)
