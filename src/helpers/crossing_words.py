"""Clauses for the prose of chapter 12, one a size, and its tables; sizes not measured say so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from helpers.crossing import (
    STOPS,
    Crossings,
    captured,
    shares,
    summary,
    trace_spread,
    two_ways,
)
from helpers.experiments.factorial import Stop
from helpers.scales import at_sizes
from helpers.statistics import Estimate

NOT_YET = "not measured yet"
Measure = Callable[[pd.DataFrame, str], Estimate]


def interval(centre: float, low: float, high: float) -> str:
    """Return an estimate with its interval as text, '+1.23 [+1.00, +1.46]'."""
    return f"{centre:+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "−")


def in_text(one: Estimate) -> str:
    """Return a difference with its interval as text."""
    return interval(one.estimate, one.low, one.high)


def as_ratio(one: Estimate) -> str:
    """Return a difference of logarithms as a ratio with its interval, '0.40 [0.36, 0.45]'."""
    centre, low, high = np.exp([one.estimate, one.low, one.high])
    return f"{centre:.2f} [{low:.2f}, {high:.2f}]"


def each_size(crossings: Crossings, text: Callable[[pd.DataFrame], str]) -> str:
    """Return one clause a size, and name the sizes that are missing."""
    texts = {n: text(frame) for n, frame in crossings.frames.items()}
    return at_sizes(texts, crossings.missing) if texts else NOT_YET


def contrasts(crossings: Crossings, measure: Measure) -> tuple[str, str]:
    """Return a contrast at every size in words: of accuracy in points, of traces as a ratio."""
    return (
        each_size(crossings, lambda frame: in_text(measure(frame, "accuracy"))),
        each_size(crossings, lambda frame: as_ratio(measure(frame, "log_trace"))),
    )


def parts(crossings: Crossings) -> str:
    """Return how rate and batch divide the difference in accuracy between the regimes."""

    def text(frame: pd.DataFrame) -> str:
        rate, batch = shares(frame, "accuracy")
        return f"{rate:+.2f} and {batch:+.2f}".replace("-", "−")

    return each_size(crossings, text)


def fits(crossings: Crossings) -> str:
    """Return how much of the variance between combinations the regressions capture."""

    def text(frame: pd.DataFrame) -> str:
        accuracy, trace = (captured(frame, outcome) for outcome in ("accuracy", "log_trace"))
        return f"{accuracy:.0%} (accuracy) and {trace:.0%} (log trace)"

    return each_size(crossings, text)


def spreads(crossings: Crossings) -> str:
    """Return the largest mean trace over the smallest, under both stops."""

    def text(frame: pd.DataFrame) -> str:
        first, second = (trace_spread(frame, stop) for stop in STOPS)
        return f"{first:.1f} under (a), {second:.1f} under (b)"

    return each_size(crossings, text)


def change(crossings: Crossings, effects: pd.DataFrame, stop: Stop, term: str) -> str:
    """Return one term of the regressions at every size; effects: `crossing.all_effects`."""
    texts = {}
    for n in crossings.sizes:
        row = effects.xs((n, STOPS[stop], term))[["change", "low", "high"]]
        texts[n] = interval(*row.to_numpy(dtype=float))
    return at_sizes(texts, crossings.missing) if texts else NOT_YET


def losses(crossings: Crossings, table: pd.DataFrame, stop: Stop) -> str:
    """Return ρ of trace and training loss at every size; table: `crossing.loss_and_trace`."""
    texts = {}
    for n in crossings.sizes:
        row = table.xs((n, STOPS[stop]))[["trace", "trace_low", "trace_high"]]
        texts[n] = interval(*row.to_numpy(dtype=float))
    return at_sizes(texts, crossings.missing) if texts else NOT_YET


def step_table(crossings: Crossings) -> pd.DataFrame:
    """Return `two_ways` in accuracy at every size, ready to be shown."""
    found = {n: two_ways(frame, "accuracy") for n, frame in crossings.frames.items()}
    if not found:
        return pd.DataFrame({"n": crossings.missing, "points": NOT_YET}).set_index("n")
    table = pd.concat(found, names=["n", "step"])
    return table.rename(columns={"estimate": "points"})


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


def stop_table(crossings: Crossings, stop: Stop = "memorised") -> pd.DataFrame:
    """Return `summary` of the smallest measured size without what is shown elsewhere."""
    columns = ["train_loss", "epochs", "updates", "accuracy", "trace"]
    if not crossings.sizes:
        return pd.DataFrame(columns=["batch", *columns]).set_index("batch")
    table = summary(crossings.frames[crossings.sizes[0]], stop)[columns]
    return table.rename(columns=lambda name: name.replace("_", " "))


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
