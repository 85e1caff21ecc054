"""The regimes at n = 24,000: the large-batch rate lowered, as in the paper, and kept."""

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

    `by_rate`: the ten networks of the protocol at each rate, by seed; `small`: the 25 of the
    paper's small-batch regime.
    """

    by_rate: pd.DataFrame
    small: pd.Series


def at_large_n(load: Load) -> LargeN:
    """Read both tables at n = 24,000."""
    ours, paper = load(f"batch_or_rate_mnist_{SINGLE}"), load(f"vanishing_mnist_{SINGLE}")
    sound = ours[~ours["diverged"]]
    table = sound.assign(value=100 * sound["test_accuracy"]).pivot_table(
        "value", "seed", "learning_rate"
    )
    small = paper[~paper["diverged"] & (paper["regime"] == "small_batch")]
    return LargeN(table, 100 * small["test_accuracy"])


def minima_at_large_n(load: Load) -> pd.DataFrame:
    """Return where the three trainings at n = 24,000 end, a row each: the minima and the delay.

    Columns: rate, batch, networks (that did not diverge), past_cut (of those, trained on after the
    epoch from which the rate is a tenth), late (without every training image right), and means:
    epochs, train_loss, accuracy (percent) and trace.
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

    Index n, rate (of the large batch); networks, and three estimates: delta, the difference of mean
    test accuracies in points (Welch); trace, the ratio of mean traces, large batch over small, on
    the logarithms (Welch), so of geometric means; rho, Spearman's ρ of trace and accuracy over the
    networks of both. Diverged networks are left out.
    """
    before, paper = (load(f"vanishing_mnist_{n}") for n in (BEFORE, SINGLE))
    ours = load(f"batch_or_rate_mnist_{SINGLE}")
    small_batch = paper[paper["regime"] == "small_batch"]
    rate_before = before.loc[before["regime"] == "large_batch", "learning_rate"].iloc[0]
    rows = {(BEFORE, rate_before): _compared(*(before[before["regime"] == name] for name in NAMES))}
    for rate, large in ours.groupby("learning_rate"):
        rows[SINGLE, rate] = _compared(small_batch, large)
    index = pd.MultiIndex.from_tuples(rows, names=["n", "rate"])
    return pd.DataFrame(list(rows.values()), index=index)


def _compared(small: pd.DataFrame, large: pd.DataFrame) -> dict[str, int | Estimate]:
    small, large = (frame[~frame["diverged"]] for frame in (small, large))
    both = pd.concat([small, large])
    traces = (np.log(frame["hessian_trace"]) for frame in (large, small))
    return {
        "networks": len(both),
        "delta": welch_difference(100 * large["test_accuracy"], 100 * small["test_accuracy"]),
        "trace": welch_difference(*traces).exp(),
        "rho": spearman(both["hessian_trace"], both["test_accuracy"]),
    }


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
        rates_part(*(one.estimate for one in compared["delta"])),
        rates_part(*(float(np.log(one.estimate)) for one in compared["trace"])),
    )
