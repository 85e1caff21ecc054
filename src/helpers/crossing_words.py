"""Clauses for the prose of chapter 12, one a size, and its tables; sizes not measured say so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from helpers.crossing import (
    STOPS,
    Crossings,
    captured,
    loss_and_trace,
    shares,
    stragglers,
    summary,
    trace_spread,
    two_ways,
)
from helpers.experiments.factorial import Stop
from helpers.scales import NOT_YET
from helpers.statistics import Estimate
from helpers.tables import MISSING

Measure = Callable[[pd.DataFrame, str], Estimate]


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


def step_table(crossings: Crossings) -> pd.DataFrame:
    """Return `two_ways` in accuracy, a row a step and a column a size, and the average parts."""
    found = {}
    for n, frame in crossings.frames.items():
        steps = two_ways(frame, "accuracy")[["estimate", "low", "high"]]
        column = {
            str(name): interval(*values)
            for name, values in zip(steps.index, steps.to_numpy(dtype=float), strict=True)
        }
        both = column.pop("both")
        rate, batch = (signed(part) for part in shares(frame, "accuracy"))
        last = {"rate, both ways averaged": rate, "batch, both ways averaged": batch}
        found[f"n = {n:,}"] = column | last | {"regimes apart": both}
    return pd.DataFrame(found).rename_axis("step") if found else _open(crossings, "step")


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


def minima_in_words(minima: pd.DataFrame) -> tuple[str, str]:
    """Say, for the large batch at each of its rates, the ratio of traces and how many are late."""
    large = minima.iloc[1:]
    ratios = " and ".join(
        f"{row.trace_ratio:.2f} at rate {row.rate:g}" for row in large.itertuples()
    )
    late = " and ".join(
        f"{row.late} of {row.networks} at rate {row.rate:g}" for row in large.itertuples()
    )
    return ratios, late


def stops_compared(crossings: Crossings, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Set both stops side by side at every size; accuracy: `crossing.all_effects` of it.

    Columns: ρ of trace and training loss, the largest mean trace over the smallest, and the changes
    of accuracy over the ranges of rates and of batch sizes.
    """
    losses = loss_and_trace(crossings)
    rows = []
    for n, frame in crossings.frames.items():
        for stop, name in STOPS.items():
            rho = losses.xs((n, name))[["trace", "trace_low", "trace_high"]]
            changes = {
                f"{term} (points)": interval(
                    *accuracy.xs((n, name, term))[["change", "low", "high"]].to_numpy(dtype=float)
                )
                for term in ("rate", "batch")
            }
            row = {"n": n, "stop": name, "ρ, trace and loss": interval(*rho.to_numpy(dtype=float))}
            rows.append(row | {"trace, spread": trace_spread(frame, stop)} | changes)
    if not rows:
        return _open(crossings, "stop")
    return pd.DataFrame(rows).set_index(["n", "stop"])


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
