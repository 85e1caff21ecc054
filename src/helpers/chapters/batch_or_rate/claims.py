"""Is it the batch size? The paper's inference, and our six predictions about the crossing.

The predictions F1 to F6 are those of `helpers.experiments.batch_or_rate`, word for word in what
they compare. They speak of means over networks that did not diverge; a mean that does not exist,
because all of them diverged, fails a prediction.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from helpers.analysis.large_n import BEFORE, LargeN, at_large_n
from helpers.chapters.batch_or_rate import analysis
from helpers.chapters.batch_or_rate.analysis import batches, grid, rates
from helpers.claims.over_sizes import RULE_OVER_SIZES, judge_over_sizes
from helpers.claims.predictions import (
    Judged,
    Outcome,
    Prediction,
    PredictionsView,
    TooFewError,
    show_predictions,
)
from helpers.claims.types import Claim, Load, Measured, Reading, Verdict
from helpers.experiments.batch_or_rate import SINGLE, SIZES, Stop
from helpers.experiments.vanishing import REGIMES
from helpers.page.reported import table_1
from helpers.page.tables import listed
from helpers.statistics import Estimate, paired_difference, welch_difference

MARGIN = 0.2  # points of accuracy that F2 grants
TIMES = 3.0  # F3: the change over rates against the change over batches
HALF = 0.5  # F5: the spread of traces under (b) against that under (a)
_TABLE_1 = table_1()
PAPER_ADVANTAGE = float(_TABLE_1["delta_pp"][SINGLE])
TABLES = tuple(f"batch_or_rate_mnist_{n}" for n in SIZES)
HALFWAY = (float(_TABLE_1["delta_pp"][BEFORE]) + PAPER_ADVANTAGE) / 2


# Predictions -------------------------------------------------------------------------------------


def _counted(found: dict[str, bool]) -> Judged:
    """Count how many comparisons came as predicted, and name those that did not."""
    wrong = [name for name, right in found.items() if not right]
    measured = [Measured("as predicted", f"{len(found) - len(wrong)} of {len(found)}")]
    if wrong:
        measured.append(Measured("not", ", ".join(wrong)))
    return Judged(tuple(measured), not wrong)


def _rate_orders(frame: pd.DataFrame, column: str, stop: Stop, sign: int) -> dict[str, bool]:
    """Compare the highest rate with the lowest at every batch size; sign: +1 for larger."""
    means, eta = grid(frame, column, stop), rates(frame)
    gaps = sign * (means[eta[-1]] - means[eta[0]])
    name = "accuracy" if column == "test_accuracy" else "trace"
    return {f"{name} at batch {batch:,}": bool(gap > 0) for batch, gap in gaps.items()}


def rate_first(frame: pd.DataFrame) -> Judged:
    """Judge F1 at one size."""
    return _counted(
        _rate_orders(frame, "test_accuracy", "memorised", +1)
        | _rate_orders(frame, "hessian_trace", "memorised", -1)
    )


def batch_second(frame: pd.DataFrame) -> Judged:
    """Judge F2 at one size."""
    b = batches(frame)
    accuracy = 100 * grid(frame, "test_accuracy", "memorised")
    trace = grid(frame, "hessian_trace", "memorised")
    found = {
        f"accuracy at rate {rate:g}": bool(accuracy[rate][b[0]] >= accuracy[rate][b[-1]] - MARGIN)
        for rate in rates(frame)
    }
    found |= {
        f"trace at rate {rate:g}": bool(trace[rate][b[0]] < trace[rate][b[-1]])
        for rate in rates(frame)
    }
    return _counted(found)


def three_to_one(frame: pd.DataFrame, stop: Stop = "memorised") -> Judged:
    """Judge F3 at one size."""
    change = analysis.effects(frame, "accuracy", stop)
    rate, batch = change["rate"], change["batch"]
    measured = (
        Measured("points over the rates", rate, "+.2f"),
        Measured("points over the batches", batch, "+.2f"),
    )
    return Judged(measured, abs(rate.estimate) >= TIMES * abs(batch.estimate))


def missing_corner(frame: pd.DataFrame) -> Judged:
    """Judge F4 at one size; the interval is a paired t by seed."""
    at = analysis.corners(frame)
    means = grid(frame, "test_accuracy", "memorised")
    there, paper = (
        float(means[rate][batch]) for batch, rate in (at["small, fast"], at["large_batch"])
    )
    ahead = Measured("ahead by", corner_ahead(frame, "accuracy"), "+.2f", "points")
    return Judged((ahead,), there > paper)


def corner_ahead(frame: pd.DataFrame, outcome: str) -> Estimate:
    """Estimate the missing corner, small batch at the high rate, less the large-batch regime."""
    at = analysis.corners(frame)
    return analysis.contrast(frame, outcome, "memorised", [at["small, fast"]], [at["large_batch"]])


def stopping(frame: pd.DataFrame) -> Judged:
    """Judge F5 at one size."""
    first, second = (analysis.trace_spread(frame, stop) for stop in analysis.STOPS)
    orders = _rate_orders(frame, "test_accuracy", "matched_loss", +1)
    measured = (
        Measured("spread of traces under (a), factor", first, ".1f"),
        Measured("under (b)", second, ".1f"),
        Measured("batch sizes in F1's order", f"{sum(orders.values())} of {len(orders)}"),
    )
    return Judged(measured, second <= HALF * first and all(orders.values()))


def _at_24000(found: LargeN) -> tuple[Estimate, Estimate]:
    """Return .5 less .3, paired by seed, and .5 less the small-batch regime, in points."""
    both = found.by_rate.dropna()
    low, high = both.columns[0], both.columns[-1]
    if len(both) < 3:
        raise TooFewError("fewer than three seeds have a network at both rates")
    gain = paired_difference(both[high], both[low])
    return gain, welch_difference(found.by_rate[high].dropna(), found.small)


def rate_restored(load: Load, n: int) -> Judged:
    """Judge F6."""
    found = at_large_n(load)
    gain, ahead = _at_24000(found)
    low, high = found.by_rate.mean()
    measured = (
        Measured("rate .5 less rate .3", gain, "+.2f", "points"),
        Measured("rate .5 less small batch", ahead, "+.2f", "points"),
    )
    return Judged(measured, bool(high > low) and ahead.estimate > PAPER_ADVANTAGE)


def _of_frame(load: Load, n: int, rule: Callable[[pd.DataFrame], Judged]) -> Judged:
    return rule(load(f"batch_or_rate_mnist_{n}"))


def _each(name: str, statement: str, rule: Callable[[pd.DataFrame], Judged]) -> Prediction:
    return Prediction(name, statement, SIZES, partial(_of_frame, rule=rule))


PREDICTIONS: tuple[Prediction, ...] = (
    _each(
        "F1",
        "At every batch size the highest rate has the higher mean accuracy and the lower mean "
        "trace than the lowest rate, under stop (a).",
        rate_first,
    ),
    _each(
        "F2",
        f"At every rate the mean accuracy of batch 64 is at least that of the largest batch less "
        f"{MARGIN:g} points, and its mean trace is lower, under stop (a).",
        batch_second,
    ),
    _each(
        "F3",
        "In the regression the change of accuracy over the range of rates is at least three times "
        "that over the range of batches.",
        three_to_one,
    ),
    _each(
        "F4",
        "The missing corner, batch 64 at rate .5, beats the paper's large-batch regime in mean "
        "accuracy.",
        missing_corner,
    ),
    _each(
        "F5",
        "Under stop (b) the nine mean traces spread by at most half the factor of (a), and the "
        "order of accuracies of F1 stays.",
        stopping,
    ),
    Prediction(
        "F6",
        "At n = 24,000 the mean accuracy at rate .5 is above that at rate .3, and above the "
        f"small-batch regime's by more than the paper's {PAPER_ADVANTAGE:+.2f} points.",
        (SINGLE,),
        rate_restored,
    ),
)


def predictions(load: Load) -> PredictionsView:
    """Judge F1 to F6 from the tables, ready to be shown."""
    return show_predictions(PREDICTIONS, load)


def stopped_only(load: Load) -> Load:
    """Return a loader that leaves out of the crossings every network that missed its stop."""

    def only(name: str) -> pd.DataFrame:
        frame = load(name)
        return frame[frame["stopped"]] if name.startswith("batch_or_rate_") else frame

    return only


def changed_by_stragglers(load: Load) -> dict[str, Outcome]:
    """Return the outcomes that change when networks that missed their stop are left out.

    An analysis of sensitivity: the outcomes themselves keep those networks, as the protocol says.
    """
    whole = predictions(load).frame["outcome"]
    without = predictions(stopped_only(load)).frame["outcome"]
    return {
        str(name): Outcome(without[name]) for name in whole.index if whole[name] != without[name]
    }


# The paper's inference ---------------------------------------------------------------------------


def _judge_batch(load: Load, n: int, outcome: str, sign: int) -> Reading:
    frame = load(f"batch_or_rate_mnist_{n}")
    at_equal_rate = analysis.batch_at_equal_rate(frame, outcome)
    whole = analysis.regimes_apart(frame, outcome)
    ends = sorted(sign * x for x in (at_equal_rate.low, at_equal_rate.high))
    verdict = Verdict.FAILS
    if ends[0] > 0:
        much = sign * at_equal_rate.estimate >= sign * whole.estimate / 2
        verdict = Verdict.REPLICATES if much else Verdict.PARTLY
    pairs = (("batch at equal rate", at_equal_rate), ("regimes apart", whole))
    if outcome == "accuracy":
        measured = [Measured(label, one, "+.2f", "points") for label, one in pairs]
    else:
        measured = [Measured(f"{label}, factor", one.exp(), ".2f") for label, one in pairs]
    return Reading(tuple(measured), verdict, at_equal_rate)


def _judge_rate_drop(load: Load) -> Reading:
    gain, ahead = _at_24000(at_large_n(load))
    verdict = Verdict.PARTLY
    if gain.low <= 0 and ahead.high < HALFWAY:
        verdict = Verdict.REPLICATES
    elif gain.low > 0 and ahead.low > HALFWAY:
        verdict = Verdict.FAILS
    measured = (
        Measured("large batch at .5 less at .3", gain, "+.2f", "points"),
        Measured("at .5 less small batch", ahead, "+.2f", "points"),
    )
    return Reading(measured, verdict, gain)


_FACTORS = [REGIMES[n][1] / REGIMES[n][0] for n in SIZES]
_BETWEEN = f"between regimes whose rates differ {min(_FACTORS):.0f}- to {max(_FACTORS):.0f}-fold"
_TRACES = ", ".join(
    f"{_TABLE_1['hessian_small'][n]:.1f}/{_TABLE_1['hessian_large'][n]:.1f}" for n in SIZES
)

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="batch-makes-the-advantage",
        statement="What makes networks trained with large batches the more accurate ones, where "
        "data are few, is the size of the batch.",
        where="the name given to the difference in Table 1",
        reported="Δ = "
        + ", ".join(f"{_TABLE_1['delta_pp'][n]:+.1f}" for n in SIZES)
        + f" points at n = {listed(SIZES)}, {_BETWEEN}",
        tables=TABLES,
        rule="at each size, largest batch less batch 64 at equal rate, averaged over the rates, "
        "paired by seed, networks stopped as in the paper: replicates if the 95 % interval lies "
        "above 0 and the estimate is at least half of the difference between the two regimes in "
        f"the same table; in part if only the interval is above 0; {RULE_OVER_SIZES}",
        judge=partial(
            judge_over_sizes, sizes=SIZES, judge=partial(_judge_batch, outcome="accuracy", sign=1)
        ),
    ),
    Claim(
        id="batch-makes-flat",
        statement="What makes their minima flatter is the size of the batch.",
        where="the name given to the difference in Table 1",
        reported=f"mean trace, small/large batch: {_TRACES} at n = {listed(SIZES)}, {_BETWEEN}",
        tables=TABLES,
        rule="the same for the logarithm of the trace: replicates if the ratio of traces at equal "
        "rate, largest batch over batch 64, has a 95 % interval below 1 and is at least half as "
        "far from 1 (in logarithms) as that between the regimes; in part if only below 1; "
        + RULE_OVER_SIZES,
        judge=partial(
            judge_over_sizes, sizes=SIZES, judge=partial(_judge_batch, outcome="log_trace", sign=-1)
        ),
    ),
    Claim(
        id="vanishes-whatever-the-rate",
        statement="That next to nothing is left of the advantage at n = 24,000 is the work of the "
        "data, and not of the large-batch rate, which is lowered there from .5 to .3.",
        where="the conclusion drawn from Table 1",
        reported=f"Δ = {PAPER_ADVANTAGE:+.2f} points with the large-batch rate at .3; not tried "
        "at .5",
        tables=(f"batch_or_rate_mnist_{SINGLE}", f"vanishing_mnist_{SINGLE}"),
        rule="replicates if (i) large batch at .5 less at .3, paired by seed, has a 95 % interval "
        "that reaches down to 0, and (ii) the advantage at .5 over the small batch has one below "
        f"{HALFWAY:+.2f} points, halfway between the paper's Δ at {BEFORE:,} and {SINGLE:,}; does "
        "not if both intervals lie above these values; in part otherwise",
        judge=_judge_rate_drop,
    ),
)
