"""Clauses for the prose of chapter 12, one a size, and its tables; sizes not measured say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers.analysis.large_n import Parts
from helpers.chapters.batch_or_rate.analysis import (
    OUTCOMES,
    STOPS,
    Crossings,
    Measure,
    batch_at_equal_rate,
    captured,
    clock_share,
    grid,
    loss_and_trace,
    rate_at_equal_batch,
    rate_at_largest_batch,
    regimes_apart,
    seeds_needed,
    shares,
    stragglers,
    summary,
    trace_spread,
    trained_further,
    two_ways,
    under,
    without_noise,
)
from helpers.chapters.vanishing.scales import NOT_YET
from helpers.experiments.batch_or_rate import Stop
from helpers.page.tables import MISSING
from helpers.statistics import Estimate


def signed(value: float, form: str = "+.2f") -> str:
    """Return a number as text, with a true minus sign."""
    return format(value, form).replace("-", "−")


def interval(centre: float, low: float, high: float) -> str:
    """Return an estimate with its interval as text, '+1.23 [+1.00, +1.46]'; a dash for nan."""
    if not np.isfinite(centre):
        return MISSING
    return f"{signed(centre)} [{signed(low)}, {signed(high)}]"


def in_text(one: Estimate) -> str:
    """Return a difference with its interval as text."""
    return interval(one.estimate, one.low, one.high)


def as_ratio(one: Estimate) -> str:
    """Return a difference of logarithms as a ratio with its interval, '0.40 [0.36, 0.45]'."""
    centre, low, high = np.exp([one.estimate, one.low, one.high])
    if not np.isfinite(centre):
        return MISSING
    return f"{centre:.2f} [{low:.2f}, {high:.2f}]"


def span(values: Iterable[float], form: str = "+.2f") -> str:
    """Return numbers, one a size, as a range in words: '+1.20 to +2.36', or one number."""
    numbers = list(values)
    if not numbers:
        return NOT_YET
    low, high = (signed(x, form) for x in (min(numbers), max(numbers)))
    return low if low == high else f"{low} to {high}"


def span_of(crossings: Crossings, measure: Measure, outcome: str = "accuracy") -> str:
    """Return the range of a contrast over the measured sizes: points, or ratios of traces."""
    values = [measure(frame, outcome).estimate for frame in crossings.frames.values()]
    return span(values) if outcome == "accuracy" else span(np.exp(values).tolist(), ".2f")


def _open(crossings: Crossings, column: str) -> pd.DataFrame:
    """Return a table that says that nothing is measured yet."""
    return pd.DataFrame({"n": crossings.missing, column: NOT_YET}).set_index("n")


def contrast_table(crossings: Crossings, measures: Mapping[str, Measure]) -> pd.DataFrame:
    """Return contrasts with their intervals at every size: points of accuracy, ratios of traces."""
    rows = []
    for n, frame in crossings.frames.items():
        for name, measure in measures.items():
            accuracy, trace = (measure(frame, outcome) for outcome in ("accuracy", "log_trace"))
            row = {"accuracy (points)": in_text(accuracy), "trace (ratio)": as_ratio(trace)}
            rows.append({"n": n, "contrast": name} | row)
    if not rows:
        return _open(crossings, "accuracy (points)")
    return pd.DataFrame(rows).set_index(["n", "contrast"])


def noiseless_steps(crossings: Crossings) -> str:
    """Say what raising the rate does where the largest batch is the whole training set."""
    clauses = []
    for n in without_noise(crossings):
        points, log_ratio = (
            rate_at_largest_batch(crossings.frames[n], outcome).estimate for outcome in OUTCOMES
        )
        clauses.append(f"{signed(points)} points and ×{np.exp(log_ratio):.2f} at n = {n:,}")
    return "; ".join(clauses) if clauses else NOT_YET


def noise_needed(crossings: Crossings) -> str:
    """Say whether noise can be what makes the networks of the whole training set better.

    It cannot if the regimes apart and the rate at the full batch both give accuracy and take trace,
    their intervals clear of zero.
    """
    clear = []
    for n in without_noise(crossings):
        for measure in (rate_at_largest_batch, regimes_apart):
            accuracy, trace = (measure(crossings.frames[n], outcome) for outcome in OUTCOMES)
            clear.append(accuracy.low > 0 and trace.high < 0)
    if not clear:
        return f"Whether noise can have a part in it is {NOT_YET}"
    if all(clear):
        return "Noise cannot be what made these networks flatter and more accurate"
    return "Not all of this is clear of zero, so noise may still be needed for it"


def map_in_words(crossings: Crossings) -> str:
    """Say what the map of accuracy shows along its lowest row and up its right column."""
    if not crossings.sizes:
        return f"the map is {NOT_YET}"
    n = crossings.sizes[0]
    frame = crossings.frames[n]
    means = 100 * grid(frame, "test_accuracy", "memorised").to_numpy(dtype=float)
    start, corner, end = means[0, 0], means[0, -1], means[-1, -1]
    return (
        f"at n = {n:,} accuracy goes from {start:.1f} to {corner:.1f} % along the lowest row and "
        f"from {corner:.1f} to {end:.1f} % up the right column"
    )


def map_turns(crossings: Crossings) -> str:
    """Say along which of its two directions the map of accuracy changes more."""
    larger = {
        abs(rate_at_equal_batch(frame, "accuracy").estimate)
        > abs(batch_at_equal_rate(frame, "accuracy").estimate)
        for frame in crossings.frames.values()
    }
    if not larger:
        return NOT_YET
    if len(larger) > 1:
        return "along rows at some sizes and up columns at others"
    return "along the rows, with the rate" if larger.pop() else "up the columns, with the batch"


def step_table(crossings: Crossings, outcome: str = "accuracy") -> pd.DataFrame:
    """Return `two_ways`, a row a step and a column a size, and the average parts.

    In points of accuracy, where steps add up, or in factors of the trace, where they multiply.
    """
    found = {}
    for n, frame in crossings.frames.items():
        steps = two_ways(frame, outcome)[["estimate", "low", "high"]]
        column = {
            str(name): _change(outcome, *values)
            for name, values in zip(steps.index, steps.to_numpy(dtype=float), strict=True)
        }
        both = column.pop("both")
        rate, batch = (_change(outcome, part) for part in shares(frame, outcome))
        last = {"rate, both ways averaged": rate, "batch, both ways averaged": batch}
        found[f"n = {n:,}"] = column | last | {"regimes apart": both}
    return pd.DataFrame(found).rename_axis("step") if found else _open(crossings, "step")


def _change(outcome: str, centre: float, *ends: float) -> str:
    """Return points, or logarithms as a factor, with an interval where there is one."""
    if not np.isfinite(centre):
        return MISSING
    texts = [signed(x) if outcome == "accuracy" else f"{np.exp(x):.2f}" for x in (centre, *ends)]
    first = texts[0] if outcome == "accuracy" else f"×{texts[0]}"
    return f"{first} [{texts[1]}, {texts[2]}]" if ends else first


def effect_table(
    accuracy: pd.DataFrame, trace: pd.DataFrame, stop: Stop = "memorised"
) -> pd.DataFrame:
    """Return both regressions under one stop side by side, ready to be shown."""
    rows = []
    for key in accuracy.index[accuracy.index.get_level_values("stop") == STOPS[stop]]:
        row: dict[str, object] = {"n": key[0], "term": key[2]}
        for name, table in (("accuracy", accuracy), ("log trace", trace)):
            own = table.xs(key)[["change", "low", "high", "p_holm"]].to_numpy(dtype=float)
            row |= {name: interval(*own[:3]), f"p, {name}": own[3]}
        rows.append(row)
    columns = ["n", "term", "accuracy", "p, accuracy", "log trace", "p, log trace"]
    return pd.DataFrame(rows, columns=columns).set_index(["n", "term"])


def captured_at_least(crossings: Crossings, outcome: str) -> str:
    """Return the smallest share of variance that a regression captures among the sizes."""
    values = [captured(frame, outcome) for frame in crossings.frames.values()]
    return f"{min(values):.0%}" if values else NOT_YET


def stop_table(crossings: Crossings, stop: Stop = "memorised") -> pd.DataFrame:
    """Return `summary` of the smallest measured size without what is shown elsewhere."""
    columns = ["train_loss", "epochs", "updates", "accuracy", "trace"]
    if not crossings.sizes:
        return _open(crossings, "combination")
    table = summary(crossings.frames[crossings.sizes[0]], stop)[columns]
    return table.rename(columns=lambda name: name.replace("_", " "))


def stops_compared(crossings: Crossings) -> pd.DataFrame:
    """Set what ties trace to training loss under both stops side by side, at every size.

    Columns: ρ of trace and training loss, the same within combinations, and the largest mean trace
    over the smallest.
    """
    losses = loss_and_trace(crossings)
    rows = []
    for n, frame in crossings.frames.items():
        for stop, name in STOPS.items():
            rho = losses.xs((n, name)).to_numpy(dtype=float)
            row = {"n": n, "stop": name, "ρ, trace and loss": interval(*rho[:3])}
            row |= {"ρ, in one combination": interval(*rho[3:])}
            rows.append(row | {"trace, spread": trace_spread(frame, stop)})
    if not rows:
        return _open(crossings, "stop")
    return pd.DataFrame(rows).set_index(["n", "stop"])


def contrasts_by_stop(crossings: Crossings, measures: Mapping[str, Measure]) -> pd.DataFrame:
    """Set contrasts under both stops side by side: points of accuracy, factors of the trace."""
    rows = []
    for n, frame in crossings.frames.items():
        for name, measure in measures.items():
            for outcome, title in (("accuracy", "accuracy"), ("log_trace", "trace")):
                row = {"n": n, "contrast": f"{title}, {name}"}
                for stop, label in STOPS.items():
                    one = measure(frame, outcome, stop)
                    row[label] = _change(outcome, one.estimate, one.low, one.high)
                rows.append(row)
    if not rows:
        return _open(crossings, "contrast")
    return pd.DataFrame(rows).set_index(["n", "contrast"])


def clock_shares(crossings: Crossings, measure: Measure) -> str:
    """Return the share of a contrast of log traces that goes with the clock, over the sizes."""
    return span([clock_share(frame, measure) for frame in crossings.frames.values()], ".0%")


def loss_range(crossings: Crossings, stop: Stop = "matched_loss") -> str:
    """Return the training losses between which the networks of a stop ended, at every size."""
    clauses = []
    for n, frame in crossings.frames.items():
        losses = under(frame, stop)["train_loss"]
        clauses.append(f"{losses.min():.4f} and {losses.max():.4f} at n = {n:,}")
    return ", ".join(clauses) if clauses else NOT_YET


def distances(crossings: Crossings) -> tuple[str, str]:
    """Say how accuracy goes with rate × updates under (a), and the range of that under (b).

    First the rank correlations over the mean values of the combinations, then the ranges.
    """
    rhos, ranges = [], []
    for n, frame in crossings.frames.items():
        first, second = (summary(frame, stop) for stop in STOPS)
        rhos.append(float(first["distance"].corr(first["accuracy"], method="spearman")))
        low, high = second["distance"].min(), second["distance"].max()
        ranges.append(f"{low:.0f} to {high:.0f} at n = {n:,}")
    return span(rhos, ".2f"), ", ".join(ranges) if ranges else NOT_YET


def further_in_words(crossings: Crossings) -> str:
    """Say whether training further is how a high rate helps."""
    enough = []
    for frame in crossings.frames.values():
        found = trained_further(frame)
        enough.append(found.gain >= found.lead / 2)
    if not enough:
        return f"Whether a high rate helps by training further is {NOT_YET}"
    if any(enough):
        return "At least part of what a high rate does, it may do by training further"
    return "It is not by training further that a high rate helps"


def seeds_in_words(crossings: Crossings) -> str:
    """Say how many seeds the batch's contrast needs, paired and unpaired, at every size."""
    clauses = []
    for n, frame in crossings.frames.items():
        paired, apart = seeds_needed(frame)
        clauses.append(f"{paired} paired and {apart} unpaired at n = {n:,}")
    return "; ".join(clauses) if clauses else NOT_YET


def straggler_table(crossings: Crossings) -> pd.DataFrame:
    """Return `stragglers` ready to be shown; where there are none, a row that says so."""
    late = stragglers(crossings)
    if late.empty:
        return pd.DataFrame({"combination": ["none"], "networks": [0]}).set_index("combination")
    return late.rename(columns=lambda name: name.replace("_", " "))


def in_the_table(crossings: Crossings, networks: pd.DataFrame) -> pd.Series:
    """Return the test accuracy that the table of n = 500 has for these networks; nan without it.

    networks: `crossing.corner_networks`.
    """
    keys = ["batch_size", "learning_rate", "stop", "seed"]
    if 500 not in crossings.frames:
        return pd.Series(np.nan, index=networks.index)
    known = crossings.frames[500].set_index(keys)["test_accuracy"]
    values = [float(known.loc[[tuple(row)]].iloc[0]) for row in networks[keys].to_numpy()]
    return pd.Series(values, index=networks.index)


def counted_by_rate(minima: pd.DataFrame, column: str) -> str:
    """Say of the large batch at each of its rates how many networks a column counts."""
    large = minima.iloc[1:]
    return " and ".join(
        f"{count} of {networks} at rate {rate:g}"
        for count, networks, rate in zip(
            large[column], large["networks"], large["rate"], strict=True
        )
    )


def also_split(minima: pd.DataFrame) -> str:
    """Say what else splits the two rates at n = 24,000: the cut, and having finished."""
    low, high = minima.iloc[1], minima.iloc[-1]
    names = {"past_cut": "no cut less cut", "late": "finished less unfinished"}
    split = [
        name
        for column, name in names.items()
        if low[column] / low["networks"] > 0.5 > high[column] / high["networks"]
    ]
    if not split:
        return "the two rates hardly differ in this"
    return f"“.5 less .3” is also “{'” and “'.join(split)}”"


def compared_table(compared: pd.DataFrame) -> pd.DataFrame:
    """Return `crossing_large_n.regimes_compared` ready to be shown."""
    rows = []
    for row in compared.reset_index().to_dict("records"):
        trace, low, high = (row[f"trace{end}"] for end in ("", "_low", "_high"))
        rows.append(
            {
                "n": row["n"],
                "large-batch rate": f"{row['rate']:g}",
                "networks": int(row["networks"]),
                "Δ (points)": interval(row["delta"], row["low"], row["high"]),
                "trace ratio": f"{trace:.2f} [{low:.2f}, {high:.2f}]",
                "ρ, trace and accuracy": interval(row["rho"], row["rho_low"], row["rho_high"]),
            }
        )
    return pd.DataFrame(rows).set_index(["n", "large-batch rate"])


def whose_work(parts: Parts) -> str:
    """Say what keeping the rate leaves of the advantage's fall, and of the traces' equality."""
    supports = parts.accuracy < 0.5
    data = (
        "Most of the advantage's fall is still there with the rate left at .5, which is evidence "
        "for the paper's reading of accuracy"
        if supports
        else "Most of the advantage's fall goes when the rate is left at .5, which is evidence "
        "against the paper's reading of accuracy"
    )
    mostly = parts.trace >= 0.5
    trace = (
        "most of the traces' equality is the work of the lowered rate"
        if mostly
        else "most of the traces' equality comes without the lowered rate"
    )
    return f"{data}; {'but' if supports == mostly else 'and'} {trace}"


def still_predicts(compared: pd.DataFrame) -> str:
    """Say what becomes of the correlation of trace and accuracy at n = 24,000, by rate."""
    lowered, kept = (bool(high < 0) for high in compared["rho_high"].iloc[-2:])
    if kept and not lowered:
        row = compared.iloc[-2]
        equal = bool(row["trace_low"] <= 1 <= row["trace_high"])
        return (
            "With the rate left at .5 the trace goes on predicting at 24,000; it stopped at .3"
            + ", where the regimes had stopped differing in it" * equal
        )
    if kept and lowered:
        return "The trace predicts at 24,000 at either rate"
    if lowered:
        return "The trace predicts at .3 and, if anything, less at .5"
    return "At neither rate is the correlation clear of zero"
