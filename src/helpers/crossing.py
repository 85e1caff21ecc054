"""The crossing of learning rate and batch size, read: means, contrasts paired by seed, regressions.

A crossing is one table `factorial_mnist_N`. Networks that diverged have no accuracy and no trace:
they enter no mean and are counted wherever one is shown. Networks that never reached their stop are
measured where training ended: they stay in, and are counted too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.experiments.factorial import PROTOCOLS, Factorial, Stop, updates_per_epoch
from helpers.scales import NOT_YET, by_size, in_words, so_far
from helpers.statistics import Estimate, holm, paired_difference, spearman

SIZES = tuple(p.n for p in PROTOCOLS if len(p.batch_sizes) > 1)
SINGLE = next(p.n for p in PROTOCOLS if len(p.batch_sizes) == 1)  # rates alone, at n = 24,000
STOPS: Mapping[Stop, str] = {"memorised": "all right", "matched_loss": "equal loss"}
Combination = tuple[int, float]  # batch size, learning rate
# Outcomes of the regressions and contrasts: a linear scale for each.
OUTCOMES: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {
    "accuracy": lambda frame: 100 * frame["test_accuracy"],
    "log_trace": lambda frame: np.log(frame["hessian_trace"]),
}


@dataclass(frozen=True)
class Crossings:
    """The measured crossings by n, with every network in them, and the n that are missing."""

    frames: Mapping[int, pd.DataFrame]
    missing: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the n that are measured, in order."""
        return tuple(self.frames)

    @property
    def state(self) -> str:
        """Say which sizes are measured and which are not yet."""
        if not self.sizes:
            return f"none of n = {in_words(self.missing)} is measured yet"
        return so_far(self.sizes, self.missing)


def gather(load: Callable[[str], pd.DataFrame], sizes: Sequence[int] = SIZES) -> Crossings:
    """Read the crossing at every n that has a table, and note which have none.

    A damaged table raises UserError; a table that was never computed is missing.
    """
    return Crossings(*by_size(sizes, lambda n: load(f"factorial_mnist_{n}")))


def protocol_of(n: int) -> Factorial:
    """Return the protocol of the crossing at one n. Raises UserError where there is none."""
    for protocol in PROTOCOLS:
        if protocol.n == n:
            return protocol
    known = in_words(p.n for p in PROTOCOLS)
    raise UserError(f"no crossing at n = {n:,}; expected one of {known}")


def rates(frame: pd.DataFrame) -> list[float]:
    """Return the learning rates of a crossing, in order."""
    return sorted(frame["learning_rate"].unique().tolist())


def batches(frame: pd.DataFrame) -> list[int]:
    """Return the batch sizes of a crossing, in order."""
    return sorted(frame["batch_size"].unique().tolist())


def corners(frame: pd.DataFrame) -> dict[str, Combination]:
    """Return the four corners: the paper's two regimes, and the two that it leaves empty."""
    eta, b = rates(frame), batches(frame)
    return {
        "small_batch": (b[0], eta[0]),
        "small, fast": (b[0], eta[-1]),
        "large, slow": (b[-1], eta[0]),
        "large_batch": (b[-1], eta[-1]),
    }


def under(frame: pd.DataFrame, stop: Stop) -> pd.DataFrame:
    """Return the networks trained to one stop, the diverged ones left out."""
    return frame[(frame["stop"] == stop) & ~frame["diverged"]]


def grid(frame: pd.DataFrame, column: str, stop: Stop) -> pd.DataFrame:
    """Return the mean of a column in every combination, (batch sizes, learning rates)."""
    own = under(frame, stop)
    table = own.pivot_table(column, "batch_size", "learning_rate", aggfunc="mean")
    return table.reindex(index=batches(frame), columns=rates(frame))


def never_stopped(frame: pd.DataFrame, stop: Stop) -> pd.DataFrame:
    """Count the networks in every combination that diverged or never reached their stop."""
    own = frame[frame["stop"] == stop]
    late = own.assign(late=~own["stopped"] | own["diverged"])
    table = late.pivot_table("late", "batch_size", "learning_rate", aggfunc="sum")
    return table.reindex(index=batches(frame), columns=rates(frame)).fillna(0).astype(int)


def summary(frame: pd.DataFrame, stop: Stop) -> pd.DataFrame:
    """Describe every combination of rate and batch under one stop, a row each.

    Columns: networks, diverged, not_stopped (of those that did not diverge), then means over the
    networks that did not diverge: accuracy (%), trace, train_loss, epochs, updates.
    """
    rows = []
    for batch in batches(frame):
        for rate in rates(frame):
            at = (frame["batch_size"] == batch) & (frame["learning_rate"] == rate)
            every = frame[at & (frame["stop"] == stop)]
            own = every[~every["diverged"]]
            each = [updates_per_epoch(n, batch) for n in own["n"]]
            rows.append(
                {
                    "batch": batch,
                    "rate": rate,
                    "networks": len(every),
                    "diverged": int(every["diverged"].sum()),
                    "not_stopped": int((~own["stopped"]).sum()),
                    "accuracy": 100 * own["test_accuracy"].mean(),
                    "trace": own["hessian_trace"].mean(),
                    "train_loss": own["train_loss"].mean(),
                    "epochs": own["epochs"].mean(),
                    "updates": (own["epochs"] * each).mean(),
                }
            )
    return pd.DataFrame(rows).set_index(["batch", "rate"])


def stragglers(crossings: Crossings) -> pd.DataFrame:
    """List the combinations with a network that diverged or never stopped, at every n and stop.

    Index n, stop, batch, rate; columns networks, diverged, not_stopped, train_loss. Empty if all
    networks arrived.
    """
    columns = ["n", "stop", "batch", "rate", "networks", "diverged", "not_stopped", "train_loss"]
    found = []
    for n, frame in crossings.frames.items():
        for stop, name in STOPS.items():
            table = summary(frame, stop).reset_index()
            late = table[(table["diverged"] > 0) | (table["not_stopped"] > 0)]
            found.append(late.assign(n=n, stop=name)[columns])
    whole = pd.concat(found) if found else pd.DataFrame(columns=columns)
    return whole.set_index(["n", "stop", "batch", "rate"])


def by_seed(frame: pd.DataFrame, outcome: str, stop: Stop) -> pd.DataFrame:
    """Return an outcome of every network, a row a seed, a column a combination; nan if diverged."""
    own = under(frame, stop)
    values = own.assign(value=OUTCOMES[outcome](own))
    table = values.pivot_table("value", "seed", ["batch_size", "learning_rate"])
    known = pd.MultiIndex.from_product([batches(frame), rates(frame)], names=table.columns.names)
    return table.reindex(columns=known)


def contrast(
    frame: pd.DataFrame,
    outcome: str,
    stop: Stop,
    plus: Sequence[Combination],
    minus: Sequence[Combination],
) -> Estimate:
    """Estimate the mean of some combinations less that of others, paired by seed (t interval).

    Seeds of which one of these networks diverged are left out; with fewer than 3 left, all is nan.
    """
    table = by_seed(frame, outcome, stop)[[*plus, *minus]].dropna()
    if len(table) < 3:
        nan = float("nan")
        return Estimate(nan, nan, nan, nan, len(table), "too few seeds without a diverged network")
    return paired_difference(table[list(plus)].mean(axis=1), table[list(minus)].mean(axis=1))


def regimes_apart(frame: pd.DataFrame, outcome: str, stop: Stop = "memorised") -> Estimate:
    """Estimate what the paper compares: its large-batch regime less its small-batch regime."""
    at = corners(frame)
    return contrast(frame, outcome, stop, [at["large_batch"]], [at["small_batch"]])


def batch_at_equal_rate(frame: pd.DataFrame, outcome: str, stop: Stop = "memorised") -> Estimate:
    """Estimate the largest batch less the smallest at equal rate, averaged over the rates."""
    b = batches(frame)
    large, small = ([(batch, rate) for rate in rates(frame)] for batch in (b[-1], b[0]))
    return contrast(frame, outcome, stop, large, small)


def rate_at_equal_batch(frame: pd.DataFrame, outcome: str, stop: Stop = "memorised") -> Estimate:
    """Estimate the highest rate less the lowest at equal batch, averaged over the batch sizes."""
    eta = rates(frame)
    high, low = ([(batch, rate) for batch in batches(frame)] for rate in (eta[-1], eta[0]))
    return contrast(frame, outcome, stop, high, low)


def two_ways(frame: pd.DataFrame, outcome: str, stop: Stop = "memorised") -> pd.DataFrame:
    """Split what the paper compares into a step in rate and a step in batch, in both orders.

    A row for each step: 'rate, batch small', 'batch, rate high' (one way), 'batch, rate low',
    'rate, batch large' (the other), and 'both', with estimate, low, high and p, paired by seed. The
    two steps of a way add up to 'both' where no network diverged.
    """
    at = corners(frame)
    steps = {
        "rate, batch small": ("small, fast", "small_batch"),
        "batch, rate high": ("large_batch", "small, fast"),
        "batch, rate low": ("large, slow", "small_batch"),
        "rate, batch large": ("large_batch", "large, slow"),
        "both": ("large_batch", "small_batch"),
    }
    rows = {}
    for name, (end, start) in steps.items():
        one = contrast(frame, outcome, stop, [at[end]], [at[start]])
        rows[name] = {"estimate": one.estimate, "low": one.low, "high": one.high, "p": one.p}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("step")


def shares(frame: pd.DataFrame, outcome: str, stop: Stop = "memorised") -> tuple[float, float]:
    """Return the parts of rate and of batch in what the paper compares, averaged over both ways.

    The average over the orders is Shapley's (1953) division; the parts add up to the whole.
    """
    steps = two_ways(frame, outcome, stop)["estimate"]
    rate = (steps["rate, batch small"] + steps["rate, batch large"]) / 2
    batch = (steps["batch, rate high"] + steps["batch, rate low"]) / 2
    return float(rate), float(batch)


def carrier(crossings: Crossings, outcome: str) -> str:
    """Say in words which factor carries the larger part of the difference between the regimes.

    'Part' is in the direction of the difference; see `shares`.
    """
    names = set()
    for frame in crossings.frames.values():
        rate, batch = shares(frame, outcome)
        whole = np.sign(rate + batch)
        names.add("the learning rate" if whole * rate > whole * batch else "the batch size")
    if not names:
        return NOT_YET
    where = " at every size measured" if len(crossings.sizes) > 1 else ""
    return names.pop() + where if len(names) == 1 else "now the one, now the other"


def effects(frame: pd.DataFrame, outcome: str, stop: Stop = "memorised") -> pd.DataFrame:
    """Regress an outcome on log rate, log batch and their product, blocked by seed.

    Both logarithms are centred and scaled to run from −1 to 1 over their range; every seed has its
    own intercept; intervals are from t with seeds as clusters (Liang and Zeger, 1986). A row a term
    with change, low, high, p: for 'rate' and 'batch' the change of the outcome over the whole range
    of the one, in the middle of the other; for 'rate × batch' the change over the rates at the
    largest batch less that at the smallest; for 'ratio' the sum of both changes per factor e, which
    is 0 where only rate/batch matters. Raises UserError with fewer than two levels of a factor.
    """
    import statsmodels.formula.api as smf

    if len(rates(frame)) < 2 or len(batches(frame)) < 2:
        raise UserError(
            f"{len(rates(frame))} rates × {len(batches(frame))} batch sizes; expected two or more "
            "of each, as in the crossings at n = " + in_words(SIZES)
        )
    own = under(frame, stop)
    data = pd.DataFrame(
        {
            "y": OUTCOMES[outcome](own).to_numpy(),
            "rate": _coded(own["learning_rate"], rates(frame)),
            "batch": _coded(own["batch_size"], batches(frame)),
            "seed": own["seed"].to_numpy(),
        }
    )
    fit = smf.ols("y ~ C(seed) + rate * batch", data).fit(
        cov_type="cluster", cov_kwds={"groups": data["seed"]}, use_t=True
    )
    per_e = [2 / np.log(levels[-1] / levels[0]) for levels in (rates(frame), batches(frame))]
    weights = {
        "rate": (2, 0, 0),
        "batch": (0, 2, 0),
        "rate × batch": (0, 0, 4),
        "ratio": (*per_e, 0),
    }
    places = [fit.model.exog_names.index(name) for name in ("rate", "batch", "rate:batch")]
    rows = {}
    for name, weight in weights.items():
        row = np.zeros(len(fit.params))
        row[places] = weight
        test = fit.t_test(row)
        low, high = np.ravel(test.conf_int())
        change, p = np.ravel(test.effect)[0], np.ravel(test.pvalue)[0]
        rows[name] = {
            "change": float(change),
            "low": float(low),
            "high": float(high),
            "p": float(p),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("term")


def all_effects(crossings: Crossings, outcome: str) -> pd.DataFrame:
    """Return `effects` at every measured n and both stops, with p corrected over all (Holm).

    Index n, stop, term.
    """
    found = {
        (n, name): effects(frame, outcome, stop)
        for n, frame in crossings.frames.items()
        for stop, name in STOPS.items()
    }
    if not found:
        columns = ["n", "stop", "term", "change", "low", "high", "p", "p_holm"]
        return pd.DataFrame(columns=columns).set_index(["n", "stop", "term"])
    table = pd.concat(found, names=["n", "stop", "term"])
    return table.assign(p_holm=holm(table["p"]))


def captured(frame: pd.DataFrame, outcome: str, stop: Stop = "memorised") -> float:
    """Return the share of the variance between combinations that the three terms capture (R²)."""
    means = by_seed(frame, outcome, stop).mean().dropna()
    batch = _coded(means.index.get_level_values("batch_size"), batches(frame))
    rate = _coded(means.index.get_level_values("learning_rate"), rates(frame))
    design = np.column_stack([np.ones_like(rate), rate, batch, rate * batch])
    fitted = design @ np.linalg.lstsq(design, means.to_numpy(), rcond=None)[0]
    return float(1 - ((means - fitted) ** 2).sum() / ((means - means.mean()) ** 2).sum())


def trace_spread(frame: pd.DataFrame, stop: Stop) -> float:
    """Return the largest mean trace among the combinations over the smallest."""
    means = grid(frame, "hessian_trace", stop).to_numpy()
    return float(np.nanmax(means) / np.nanmin(means))


def loss_and_trace(crossings: Crossings) -> pd.DataFrame:
    """Correlate training loss at the stop with trace and with test accuracy, a row (n, stop).

    Columns trace, trace_low, trace_high and accuracy, accuracy_low, accuracy_high: Spearman's ρ
    over all networks of a crossing, with its interval.
    """
    rows = {}
    for n, frame in crossings.frames.items():
        for stop, name in STOPS.items():
            own = under(frame, stop)
            row: dict[str, float] = {}
            for key, column in (("trace", "hessian_trace"), ("accuracy", "test_accuracy")):
                one = spearman(own["train_loss"], own[column])
                row |= {key: one.estimate, f"{key}_low": one.low, f"{key}_high": one.high}
            rows[n, name] = row
    columns = [f"{key}{end}" for key in ("trace", "accuracy") for end in ("", "_low", "_high")]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    table.index = pd.MultiIndex.from_tuples(rows, names=["n", "stop"]) if rows else table.index
    return table


@dataclass(frozen=True)
class LargeN:
    """Three groups at n = 24,000, in percent: both large-batch rates and the small batch.

    `by_rate`: the ten networks of the protocol at each rate, by seed; `small` and `large`: the 25
    of each regime of the paper.
    """

    by_rate: pd.DataFrame
    small: pd.Series
    large: pd.Series
    late: int


def at_large_n(load: Callable[[str], pd.DataFrame]) -> LargeN:
    """Read both tables at n = 24,000. Raises MissingTableError where one is not there."""
    ours, paper = load(f"factorial_mnist_{SINGLE}"), load(f"vanishing_mnist_{SINGLE}")
    sound = ours[~ours["diverged"]]
    table = sound.assign(value=100 * sound["test_accuracy"]).pivot_table(
        "value", "seed", "learning_rate"
    )
    own = paper[~paper["diverged"]]
    small, large = (
        100 * own.loc[own["regime"] == name, "test_accuracy"]
        for name in ("small_batch", "large_batch")
    )
    late = int((~ours["stopped"] | ours["diverged"]).sum())
    return LargeN(table, small, large, late)


def minima_at_large_n(load: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
    """Return where the three trainings at n = 24,000 end, a row each: the minima and the delay.

    Columns: rate, batch, networks (that did not diverge), late (of those, without every training
    image right), epochs, train_loss, accuracy (percent) and trace, which are means, and trace_ratio
    (over the small batch's). Raises MissingTableError where a table is not there.
    """
    ours, paper = load(f"factorial_mnist_{SINGLE}"), load(f"vanishing_mnist_{SINGLE}")
    every = pd.concat([paper[paper["regime"] == "small_batch"], ours])
    sound = every[~every["diverged"]].assign(
        late=lambda frame: ~frame["memorised"], accuracy=lambda frame: 100 * frame["test_accuracy"]
    )
    table = sound.groupby(["batch_size", "learning_rate"]).agg(
        networks=("seed", "size"),
        late=("late", "sum"),
        epochs=("epochs", "mean"),
        train_loss=("train_loss", "mean"),
        accuracy=("accuracy", "mean"),
        trace=("hessian_trace", "mean"),
    )
    table["trace_ratio"] = table["trace"] / table["trace"].iloc[0]
    table.insert(0, "rate", table.index.get_level_values("learning_rate"))
    table.insert(1, "batch", table.index.get_level_values("batch_size"))
    return table.reset_index(drop=True)


def corner_networks(protocol: Factorial, seed: int, device: str) -> pd.DataFrame:
    """Train the four corner networks of one seed anew, under the paper's stop; a row a corner."""
    every = protocol.cells()
    known = pd.DataFrame(
        [{"batch_size": c.batch_size, "learning_rate": c.learning_rate} for c in every]
    )
    rows = []
    for name, (batch, rate) in corners(known).items():
        cell = next(
            c
            for c in every
            if (c.batch_size, c.learning_rate) == (batch, rate)
            and c.stop == "memorised"
            and c.seed == seed
        )
        rows.append({"corner": name} | protocol.run_cell(cell, device).rows[0])
    return pd.DataFrame(rows).set_index("corner")


def _coded(values: Iterable[float], levels: Sequence[float]) -> np.ndarray:
    """Return the logarithms of values, centred and scaled to ±1 at the ends of the levels."""
    ends = np.log([levels[0], levels[-1]])
    logs = np.log(np.asarray(list(values), dtype=np.float64))
    return np.asarray((logs - ends.mean()) / (np.ptp(ends) / 2))
