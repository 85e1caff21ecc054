"""The tables of “Batch size or learning rate?”: estimates with their intervals, as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from helpers.chapters.batch_or_rate.analysis import (
    OUTCOMES,
    STOPS,
    Crossings,
    Measure,
    distances,
    loss_and_trace,
    shares,
    trace_spread,
    trained_further,
    two_ways,
    under,
)
from helpers.experiments.batch_or_rate import Stop
from helpers.statistics import Estimate


def change(one: Estimate, outcome: str) -> str:
    """Return points of accuracy, or a difference of log traces as a factor, with the interval."""
    if outcome == "accuracy":
        return f"{one:+.2f}"
    factor = f"{one.exp():.2f}"
    return f"×{factor}" if math.isfinite(one.estimate) else factor


def contrast_table(crossings: Crossings, measures: Mapping[str, Measure]) -> pd.DataFrame:
    """Return contrasts at every size: points of accuracy, factors of the trace."""
    rows = {
        (n, name): [change(measure(frame, outcome), outcome) for outcome in OUTCOMES]
        for n, frame in crossings.items()
        for name, measure in measures.items()
    }
    return _rows(rows, ["n", "contrast"], ["accuracy (points)", "trace (factor)"])


def contrasts_by_stop(crossings: Crossings, measures: Mapping[str, Measure]) -> pd.DataFrame:
    """Set contrasts under both stops side by side: points of accuracy, factors of the trace."""
    rows = {
        (n, f"{title}, {name}"): [change(measure(frame, outcome, s), outcome) for s in STOPS]
        for n, frame in crossings.items()
        for name, measure in measures.items()
        for outcome, title in (("accuracy", "accuracy"), ("log_trace", "trace"))
    }
    return _rows(rows, ["n", "contrast"], list(STOPS.values()))


def step_table(crossings: Crossings, outcome: str) -> pd.DataFrame:
    """Return `two_ways` and `shares`, a row a step and a column a size."""
    found = {}
    for n, frame in crossings.items():
        steps = two_ways(frame, outcome)
        both = steps.pop("both")
        rate, batch = shares(frame, outcome)
        steps |= {"rate, both ways averaged": rate, "batch, both ways averaged": batch}
        steps["regimes apart"] = both
        found[f"n = {n:,}"] = {name: change(one, outcome) for name, one in steps.items()}
    return pd.DataFrame(found).rename_axis("step")


def effect_table(
    accuracy: pd.DataFrame, trace: pd.DataFrame, stop: Stop = "memorised"
) -> pd.DataFrame:
    """Set both regressions (`analysis.all_effects`) under one stop side by side."""
    columns = {}
    for name, table in (("accuracy", accuracy), ("log trace", trace)):
        own = table.xs(STOPS[stop], level="stop")
        columns[name] = own["change"].map(lambda one: f"{one:+.2f}")
        columns[f"p, {name}"] = own["p_holm"]
    return pd.DataFrame(columns)


def stops_compared(crossings: Crossings) -> pd.DataFrame:
    """Show what ties trace to training loss, and how both spread, under both stops at every size.

    Columns: ρ of trace and training loss over all networks, the same within combinations, the
    largest mean trace over the smallest, and the least and the largest training loss of a network.
    """
    rows = {}
    for n, frame in crossings.items():
        for stop, name in STOPS.items():
            rho = [f"{one:+.2f}" for one in loss_and_trace(frame, stop)]
            losses = under(frame, stop)["train_loss"]
            rows[n, name] = [*rho, trace_spread(frame, stop), losses.min(), losses.max()]
    columns = ["ρ, trace and loss", "ρ, in one combination", "trace, spread"]
    return _rows(rows, ["n", "stop"], [*columns, "least loss", "largest loss"])


def further_table(crossings: Crossings) -> pd.DataFrame:
    """Show how far each stop lets the combinations go, and what going further brings.

    Columns: the distances (rate × updates) of the combinations under both stops; then, of the
    lowest rate going on from the first stop to the second, how many times as far it gets and the
    points that it gains; and the highest rate's lead under the second.
    """
    rows = {}
    for n, frame in crossings.items():
        ends = (distances(frame, stop)[1:] for stop in STOPS)
        found = trained_further(frame)
        rows[n] = [
            *(f"{low:.0f} to {high:.0f}" for low, high in ends),
            found.times,
            found.gain,
            f"{found.lead:+.2f}",
        ]
    columns = [f"distance, {name}" for name in STOPS.values()]
    last = ["low rate: times as far", "low rate: gain", "high rate: lead"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=[*columns, *last]).rename_axis("n")


def compared_table(compared: pd.DataFrame) -> pd.DataFrame:
    """Return `large_n.regimes_compared` ready to be shown."""
    table = pd.DataFrame(
        {
            "networks": compared["networks"],
            "Δ (points)": compared["delta"].map(lambda one: f"{one:+.2f}"),
            "trace ratio": compared["trace"].map(lambda one: f"{one:.2f}"),
            "ρ, trace and accuracy": compared["rho"].map(lambda one: f"{one:+.2f}"),
        }
    )
    return table.rename_axis(["n", "large-batch rate"])


def _rows(
    rows: Mapping[tuple[int, str], Sequence[object]],
    index: list[str],
    columns: list[str],
) -> pd.DataFrame:
    places = pd.MultiIndex.from_tuples(rows, names=index)
    return pd.DataFrame(list(rows.values()), index=places, columns=columns)
