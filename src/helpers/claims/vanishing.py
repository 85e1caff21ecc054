"""Claims of Tables 1 and 2: the advantage of large batches, and what predicts it, at six sizes.

A claim about several sizes is judged at each size by one rule. Until the last of its tables is
there its verdict is 'measured in part', whatever the others say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from helpers.claims.types import (
    Claim,
    Load,
    Reading,
    Verdict,
    verdict_of_estimate,
    verdict_of_null,
)
from helpers.errors import MissingTableError
from helpers.fading import Fading, fading
from helpers.scales import (
    TEST_POINTS,
    Scales,
    at_sizes,
    by_size,
    gather,
    in_words,
    pooled_rho,
    printed_rho,
    printed_table_1,
    within_rho,
)
from helpers.statistics import Estimate, welch_difference

SMALL_N = (500, 2_000, 6_000, 12_000)  # where the paper finds an advantage, and predictors of it
LARGE_N = (24_000, 60_000)
TRACE_BAND = 0.10  # mean traces count as the paper's if within this share of them
_CHAPTER = "08-vanishing-advantage"
RULE_OVER_SIZES = (
    "over the sizes: replicates if every one does, does not if none does even in part, in part "
    "otherwise"
)
Judge = Callable[[Load, int], tuple[str, Verdict]]


def tables(*sizes: int) -> tuple[str, ...]:
    """Return the names of the tables of these sizes."""
    return tuple(f"vanishing_mnist_{n}" for n in sizes)


def over_sizes(load: Load, sizes: Sequence[int], judge: Judge) -> Reading:
    """Judge a claim at every size that is measured, and put the verdicts together.

    Raises MissingTableError when none is.
    """
    found, missing = by_size(sizes, partial(judge, load))
    if not found:
        raise MissingTableError(f"none of the sizes {in_words(sizes)} is measured")
    verdicts = {verdict for _, verdict in found.values()}
    verdict = Verdict.PARTLY
    if missing:
        verdict = Verdict.UNFINISHED
    elif verdicts in ({Verdict.REPLICATES}, {Verdict.FAILS}):
        verdict = verdicts.pop()
    return Reading(at_sizes({n: text for n, (text, _) in found.items()}, missing), verdict)


def _interval(one: Estimate) -> str:
    return f"{one.estimate:+.2f} [{one.low:+.2f}, {one.high:+.2f}]"


def _scale(load: Load, n: int) -> pd.DataFrame:
    frame = load(f"vanishing_mnist_{n}")
    return frame[~frame["diverged"]]


def _left_out(load: Load, n: int) -> str:
    """Say how many networks of a scale diverged and so enter no number; nothing if none did."""
    count = int(load(f"vanishing_mnist_{n}")["diverged"].sum())
    return f" ({count} diverged, left out)" if count else ""


def delta(frame: pd.DataFrame) -> Estimate:
    """Return Δ of one scale in percentage points, by Welch."""
    by = {name: 100 * own["test_accuracy"] for name, own in frame.groupby("regime")}
    return welch_difference(by["large_batch"], by["small_batch"])


def judge_delta(load: Load, n: int) -> tuple[str, Verdict]:
    """Judge Δ at one size against the paper's, give or take half of its last printed digit."""
    found = delta(_scale(load, n))
    return _interval(found) + _left_out(load, n), _verdict_of_delta(found, n)


def _verdict_of_delta(found: Estimate, n: int) -> Verdict:
    printed = float(printed_table_1()["delta_pp"][n])
    half = 0.05 if n in SMALL_N else 0.005
    beyond = max(found.low - printed, printed - found.high, 0.0)
    near = printed if beyond > half else float(np.clip(printed, found.low, found.high))
    return verdict_of_estimate(found.estimate, found.low, found.high, near)


def _read_one_delta(load: Load, n: int) -> Reading:
    found = delta(_scale(load, n))
    measured = f"Δ = {_interval(found)} points, p = {found.p:.2g} (Welch), {found.n} networks"
    measured += _left_out(load, n)
    return Reading(measured, _verdict_of_delta(found, n), found.estimate, found.low, found.high)


def _read_vanishing(load: Load) -> Reading:
    """Compare Δ at n = 2,000 with Δ at 60,000 by a normal interval of the difference."""
    found, missing = by_size((2_000, 60_000), lambda n: delta(_scale(load, n)))
    texts = {n: _interval(one) + _left_out(load, n) for n, one in found.items()}
    if not found:
        raise MissingTableError("neither size is measured")
    if missing:
        return Reading(at_sizes(texts, missing), Verdict.UNFINISHED)
    first, last = found[2_000], found[60_000]
    fall = first.estimate - last.estimate
    reach = float(np.hypot(first.high - first.estimate, last.high - last.estimate))
    verdict = Verdict.FAILS
    if fall - reach > 0:
        verdict = Verdict.REPLICATES if last.low <= 0 <= last.high else Verdict.PARTLY
    text = f"{at_sizes(texts)}; fall {fall:.2f} [{fall - reach:.2f}, {fall + reach:.2f}] points"
    return Reading(text, verdict, last.estimate, last.low, last.high)


def judge_traces(load: Load, n: int) -> tuple[str, Verdict]:
    """Judge both regimes' mean traces at one size against the printed ones."""
    means = _scale(load, n).groupby("regime")["hessian_trace"].mean()
    own = [float(means[f"{name}_batch"]) for name in ("small", "large")]
    printed = [float(printed_table_1()[f"hessian_{name}"][n]) for name in ("small", "large")]
    close = [abs(a - b) <= TRACE_BAND * b for a, b in zip(own, printed, strict=True)]
    verdict = Verdict.REPLICATES if all(close) else Verdict.PARTLY if any(close) else Verdict.FAILS
    return f"{own[0]:.1f}/{own[1]:.1f}{_left_out(load, n)}", verdict


def rho(load: Load, n: int, measure: str) -> Estimate:
    """Correlate a measure with test accuracy over both regimes at one size."""
    return pooled_rho(_scale(load, n), measure)


def judge_rho(load: Load, n: int, measure: str, absent: Sequence[int] = ()) -> tuple[str, Verdict]:
    """Judge ρ at one size: as an effect, or as the lack of one at the sizes in `absent`."""
    found, printed = rho(load, n, measure), printed_rho(n, measure)
    if n in absent:
        verdict = verdict_of_null(found.low, found.high, printed)
    else:
        verdict = verdict_of_estimate(found.estimate, found.low, found.high, printed)
    return _interval(found) + _left_out(load, n), verdict


def judge_same(load: Load, n: int, measure: str) -> tuple[str, Verdict]:
    """Judge at one size whether ρ is the paper's, be it an effect or none."""
    found, printed = rho(load, n, measure), printed_rho(n, measure)
    verdict = Verdict.FAILS
    if found.low <= printed <= found.high:
        verdict = Verdict.REPLICATES
    elif found.estimate * printed > 0:
        verdict = Verdict.PARTLY
    return _interval(found) + _left_out(load, n), verdict


def within(
    scales: Scales, measure: str, *, without: Sequence[int] = (), given: str | None = None
) -> Estimate:
    """Correlate a measure with accuracy inside the regimes, averaged over regimes and sizes.

    Sizes in `without` are left out; with `given`, it is the partial correlation given that column.
    """
    frame = pd.concat(
        [
            own.assign(group=f"{n} " + own["regime"])
            for n, own in scales.frames.items()
            if n not in without
        ]
    )
    return within_rho(frame, measure, "group", given)


def within_in_words(one: Estimate) -> str:
    """Say in a clause what ρ of the Hessian trace and accuracy inside the regimes comes to."""
    if one.low <= 0 <= one.high:
        return (
            "the interval contains zero: among networks trained alike it has not been shown to "
            "predict anything, so that what predicts is the regime"
        )
    better = "flatter" if one.estimate < 0 else "sharper"
    return (
        f"the interval is clear of zero: among networks trained alike, too, the {better} ones tend "
        "a little to be the more accurate, so that the regime may not be all there is to it"
    )


def noise_alone(load: Load) -> Fading:
    """Compare ρ of the trace at n = 60,000 with what noise alone would leave of that at 2,000."""
    return fading(_scale(load, 2_000), _scale(load, 60_000), "hessian_trace", TEST_POINTS)


def _read_confounded(load: Load) -> Reading:
    scales = gather(load, sizes=SMALL_N)
    if not scales.sizes:
        raise MissingTableError("no size is measured")
    inside = within(scales, "hessian_trace")
    text = f"within regimes, n = {in_words(scales.sizes)}: ρ = {_interval(inside)}"
    if gone := sum(scales.diverged.values()):
        text += f" ({gone} diverged, left out)"
    try:
        found = noise_alone(load)
    except MissingTableError:
        return Reading(f"{text}; not measured yet at 60,000", Verdict.UNFINISHED)
    last = rho(load, 60_000, "hessian_trace").estimate
    text += (
        f"; at 60,000 noise alone would leave {found.left.estimate:+.2f}, measured {last:+.2f}, "
        f"difference {_interval(found.difference)}"
    )
    if scales.missing:
        return Reading(text, Verdict.UNFINISHED)
    between_only = inside.low <= 0 <= inside.high
    beyond_noise = not found.difference.low <= 0 <= found.difference.high
    verdict = Verdict.PARTLY if between_only or beyond_noise else Verdict.FAILS
    if between_only and beyond_noise:
        verdict = Verdict.REPLICATES
    return Reading(text, verdict, inside.estimate, inside.low, inside.high)


def _printed_rhos(measure: str, sizes: Sequence[int]) -> str:
    return ", ".join(f"{printed_rho(n, measure):+.2f}" for n in sizes) + _at(sizes)


def _printed_deltas(sizes: Sequence[int]) -> str:
    values = printed_table_1()["delta_pp"]
    return ", ".join(f"{values[n]:+.3g}" for n in sizes) + " points" + _at(sizes)


def _at(sizes: Sequence[int]) -> str:
    return f" at n = {in_words(sizes)}"


_ALL = (*SMALL_N, *LARGE_N)
_WITH_L1 = _ALL[:-1]  # at n = 60,000 the paper prints none for layer-1 patterns
_WELCH_P = float(printed_table_1()["welch_p"][24_000])
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
        where = f"but at n = {in_words(absent)}" if rule else "at each size"
        rule += _RULE_NO_RHO.format(where)
    return Claim(
        id=claim_id,
        statement=statement,
        where="Table 2",
        reported="ρ = " + _printed_rhos(measure, sizes),
        chapter=_CHAPTER,
        tables=tables(*sizes),
        rule=rule + RULE_OVER_SIZES,
        read=partial(
            over_sizes, sizes=sizes, judge=partial(judge_rho, measure=measure, absent=absent)
        ),
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="advantage-small-n",
        statement="With little data, networks trained with large batches are the more accurate, "
        "by about a percentage point.",
        where="Table 1",
        reported="Δ = " + _printed_deltas(SMALL_N),
        chapter=_CHAPTER,
        tables=tables(*SMALL_N),
        rule=f"at each size, {_RULE_DELTA}; {RULE_OVER_SIZES}",
        read=partial(over_sizes, sizes=SMALL_N, judge=judge_delta),
    ),
    Claim(
        id="advantage-24000",
        statement="At n = 24,000 less than a tenth of a point is left of it, though still there.",
        where="Table 1",
        reported=f"Δ = {_printed_deltas((24_000,))}, p = {_WELCH_P:g} (Welch)",
        chapter=_CHAPTER,
        tables=tables(24_000),
        rule=_RULE_DELTA,
        read=partial(_read_one_delta, n=24_000),
    ),
    Claim(
        id="advantage-vanishes",
        statement="As the training set grows, the advantage of large batches vanishes.",
        where="Table 1 and abstract",
        reported="Δ = " + _printed_deltas((2_000, 60_000)),
        chapter=_CHAPTER,
        tables=tables(2_000, 60_000),
        rule="replicates if Δ at n = 60,000 is smaller than at 2,000, the 95 % interval of the "
        "fall above 0, and its own Welch interval contains 0; in part if it is only smaller",
        read=_read_vanishing,
    ),
    Claim(
        id="large-batch-flatter",
        statement="Large-batch networks end in flatter minima, most clearly with little data.",
        where="Table 1",
        reported="mean trace, small/large batch: "
        + ", ".join(
            f"{row.hessian_small:.1f}/{row.hessian_large:.1f}"
            for row in printed_table_1().itertuples()
        )
        + _at(_ALL),
        chapter=_CHAPTER,
        tables=tables(*_ALL),
        rule=f"at each size, replicates if both means are within {TRACE_BAND:.0%} of the paper's, "
        f"in part if one is; {RULE_OVER_SIZES}",
        read=partial(over_sizes, sizes=_ALL, judge=judge_traces),
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
        chapter=_CHAPTER,
        tables=tables(*_WITH_L1),
        rule="at each size, replicates if our 95 % interval contains the paper's ρ, in part if "
        "only the sign is the same; " + RULE_OVER_SIZES,
        read=partial(over_sizes, sizes=_WITH_L1, judge=partial(judge_same, measure="l1_patterns")),
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
        chapter=_CHAPTER,
        tables=tables(*SMALL_N, 60_000),
        rule="replicates if (i) inside the regimes, over n = "
        + in_words(SMALL_N)
        + ", ρ of trace and accuracy has a 95 % interval that contains 0, so that what predicts is "
        "the regime; and (ii) at n = 60,000 the measured ρ less the ρ that test-set noise alone "
        "would leave of the one at 2,000 has a 95 % interval (BCa, networks of both sizes "
        "resampled) that excludes 0; in part if only one of the two",
        read=_read_confounded,
    ),
)
