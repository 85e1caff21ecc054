"""The vanishing advantage: small against large batches at six sizes of the training subset.

Protocol E.1 of the paper (its Tables 1 and 2): 25 + 25 networks 784-256-128-10 at each n, trained
until every training point is right (checked every 10 epochs), then measured. The two regimes differ
in batch size and in learning rate. Fashion-MNIST, which the paper does not have here, follows the
same protocol at the three smallest sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from helpers.experiments.row import (
    AS_PAPER,
    Measuring,
    agreement,
    measure,
    split_of,
    train_on,
    unseen,
)
from helpers.sweeps.sweep import CellResult, Experiment
from helpers.training import SGD


@dataclass(frozen=True)
class Regime:
    """One way to train, and the seeds trained so."""

    learning_rate: float
    batch_size: int
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """One cell: a network, how it is trained and how it is measured."""

    dataset: str
    n: int
    regime: str
    seed: int
    learning_rate: float
    batch_size: int
    max_epochs: int
    drop_at: float | None
    how: Measuring

    @property
    def sgd(self) -> SGD:
        """Return the training protocol."""
        return SGD(self.learning_rate, self.batch_size, self.max_epochs, drop_at=self.drop_at)


@dataclass(frozen=True)
class Vanishing(Experiment):
    """Train both regimes on one training subset and measure every network."""

    name: str
    dataset: str
    n: int
    small_batch: Regime
    large_batch: Regime
    max_epochs: int = 500
    drop_at: float | None = None  # share of max_epochs after which the rate is a tenth
    how: Measuring = AS_PAPER
    key: ClassVar[tuple[str, ...]] = ("dataset", "n", "regime", "seed")

    def cells(self) -> list[Network]:
        """List the networks, small batches first."""
        return [
            Network(
                self.dataset,
                self.n,
                name,
                seed,
                regime.learning_rate,
                regime.batch_size,
                self.max_epochs,
                self.drop_at,
                self.how,
            )
            for name, regime in (
                ("small_batch", self.small_batch),
                ("large_batch", self.large_batch),
            )
            for seed in regime.seeds
        ]

    @staticmethod
    def run_cell(cell: Network, device: str) -> CellResult:
        """Train and measure one network."""
        return _train_and_measure([cell], device)[0]

    @classmethod
    def run_stack(cls, cells: Sequence[Network], device: str) -> list[CellResult]:
        """Train and measure networks of one regime as a stack."""
        return _train_and_measure(cells, device)

    def stack_key(self, cell: Network) -> Network:
        """Let networks that differ only in their seed share a stack."""
        return replace(cell, seed=0)

    def assemble(self, found: Sequence[CellResult]) -> pd.DataFrame:
        """Add the one measure that needs all networks at once: ensemble agreement."""
        frame = super().assemble(found)
        _, labels = unseen(split_of(self.dataset, self.n), self.how.unseen_points)
        guesses = np.stack([result.arrays["unseen_predictions"] for result in found])
        values = agreement(guesses, labels, frame["diverged"].to_numpy())
        frame.insert(list(frame.columns).index("weight_l2_norm"), "ensemble_agreement", values)
        return frame

    def cost(self, cell: Network) -> float:
        """Guess that time goes with the points to memorise, plus the measuring."""
        return cell.n + 5_000

    def smoke(self) -> Vanishing:
        """Return a copy with a hundred-odd points and four networks a regime."""
        n = 100 + self.n // 1_000
        return replace(
            self,
            n=n,
            small_batch=replace(self.small_batch, learning_rate=0.1, seeds=(0, 1, 2, 5)),
            large_batch=replace(self.large_batch, batch_size=n, seeds=(100, 101, 102, 105)),
            max_epochs=200,
            how=Measuring(hutchinson_vectors=4, curvature_points=64, unseen_points=1_000),
        )


def _train_and_measure(cells: Sequence[Network], device: str) -> list[CellResult]:
    first, seeds = cells[0], [cell.seed for cell in cells]
    trained = train_on(first.dataset, first.n, seeds, first.sgd, device)
    measured = measure(trained, first.dataset, first.n, seeds, first.how)
    return [
        CellResult([_identity(cell) | row], {"unseen_predictions": guesses})
        for cell, (row, guesses) in zip(cells, measured, strict=True)
    ]


def _identity(cell: Network) -> dict[str, Any]:
    return {
        "dataset": cell.dataset,
        "n": cell.n,
        "regime": cell.regime,
        "seed": cell.seed,
        "learning_rate": cell.learning_rate,
        "batch_size": cell.batch_size,
    }


SMALL_SEEDS, LARGE_SEEDS = tuple(range(25)), tuple(range(100, 125))

# n: learning rate small, large, batch large, epochs, drop (protocol E.1)
REGIMES = {
    500: (0.05, 0.5, 500, 500, None),
    2_000: (0.03, 0.5, 2_000, 500, None),
    6_000: (0.01, 0.5, 4_096, 500, None),
    12_000: (0.01, 0.5, 4_096, 500, 0.8),
    24_000: (0.01, 0.3, 4_096, 500, 0.8),
    60_000: (0.01, 0.3, 4_096, 600, 0.8),
}


def paper_protocol(dataset: str, n: int) -> Vanishing:
    """Return the paper's protocol for one size of the training subset."""
    small_rate, large_rate, large_batch, max_epochs, drop_at = REGIMES[n]
    return Vanishing(
        f"vanishing_{dataset}_{n}",
        dataset,
        n,
        Regime(small_rate, 64, SMALL_SEEDS),
        Regime(large_rate, large_batch, LARGE_SEEDS),
        max_epochs,
        drop_at,
    )


PROTOCOLS = (
    *(paper_protocol("mnist", n) for n in REGIMES),
    *(paper_protocol("fashion_mnist", n) for n in (500, 2_000, 6_000)),
)
