"""Claims of this chapter: what rescaling does to sharpness."""

from __future__ import annotations

from functools import partial

from helpers.analysis.inflation import inflations
from helpers.claims.types import Claim, Load, Measured, Reading, Verdict
from helpers.page.reported import reparameterisation_table

TOLERANCE = 1.25  # an inflation counts as the paper's if within this factor of it


def _judge_inflation(load: Load, name: str, reported: float) -> Reading:
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
        Measured("factor on the paper's network", own, ".0f"),
        Measured("smallest factor", float(grown.min()), ".0f"),
        Measured("largest factor", float(grown.max()), ".0f"),
        Measured("networks", len(grown)),
        Measured("predictions changed", changed),
    )
    return Reading(measured, verdict)


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
        id="inflation-beta",
        statement="Scaling layer 1 by β = 20 and layer 2 by 1/β inflates the Hessian trace a "
        "hundredfold and changes no answer of the network.",
        where="Table 6 and text",
        reported=f"{_BETA:.0f}×",
        tables=("reparameterisation",),
        rule=_RULE_INFLATION,
        judge=partial(_judge_inflation, name="T_beta", reported=_BETA),
    ),
    Claim(
        id="inflation-gamma",
        statement="The same one layer up, with γ = 20, inflates the trace fifty-fold and changes "
        "no answer.",
        where="Table 6 and text",
        reported=f"{_GAMMA}×",
        tables=("reparameterisation",),
        rule=_RULE_INFLATION,
        judge=partial(_judge_inflation, name="T_gamma", reported=float(_GAMMA)),
    ),
)
