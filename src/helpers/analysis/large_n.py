"""The fourth part of the crossing: n = 24,000, where the paper lowers its large-batch rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.experiments.batch_or_rate import SINGLE, protocol_of
from helpers.experiments.row import cut_after
from helpers.statistics import Estimate, spearman, welch_difference

CUT = cut_after(protocol_of(SINGLE).drop_at, protocol_of(SINGLE).max_epochs)
BEFORE = 12_000  # the last size before the rate is lowered
NAMES = ("small_batch", "large_batch")
Load = Callable[[str], pd.DataFrame]


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


def at_large_n(load: Load) -> LargeN:
    """Read both tables at n = 24,000. Raises MissingTableError where one is not there."""
    ours, paper = load(f"batch_or_rate_mnist_{SINGLE}"), load(f"vanishing_mnist_{SINGLE}")
    sound = ours[~ours["diverged"]]
    table = sound.assign(value=100 * sound["test_accuracy"]).pivot_table(
        "value", "seed", "learning_rate"
    )
    own = paper[~paper["diverged"]]
    small, large = (100 * own.loc[own["regime"] == name, "test_accuracy"] for name in NAMES)
    late = int((~ours["stopped"] | ours["diverged"]).sum())
    return LargeN(table, small, large, late)


def minima_at_large_n(load: Load) -> pd.DataFrame:
    """Return where the three trainings at n = 24,000 end, a row each: the minima and the delay.

    Columns: rate, batch, networks (that did not diverge), past_cut (of those, trained on after the
    epoch from which the rate is a tenth), late (without every training image right), and means:
    epochs, train_loss, accuracy (percent) and trace. Raises MissingTableError where a table is not
    there.
    """
    ours, paper = load(f"batch_or_rate_mnist_{SINGLE}"), load(f"vanishing_mnist_{SINGLE}")
    every = pd.concat([paper[paper["regime"] == "small_batch"], ours])
    sound = every[~every["diverged"]].assign(
        past_cut=lambda frame: frame["epochs"] > CUT,
        late=lambda frame: ~frame["memorised"],
        accuracy=lambda frame: 100 * frame["test_accuracy"],
    )
    table = sound.groupby(["batch_size", "learning_rate"]).agg(
        networks=("seed", "size"),
        past_cut=("past_cut", "sum"),
        late=("late", "sum"),
        epochs=("epochs", "mean"),
        train_loss=("train_loss", "mean"),
        accuracy=("accuracy", "mean"),
        trace=("hessian_trace", "mean"),
    )
    table.insert(0, "rate", table.index.get_level_values("learning_rate"))
    table.insert(1, "batch", table.index.get_level_values("batch_size"))
    return table.reset_index(drop=True)


def regimes_compared(load: Load) -> pd.DataFrame:
    """Compare the regimes at 12,000, and at 24,000 with the rate lowered and with it kept.

    Index n, rate (of the large batch); networks; delta, low, high: the difference of mean test
    accuracies in points (Welch); trace, trace_low, trace_high: the ratio of mean traces, large
    batch over small, on the logarithms (Welch), so of geometric means; rho, rho_low, rho_high:
    Spearman's ρ of trace and accuracy over the networks of both. Diverged networks are left out.
    Raises MissingTableError where one of three tables is not there.
    """
    before, paper = (load(f"vanishing_mnist_{n}") for n in (BEFORE, SINGLE))
    ours = load(f"batch_or_rate_mnist_{SINGLE}")
    small_batch = paper[paper["regime"] == "small_batch"]
    rate_before = before.loc[before["regime"] == "large_batch", "learning_rate"].iloc[0]
    rows = {(BEFORE, rate_before): _compared(*(before[before["regime"] == name] for name in NAMES))}
    for rate, large in ours.groupby("learning_rate"):
        rows[SINGLE, rate] = _compared(small_batch, large)
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(rows, names=["n", "rate"])
    return table


def _compared(small: pd.DataFrame, large: pd.DataFrame) -> dict[str, float]:
    small, large = (frame[~frame["diverged"]] for frame in (small, large))
    delta = welch_difference(100 * large["test_accuracy"], 100 * small["test_accuracy"])
    log_ratio = welch_difference(np.log(large["hessian_trace"]), np.log(small["hessian_trace"]))
    trace = np.exp([log_ratio.estimate, log_ratio.low, log_ratio.high])
    both = pd.concat([small, large])
    rho = spearman(both["hessian_trace"], both["test_accuracy"])
    return {
        "networks": len(both),
        **dict(zip(("delta", "low", "high"), _three(delta), strict=True)),
        **dict(zip(("trace", "trace_low", "trace_high"), trace.tolist(), strict=True)),
        **dict(zip(("rho", "rho_low", "rho_high"), _three(rho), strict=True)),
    }


def _three(one: Estimate) -> tuple[float, float, float]:
    return one.estimate, one.low, one.high


def rates_part(before: float, lowered: float, kept: float) -> float:
    """Return the share of a change that goes when the rate is kept and not lowered.

    0 where keeping the rate changes nothing, 1 where it undoes the change from `before` altogether.
    """
    return (kept - lowered) / (before - lowered)


@dataclass(frozen=True)
class Parts:
    """The lowered rate's shares in what changes from 12,000 on: Δ, and the log trace ratio."""

    accuracy: float
    trace: float


def parts(compared: pd.DataFrame) -> Parts:
    """Return the lowered rate's shares from `regimes_compared`."""
    return Parts(
        rates_part(*compared["delta"].tolist()),
        rates_part(*np.log(compared["trace"]).tolist()),
    )
