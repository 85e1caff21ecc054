"""Made-up tables with a known answer: crossings of rate and batch, and n = 24,000."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.analysis.large_n import BEFORE
from helpers.errors import MissingTableError
from helpers.experiments.batch_or_rate import SINGLE, SIZES, protocol_of


def world(n: int, rate=0.0, batch=0.0, both=0.0, noise=0.02) -> pd.DataFrame:
    """Make up a crossing: points of accuracy and nats of trace change over the ranges as given.

    A point gained is 1.5 nats of trace lost; under the second stop traces keep a third of theirs.
    """
    protocol = protocol_of(n)
    rng = np.random.default_rng(n)
    rows = []
    for cell in protocol.cells():
        r, b = (
            np.interp(np.log(value), np.log([levels[0], levels[-1]]), [-1, 1])
            for value, levels in (
                (cell.learning_rate, protocol.learning_rates),
                (cell.batch_size, protocol.batch_sizes),
            )
        )
        gain = (rate * r + batch * b + both / 2 * r * b) / 2
        own = rng.normal(scale=noise)
        left = 1 if cell.stop == "memorised" else 1 / 3
        rows.append(
            {
                "dataset": "mnist",
                "n": n,
                "learning_rate": cell.learning_rate,
                "batch_size": cell.batch_size,
                "stop": cell.stop,
                "seed": cell.seed,
                "epochs": 40,
                "train_loss": 0.02 * np.exp(-gain) if left == 1 else 0.01,
                "diverged": False,
                "stopped": True,
                "test_accuracy": (90 + gain + 0.1 * (cell.seed % 10) + own) / 100,
                "hessian_trace": float(np.exp(3 - 1.5 * left * gain + own)),
            }
        )
    return pd.DataFrame(rows)


def at_large_n(gain: float, advantage: float) -> dict[str, pd.DataFrame]:
    """Make up both tables at n = 24,000: what .5 gains over .3, and .3 over the small batch."""
    noise = np.random.default_rng(0).normal(scale=0.02, size=50) / 100
    at_5, at_3 = 0.97 + (advantage + gain) / 100, 0.97 + advantage / 100
    ours = pd.DataFrame(
        {
            "seed": list(range(100, 110)) * 2,
            "learning_rate": [0.3] * 10 + [0.5] * 10,
            "batch_size": 4096,
            "memorised": [False] * 9 + [True] * 11,
            "epochs": [500] * 10 + [300] * 10,
            "train_loss": 0.005,
            "hessian_trace": [40.0] * 10 + [20.0] * 10,
            "test_accuracy": np.repeat([at_3, at_5], 10) + noise[:20],
            "stopped": True,
            "diverged": False,
        }
    )
    regime = np.repeat(["small_batch", "large_batch"], 25)
    paper = pd.DataFrame(
        {
            "regime": regime,
            "seed": np.arange(50),
            "diverged": False,
            "memorised": True,
            "learning_rate": np.repeat([0.01, 0.3], 25),
            "batch_size": np.repeat([64, 4096], 25),
            "epochs": 250,
            "train_loss": 0.005,
            "hessian_trace": 40.0,
        }
    )
    paper["test_accuracy"] = np.repeat([0.97, at_3], 25) + noise
    before = paper.assign(
        learning_rate=np.repeat([0.01, 0.5], 25),
        hessian_trace=np.repeat([40.0, 20.0], 25),
        test_accuracy=np.repeat([0.96, 0.965], 25) + noise,
    )
    return {
        f"batch_or_rate_mnist_{SINGLE}": ours,
        f"vanishing_mnist_{SINGLE}": paper,
        f"vanishing_mnist_{BEFORE}": before,
    }


def loader(tables):
    def load(name: str) -> pd.DataFrame:
        if name not in tables:
            raise MissingTableError(f"table '{name}' is not there")
        return tables[name]

    return load


def everywhere(**changes):
    return {f"batch_or_rate_mnist_{n}": world(n, **changes) for n in SIZES}


def gone_altogether(frame: pd.DataFrame) -> pd.DataFrame:
    """Let every network with batch 64 at rate .5 diverge."""
    gone = (frame["batch_size"] == 64) & (frame["learning_rate"] == 0.5)
    frame.loc[gone, ["diverged", "stopped"]] = [True, False]
    frame.loc[gone, ["test_accuracy", "hessian_trace", "train_loss"]] = np.nan
    return frame
