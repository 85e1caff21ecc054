"""Claims of Part I, The puzzle: flatness as a predictor, and what rescaling does to it."""

from __future__ import annotations

from functools import partial

import pandas as pd

from helpers.claims.types import Claim, Load, Reading, Verdict, verdict_of_estimate
from helpers.experiments.invariance import MOVED, SCALINGS
from helpers.reported import reparameterisation_table, reported_value
from helpers.statistics import spearman

TOLERANCE = 1.25  # an inflation counts as the paper's if within this factor of it
WEAKNESS = ("l1_patterns", "l2_patterns", "unseen_only_regions", "pair_proxy")
NOT_WEAKNESS = ("hessian_trace", "weight_l2_norm", "weight_l1_norm")


def inflations(frame: pd.DataFrame) -> pd.DataFrame:
    """Return how much each network's trace grows at the largest factor, one row a network.

    `frame` is the table `reparameterisation`; columns dataset, n, network, regime, and for each of
    T_beta and T_gamma the trace at 1, at the largest factor, and their ratio.
    """
    keys = ["dataset", "n", "network", "regime"]
    rows = []
    for identity, group in frame.groupby(keys, sort=False):
        row = dict(zip(keys, identity, strict=True))
        for name in ("T_beta", "T_gamma"):
            own = group[group["transformation"] == name].set_index("factor")["hessian_trace"]
            row |= {f"{name}_start": own[1.0], f"{name}_end": own[own.index.max()]}
            row |= {f"{name}_inflation": own[own.index.max()] / own[1.0]}
        rows.append(row)
    return pd.DataFrame(rows)


def _read_inflation(load: Load, name: str, reported: float) -> Reading:
    frame = load("reparameterisation")
    every = inflations(frame)
    grown = every[f"{name}_inflation"]
    same = every[(every["network"] == 0) & (every["n"] == every["n"].max())]
    own = float(same[f"{name}_inflation"].iloc[0])
    changed = int(frame.loc[frame["transformation"] == name, "predictions_changed"].sum())
    close = reported / TOLERANCE <= own <= reported * TOLERANCE
    if close and changed == 0:
        verdict = Verdict.REPLICATES
    else:
        verdict = Verdict.PARTLY if own > 2 else Verdict.FAILS
    measured = (
        f"{own:.0f}× on the paper's network, {grown.min():.0f}× to {grown.max():.0f}× over "
        f"{len(grown)} networks; predictions changed: {changed}"
    )
    return Reading(measured, verdict, own, float(grown.min()), float(grown.max()))


def _read_flatness(load: Load) -> Reading:
    frame = load("vanishing_mnist_500")
    found = spearman(frame["hessian_trace"], frame["test_accuracy"])
    reported = reported_value("table2_cross_regime_spearman", "hessian", n=500)
    return Reading(
        f"ρ = {found.estimate:+.2f} [{found.low:+.2f}, {found.high:+.2f}], {found.n} networks",
        verdict_of_estimate(found.estimate, found.low, found.high, reported),
        found.estimate,
        found.low,
        found.high,
    )


def _read_sharpness_moves(load: Load) -> Reading:
    frame = load("invariance")
    chosen = frame[frame["measure"].isin(NOT_WEAKNESS) & frame["transformation"].isin(SCALINGS)]
    moved = chosen["relative_change"] > MOVED
    count = f"{int(moved.sum())} of {len(chosen)} measurements moved"
    if moved.all():
        verdict = Verdict.REPLICATES
    else:
        verdict = Verdict.PARTLY if moved.any() else Verdict.FAILS
    return Reading(count, verdict, float(moved.mean()))


def _read_weakness_stays(load: Load) -> Reading:
    frame = load("invariance")
    chosen = frame[frame["measure"].isin(WEAKNESS) & frame["after"].notna()]
    moved = chosen["relative_change"] > MOVED
    scaled = chosen["transformation"].isin(SCALINGS)
    under_scaling, elsewhere = moved[scaled], moved[~scaled]
    measured = (
        f"moved in {int(under_scaling.sum())} of {len(under_scaling)} measurements under "
        f"rescaling, in {int(elsewhere.sum())} of {len(elsewhere)} under other changes that keep "
        "the function"
    )
    if under_scaling.any():
        verdict = Verdict.FAILS
    else:
        verdict = Verdict.PARTLY if elsewhere.any() else Verdict.REPLICATES
    return Reading(measured, verdict, float(moved.mean()))


_TABLE_6 = reparameterisation_table()
_BETA = float(_TABLE_6["max_inflation_claimed"])
_GAMMA = round(_TABLE_6["hessian_by_gamma"]["20"] / _TABLE_6["hessian_by_gamma"]["1"])
_RULE_INFLATION = (
    "replicates if the inflation of the paper's network (0 at n = 6,000) is within a factor "
    f"{TOLERANCE} of the paper's and no prediction on unseen points changes for any network; in "
    "part if the trace more than doubles"
)

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="flat-predicts-at-500",
        statement="Over networks of both training regimes that learned the same 500 digits, a "
        "smaller Hessian trace goes with a higher test accuracy.",
        where="Table 2, n = 500",
        reported=f"ρ = {reported_value('table2_cross_regime_spearman', 'hessian', n=500):+.2f}",
        chapter="01-flat-minima",
        tables=("vanishing_mnist_500",),
        rule="replicates if our 95 % interval excludes 0 on the paper's side and contains the "
        "paper's ρ; in part if only one of the two",
        read=_read_flatness,
    ),
    Claim(
        id="inflation-beta",
        statement="Scaling layer 1 by β = 20 and layer 2 by 1/β inflates the Hessian trace a "
        "hundredfold and changes no answer of the network.",
        where="Table 6 and text",
        reported=f"{_BETA:.0f}×",
        chapter="02-reparameterisation",
        tables=("reparameterisation",),
        rule=_RULE_INFLATION,
        read=partial(_read_inflation, name="T_beta", reported=_BETA),
    ),
    Claim(
        id="inflation-gamma",
        statement="The same one layer up, with γ = 20, inflates the trace fifty-fold and changes "
        "no answer.",
        where="Table 6 and text",
        reported=f"{_GAMMA}×",
        chapter="02-reparameterisation",
        tables=("reparameterisation",),
        rule=_RULE_INFLATION,
        read=partial(_read_inflation, name="T_gamma", reported=float(_GAMMA)),
    ),
    Claim(
        id="sharpness-moves",
        statement="The Hessian trace and the norms of the weights are not invariant under "
        "rescalings that keep the function.",
        where="Tables 3–5, column 'invariant'",
        reported="not invariant",
        chapter="03-what-moves",
        tables=("invariance",),
        rule="replicates if they move on every network under every rescaling; in part if on some",
        read=_read_sharpness_moves,
    ),
    Claim(
        id="weakness-stays",
        statement="The measures of weakness (pattern counts, free regions, pair proxy) depend on "
        "the function alone, so writing it differently cannot move them.",
        where="Tables 3–5, column 'invariant'; Theorem 6",
        reported="invariant",
        chapter="03-what-moves",
        tables=("invariance",),
        rule="replicates if no change that keeps the function moves them; in part if rescalings "
        "do not but another change does",
        read=_read_weakness_stays,
    ),
)
