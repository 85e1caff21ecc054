"""The crossing of learning rate and batch size, read: means, contrasts paired by seed, regressions.

A crossing is one table `batch_or_rate_mnist_N`. Networks that diverged have no accuracy and no
trace: they enter no mean and are counted wherever one is shown. Networks that never reached their
stop are measured where training ended: they stay in, and are counted too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.experiments.batch_or_rate import (
    SIZES,
    Factorial,
    Stop,
    updates_per_epoch,
)
from helpers.page.tables import listed
from helpers.statistics import Estimate, holm, paired_difference, spearman, spearman_within

STOPS: Mapping[Stop, str] = {"memorised": "all right", "matched_loss": "equal loss"}
Combination = tuple[int, float]  # batch size, learning rate
Crossings = Mapping[int, pd.DataFrame]  # by n
Measure = Callable[..., Estimate]  # of a frame, an outcome and, if not (a), a stop
# Outcomes of the regressions and contrasts: a linear scale for each.
OUTCOMES: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {
    "accuracy": lambda frame: 100 * frame["test_accuracy"],
    "log_trace": lambda frame: np.log(frame["hessian_trace"]),
}


def gather(load: Callable[[str], pd.DataFrame]) -> Crossings:
    """Read the crossing at every n, with every network in it."""
    return {n: load(f"batch_or_rate_mnist_{n}") for n in SIZES}


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


def noise_level(rate: float, batch: int, n: int) -> float:
    """Return rate × (1/B − 1/n), averaged over the batches B of an epoch: 0 for the full batch.

    Up to the variance of single gradients, the temperature of SGD that draws its batches without
    replacement. The last batch of an epoch holds what is left.
    """
    sizes = [min(batch, n - start) for start in range(0, n, batch)]
    return rate * float(np.mean([1 / size - 1 / n for size in sizes]))


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
    networks that did not diverge: accuracy (%), trace, train_loss, epochs, updates, and distance,
    the learning rate times the updates.
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
                    "distance": rate * (own["epochs"] * each).mean(),
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
    for n, frame in crossings.items():
        for stop, name in STOPS.items():
            table = summary(frame, stop).reset_index()
            late = table[(table["diverged"] > 0) | (table["not_stopped"] > 0)]
            found.append(late.assign(n=n, stop=name)[columns])
    return pd.concat(found).set_index(["n", "stop", "batch", "rate"])


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


def rate_at_largest_batch(frame: pd.DataFrame, outcome: str, stop: Stop = "memorised") -> Estimate:
    """Estimate the large-batch regime less the corner with its batch and the lowest rate."""
    at = corners(frame)
    return contrast(frame, outcome, stop, [at["large_batch"]], [at["large, slow"]])


def two_ways(frame: pd.DataFrame, outcome: str, stop: Stop = "memorised") -> dict[str, Estimate]:
    """Split what the paper compares into a step in rate and a step in batch, in both orders.

    'rate, batch small' and 'batch, rate high' are one way, 'batch, rate low' and 'rate, batch
    large' the other, 'both' is the whole; paired by seed. The two steps of a way add up to 'both'
    where no network diverged.
    """
    at = corners(frame)
    steps = {
        "rate, batch small": ("small, fast", "small_batch"),
        "batch, rate high": ("large_batch", "small, fast"),
        "batch, rate low": ("large, slow", "small_batch"),
        "rate, batch large": ("large_batch", "large, slow"),
        "both": ("large_batch", "small_batch"),
    }
    return {
        name: contrast(frame, outcome, stop, [at[end]], [at[start]])
        for name, (end, start) in steps.items()
    }


def shares(
    frame: pd.DataFrame, outcome: str, stop: Stop = "memorised"
) -> tuple[Estimate, Estimate]:
    """Estimate the parts of rate and of batch in what the paper compares, averaged over both ways.

    The average over the orders is Shapley's (1953) division; the parts add up to the whole.
    """
    at = corners(frame)
    whole, fast, slow = [at["large_batch"]], [at["small, fast"]], [at["large, slow"]]
    start = [at["small_batch"]]
    rate = contrast(frame, outcome, stop, whole + fast, start + slow)
    return rate, contrast(frame, outcome, stop, whole + slow, start + fast)


def effects(frame: pd.DataFrame, outcome: str, stop: Stop = "memorised") -> dict[str, Estimate]:
    """Regress an outcome on log rate, log batch and their product, blocked by seed.

    Both logarithms are centred and scaled to run from −1 to 1 over their range; every seed has its
    own intercept; intervals are from t with seeds as clusters (Liang and Zeger, 1986). For 'rate'
    and 'batch' the change of the outcome over the whole range of the one, in the middle of the
    other; for 'rate × batch' the change over the rates at the largest batch less that at the
    smallest; for 'ratio' the sum of both changes per factor e, which is 0 where only rate/batch
    matters. Raises UserError with fewer than two levels of a factor.
    """
    import statsmodels.formula.api as smf

    if len(rates(frame)) < 2 or len(batches(frame)) < 2:
        raise UserError(
            f"{len(rates(frame))} rates × {len(batches(frame))} batch sizes; expected two or more "
            "of each, as in the crossings at n = " + listed(SIZES)
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
    found = {}
    for name, weight in weights.items():
        row = np.zeros(len(fit.params))
        row[places] = weight
        test = fit.t_test(row)
        low, high = np.ravel(test.conf_int())
        change, p = float(np.ravel(test.effect)[0]), float(np.ravel(test.pvalue)[0])
        found[name] = Estimate(
            change, float(low), float(high), p, len(own), "least squares, clustered by seed"
        )
    return found


def all_effects(crossings: Crossings, outcome: str) -> pd.DataFrame:
    """Return `effects` at every n and both stops, with p corrected over all (Holm).

    Index n, stop, term; columns change and p_holm.
    """
    found = {
        (n, name, term): one
        for n, frame in crossings.items()
        for stop, name in STOPS.items()
        for term, one in effects(frame, outcome, stop).items()
    }
    index = pd.MultiIndex.from_tuples(found, names=["n", "stop", "term"])
    p_holm = holm([one.p for one in found.values()])
    return pd.DataFrame({"change": list(found.values()), "p_holm": p_holm}, index=index)


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


def clock_share(frame: pd.DataFrame, measure: Measure) -> float:
    """Return the share of a contrast of log traces under stop (a) that is gone under stop (b)."""
    first, second = (measure(frame, "log_trace", stop).estimate for stop in STOPS)
    return 1 - second / first


@dataclass(frozen=True)
class Further:
    """What training further does for the lowest rate, beside what the highest rate does.

    `times`: how many times as far (rate × updates) the lowest rate goes under (b) as under (a);
    `gain`: the points of accuracy that this brings it; `lead`: the highest rate's lead under (b).
    All averaged over the batch sizes.
    """

    times: float
    gain: float
    lead: Estimate


def trained_further(frame: pd.DataFrame) -> Further:
    """Compare what the lowest rate gains by going on to stop (b) with the highest rate's lead."""
    low = rates(frame)[0]
    first, second = (summary(frame, stop).xs(low, level="rate") for stop in STOPS)
    times = (second["distance"] / first["distance"]).mean()
    gain = (second["accuracy"] - first["accuracy"]).mean()
    lead = rate_at_equal_batch(frame, "accuracy", "matched_loss")
    return Further(float(times), float(gain), lead)


def seeds_needed(frame: pd.DataFrame, half_width: float = 0.1) -> tuple[int, int]:
    """Count the seeds that bring a 95 % interval of the batch's contrast to this half-width.

    The contrast is that of accuracy at equal rate, in points, under stop (a). First with networks
    paired by seed, then without; from normal quantiles.
    """
    table = by_seed(frame, "accuracy", "memorised").dropna()
    b = table.columns.get_level_values("batch_size")
    large, small = (table.loc[:, b == end].mean(axis=1) for end in (b.max(), b.min()))
    variances = (large - small).var(), large.var() + small.var()
    paired, apart = (int(np.ceil(1.96**2 * var / half_width**2)) for var in variances)
    return paired, apart


def loss_and_trace(frame: pd.DataFrame, stop: Stop) -> tuple[Estimate, Estimate]:
    """Correlate training loss at the stop with trace (Spearman).

    First over all networks of a crossing, then between networks of one combination.
    """
    own = under(frame, stop)
    groups = own.groupby(["batch_size", "learning_rate"])
    several = groups["seed"].transform("size") >= 3
    inside = own[several]
    return (
        spearman(own["train_loss"], own["hessian_trace"]),
        spearman_within(inside["train_loss"], inside["hessian_trace"], groups.ngroup()[several]),
    )


def distances(frame: pd.DataFrame, stop: Stop) -> tuple[float, float, float]:
    """Return how accuracy goes with rate × updates over the combinations, and the latter's range.

    The first is Spearman's ρ of the combinations' means, the others are the least and the largest
    mean distance.
    """
    table = summary(frame, stop)
    distance = table["distance"]
    rho = float(distance.corr(table["accuracy"], method="spearman"))
    return rho, float(distance.min()), float(distance.max())


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


def known_accuracy(frame: pd.DataFrame, networks: pd.DataFrame) -> pd.Series:
    """Return the test accuracy that a crossing's table has for the same cells as these networks."""
    keys = ["batch_size", "learning_rate", "stop", "seed"]
    known = frame.set_index(keys)["test_accuracy"]
    values = [float(known.loc[[tuple(row)]].iloc[0]) for row in networks[keys].to_numpy()]
    return pd.Series(values, index=networks.index)


def _coded(values: Iterable[float], levels: Sequence[float]) -> np.ndarray:
    """Return the logarithms of values, centred and scaled to ±1 at the ends of the levels."""
    ends = np.log([levels[0], levels[-1]])
    logs = np.log(np.asarray(list(values), dtype=np.float64))
    return np.asarray((logs - ends.mean()) / (np.ptp(ends) / 2))
