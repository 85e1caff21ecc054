"""Claims of Tables 1 and 2: the advantage of large batches, and what predicts it, at six sizes.

A claim about several sizes is judged at each size by one rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from helpers.chapters.vanishing.analysis import (
    TEST_POINTS,
    delta,
    gather,
    pooled_rho,
    printed_rho,
    within_rho,
)
from helpers.chapters.vanishing.fading import Fading, fading
from helpers.claims.over_sizes import RULE_OVER_SIZES, judge_over_sizes
from helpers.claims.types import (
    Claim,
    Load,
    Measured,
    Reading,
    Verdict,
    verdict_of_estimate,
    verdict_of_null,
)
from helpers.page.reported import table_1
from helpers.page.tables import listed
from helpers.statistics import Estimate

SMALL_N = (500, 2_000, 6_000, 12_000)  # where the paper finds an advantage, and predictors of it
LARGE_N = (24_000, 60_000)
TRACE_BAND = 0.10  # mean traces count as the paper's if within this share of them


def tables(*sizes: int) -> tuple[str, ...]:
    """Return the names of the tables of these sizes."""
    return tuple(f"vanishing_mnist_{n}" for n in sizes)


def _scale(load: Load, n: int) -> pd.DataFrame:
    return gather(load, sizes=[n])[n]


def judge_delta(load: Load, n: int) -> Reading:
    """Judge Δ at one size against the paper's, give or take half of its last printed digit."""
    found = delta(_scale(load, n))
    return Reading((Measured("Δ", found, "+.2f", "points"),), _verdict_of_delta(found, n), found)


def _verdict_of_delta(found: Estimate, n: int) -> Verdict:
    printed = float(table_1()["delta_pp"][n])
    half = 0.05 if n in SMALL_N else 0.005
    beyond = max(found.low - printed, printed - found.high, 0.0)
    near = printed if beyond > half else float(np.clip(printed, found.low, found.high))
    return verdict_of_estimate(found, near)


def _judge_one_delta(load: Load, n: int) -> Reading:
    one = judge_delta(load, n)
    found = delta(_scale(load, n))
    more = (Measured("p (Welch)", found.p, ".2g"), Measured("networks", found.n))
    return Reading((*one.measured, *more), one.verdict, found)


def _judge_vanishing(load: Load) -> Reading:
    """Compare Δ at n = 2,000 with Δ at 60,000 by a normal interval of the difference."""
    first, last = (delta(_scale(load, n)) for n in (2_000, 60_000))
    fall = first.estimate - last.estimate
    reach = float(np.hypot(first.high - first.estimate, last.high - last.estimate))
    fallen = Estimate(fall, fall - reach, fall + reach, np.nan, first.n + last.n, "normal")
    verdict = Verdict.FAILS
    if fallen.above(0):
        verdict = Verdict.REPLICATES if last.covers(0) else Verdict.PARTLY
    measured = (
        Measured("Δ, n = 2,000", first, "+.2f", "points"),
        Measured("Δ, n = 60,000", last, "+.2f", "points"),
        Measured("fall", fallen, ".2f", "points"),
    )
    return Reading(measured, verdict, last)


def judge_traces(load: Load, n: int) -> Reading:
    """Judge both regimes' mean traces at one size against the printed ones."""
    means = _scale(load, n).groupby("regime")["hessian_trace"].mean()
    own = [float(means[f"{name}_batch"]) for name in ("small", "large")]
    printed = [float(table_1()[f"hessian_{name}"][n]) for name in ("small", "large")]
    close = [abs(a - b) <= TRACE_BAND * b for a, b in zip(own, printed, strict=True)]
    verdict = Verdict.REPLICATES if all(close) else Verdict.PARTLY if any(close) else Verdict.FAILS
    measured = Measured("mean trace, small/large batch", f"{own[0]:.1f}/{own[1]:.1f}")
    return Reading((measured,), verdict)


def rho(load: Load, n: int, measure: str) -> Estimate:
    """Correlate a measure with test accuracy over both regimes of one scale."""
    return pooled_rho(_scale(load, n), measure)


def judge_rho(load: Load, n: int, measure: str, absent: Sequence[int] = ()) -> Reading:
    """Judge ρ at one size: as an effect, or as the lack of one at the sizes in `absent`."""
    found, rule = rho(load, n, measure), verdict_of_estimate
    if n in absent:
        rule = verdict_of_null
    return Reading((Measured("ρ", found),), rule(found, printed_rho(n, measure)), found)


def judge_same(load: Load, n: int, measure: str) -> Reading:
    """Judge at one size whether ρ is the paper's, be it an effect or none."""
    found, printed = rho(load, n, measure), printed_rho(n, measure)
    verdict = Verdict.FAILS
    if found.covers(printed):
        verdict = Verdict.REPLICATES
    elif found.estimate * printed > 0:
        verdict = Verdict.PARTLY
    return Reading((Measured("ρ", found),), verdict, found)


def noise_alone(load: Load) -> Fading:
    """Compare ρ of the trace at n = 60,000 with what noise alone would leave of that at 2,000."""
    return fading(_scale(load, 2_000), _scale(load, 60_000), "hessian_trace", TEST_POINTS)


def _judge_confounded(load: Load) -> Reading:
    inside = within_rho(gather(load, sizes=SMALL_N), "hessian_trace")
    found = noise_alone(load)
    between_only = inside.covers(0)
    beyond_noise = not found.difference.covers(0)
    verdict = Verdict.PARTLY if between_only or beyond_noise else Verdict.FAILS
    if between_only and beyond_noise:
        verdict = Verdict.REPLICATES
    measured = (
        Measured(f"ρ within regimes, n = {listed(SMALL_N)}", inside),
        Measured("ρ at 60,000 that noise alone would leave", found.left),
        Measured("ρ at 60,000", rho(load, 60_000, "hessian_trace")),
        Measured("difference", found.difference),
    )
    return Reading(measured, verdict, inside)


def _printed_rhos(measure: str, sizes: Sequence[int]) -> str:
    return ", ".join(f"{printed_rho(n, measure):+.2f}" for n in sizes) + _at(sizes)


def _printed_deltas(sizes: Sequence[int]) -> str:
    values = table_1()["delta_pp"]
    return ", ".join(f"{values[n]:+.3g}" for n in sizes) + " points" + _at(sizes)


def _at(sizes: Sequence[int]) -> str:
    return f" at n = {listed(sizes)}"


_ALL = (*SMALL_N, *LARGE_N)
_WITH_L1 = _ALL[:-1]  # at n = 60,000 the paper prints none for layer-1 patterns
_WELCH_P = float(table_1()["welch_p"][24_000])
_RULE_DELTA = (
    "replicates if Welch's 95 % interval excludes 0 on the paper's side and contains the paper's "
    "Δ, give or take half of its last printed digit; in part if only one of the two"
)
_RULE_RHO = (
    "at each size, replicates if our 95 % interval excludes 0 on the paper's side and contains the "
    "paper's ρ, in part if only one of the two; "
)
_RULE_NO_RHO = (
    "{}, replicates if our 95 % interval contains both 0 and the paper's ρ, in part if 0 only; "
)


def _of_table_2(
    claim_id: str, statement: str, measure: str, sizes: tuple[int, ...], absent: tuple[int, ...]
) -> Claim:
    rule = _RULE_RHO if set(sizes) - set(absent) else ""
    if absent:
        where = f"but at n = {listed(absent)}" if rule else "at each size"
        rule += _RULE_NO_RHO.format(where)
    return Claim(
        id=claim_id,
        statement=statement,
        where="Table 2",
        reported="ρ = " + _printed_rhos(measure, sizes),
        tables=tables(*sizes),
        rule=rule + RULE_OVER_SIZES,
        judge=partial(
            judge_over_sizes, sizes=sizes, judge=partial(judge_rho, measure=measure, absent=absent)
        ),
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="advantage-small-n",
        statement="With little data, networks trained with large batches are the more accurate, "
        "by about a percentage point.",
        where="Table 1",
        reported="Δ = " + _printed_deltas(SMALL_N),
        tables=tables(*SMALL_N),
        rule=f"at each size, {_RULE_DELTA}; {RULE_OVER_SIZES}",
        judge=partial(judge_over_sizes, sizes=SMALL_N, judge=judge_delta),
    ),
    Claim(
        id="advantage-24000",
        statement="At n = 24,000 less than a tenth of a point is left of it, though still there.",
        where="Table 1",
        reported=f"Δ = {_printed_deltas((24_000,))}, p = {_WELCH_P:g} (Welch)",
        tables=tables(24_000),
        rule=_RULE_DELTA,
        judge=partial(_judge_one_delta, n=24_000),
    ),
    Claim(
        id="advantage-vanishes",
        statement="As the training set grows, the advantage of large batches vanishes.",
        where="Table 1 and abstract",
        reported="Δ = " + _printed_deltas((2_000, 60_000)),
        tables=tables(2_000, 60_000),
        rule="replicates if Δ at n = 60,000 is smaller than at 2,000, the 95 % interval of the "
        "fall above 0, and its own Welch interval contains 0; in part if it is only smaller",
        judge=_judge_vanishing,
    ),
    Claim(
        id="large-batch-flatter",
        statement="Large-batch networks end in flatter minima, most clearly with little data.",
        where="Table 1",
        reported="mean trace, small/large batch: "
        + ", ".join(
            f"{row.hessian_small:.1f}/{row.hessian_large:.1f}" for row in table_1().itertuples()
        )
        + _at(_ALL),
        tables=tables(*_ALL),
        rule=f"at each size, replicates if both means are within {TRACE_BAND:.0%} of the paper's, "
        f"in part if one is; {RULE_OVER_SIZES}",
        judge=partial(judge_over_sizes, sizes=_ALL, judge=judge_traces),
    ),
    _of_table_2(
        "trace-predicts-small-n",
        "With little data, a smaller Hessian trace goes with a higher test accuracy.",
        "hessian_trace",
        SMALL_N,
        (),
    ),
    _of_table_2(
        "trace-stops",
        "With more data, the Hessian trace no longer predicts test accuracy.",
        "hessian_trace",
        LARGE_N,
        LARGE_N,
    ),
    Claim(
        id="layer-1-patterns",
        statement="Layer-1 activation patterns go with test accuracy at some sizes, and weakly.",
        where="Table 2",
        reported="ρ = " + _printed_rhos("l1_patterns", _WITH_L1),
        tables=tables(*_WITH_L1),
        rule="at each size, replicates if our 95 % interval contains the paper's ρ, in part if "
        "only the sign is the same; " + RULE_OVER_SIZES,
        judge=partial(
            judge_over_sizes, sizes=_WITH_L1, judge=partial(judge_same, measure="l1_patterns")
        ),
    ),
    _of_table_2(
        "patterns-predict-small-n",
        "With little data, more layer-2 activation patterns go with a higher test accuracy.",
        "l2_patterns",
        SMALL_N,
        (),
    ),
    _of_table_2(
        "patterns-stop",
        "With more data, layer-2 patterns predict less, and at the largest size nothing.",
        "l2_patterns",
        LARGE_N,
        (60_000,),
    ),
    _of_table_2(
        "agreement-persists",
        "Ensemble agreement goes with test accuracy at every size.",
        "ensemble_agreement",
        _ALL,
        (),
    ),
    Claim(
        id="vanishing-shows-confounding",
        statement="What predicts with little data and not with much was confounded to begin with: "
        "the Hessian trace was never the cause.",
        where="the conclusion drawn from Tables 1 and 2",
        reported="an inference, without a test of its own",
        tables=tables(*SMALL_N, 60_000),
        rule="replicates if (i) inside the regimes, over n = "
        + listed(SMALL_N)
        + ", ρ of trace and accuracy has a 95 % interval that contains 0, so that what predicts is "
        "the regime; and (ii) at n = 60,000 the measured ρ less the ρ that test-set noise alone "
        "would leave of the one at 2,000 has a 95 % interval (BCa, networks of both sizes "
        "resampled) that excludes 0; in part if only one of the two",
        judge=_judge_confounded,
    ),
)
