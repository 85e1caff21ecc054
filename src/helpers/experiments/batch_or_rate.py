"""Learning rate or batch size? Cross the two factors that the paper's regimes change together.

Protocol, written down before any of these networks was trained
---------------------------------------------------------------
Networks 784-256-128-10 on the paper's MNIST subsets of n = 500, 2,000 and 6,000 points. Three batch
sizes, 64, round(√(64 n)) and min(n, 4096), are crossed with three learning rates: the small-batch
regime's own, the large-batch regime's own (.5), and their geometric mean. The paper's two regimes
are two of the nine combinations, at opposite corners. Ten networks a combination, seeds 0–9 in all
of them: networks of one seed start at the same point, so comparisons are paired by seed.

Every network is trained twice from the same start:
 (a) `memorised`: to the first check, every 10 epochs, with all training points right, as in the
    paper;
 (b) `matched_loss`: to a mean training cross-entropy of .01, checked every epoch, or every five
    updates where an epoch is shorter. The value is the low end of what the paper's own regimes
    reach under (a) (.010 to .038 in one trial network of each), so both stops are within reach of
    one another.
Training ends after 20,000 updates (500 epochs if those are more) whether or not the stop was
reached; such networks are kept and marked by `stopped`, false, and diverged ones by `diverged`. No
rate is dropped.

At n = 24,000, where the paper lowers its large-batch rate from .5 to .3 and the advantage
disappears, ten large-batch networks (seeds 100–109, batch 4,096, ≤ 500 epochs, rate ×0.1 after
80 %, stop (a)) are trained at .5 and ten at .3. The small-batch side of the comparison is the table
vanishing_mnist_24000.

Predictions, likewise written down before
-----------------------------------------
F1. Rate: in each of the three batch sizes and at each n, under (a), the highest rate has the higher
    mean test accuracy and the lower mean trace than the lowest rate.
F2. Batch: at equal rate, under (a), the mean test accuracy of batch 64 is at least that of the
    largest batch less .2 points, and its mean trace is lower, at each n.
F3. Size: in a regression of test accuracy on log rate, log batch and their product, blocked by
    seed, the change over the range of rates is at least three times the change over the range of
    batches, at each n.
F4. The missing corner, batch 64 at rate .5, beats the paper's large-batch regime in mean accuracy.
F5. Stopping: under (b) the ratio of the largest to the smallest mean trace among the nine
    combinations is at most half the ratio under (a), while F1's order of accuracies stays.
F6. At n = 24,000 the mean accuracy at rate .5 is above that at rate .3, and above the small-batch
    regime's by more than the paper's +.08 points.
A failed prediction is reported as such in the chapter. F1, F2 and F4 were written
knowing an informal trial at n = 500 and 2,000, with other code and stop (a) alone, that pointed
their way; n = 6,000, F3, F5 and F6 were open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from helpers.errors import UserError
from helpers.experiments.row import AS_PAPER, Measuring, measure, train_on
from helpers.sweeps.sweep import CellResult, Experiment
from helpers.training import SGD

Stop = Literal["memorised", "matched_loss"]


@dataclass(frozen=True)
class Trial:
    """One cell: a network, one combination of rate and batch, one stop."""

    dataset: str
    n: int
    learning_rate: float
    batch_size: int
    stop: Stop
    seed: int
    max_epochs: int
    drop_at: float | None
    target_loss: float
    how: Measuring

    @property
    def sgd(self) -> SGD:
        """Return the training protocol."""
        if self.stop == "memorised":
            return SGD(self.learning_rate, self.batch_size, self.max_epochs, drop_at=self.drop_at)
        return SGD(
            self.learning_rate,
            self.batch_size,
            self.max_epochs,
            check_every=max(1, 5 // updates_per_epoch(self.n, self.batch_size)),
            drop_at=self.drop_at,
            target_loss=self.target_loss,
        )


@dataclass(frozen=True)
class Factorial(Experiment):
    """Cross learning rates, batch sizes and stops; the module says why and what is predicted."""

    name: str
    dataset: str
    n: int
    learning_rates: tuple[float, ...]
    batch_sizes: tuple[int, ...]
    stops: tuple[Stop, ...] = ("memorised", "matched_loss")
    seeds: tuple[int, ...] = tuple(range(10))
    target_loss: float = 0.01
    max_updates: int = 20_000
    max_epochs: int = 500  # the limit is the larger of the two
    drop_at: float | None = None
    how: Measuring = AS_PAPER
    key: ClassVar[tuple[str, ...]] = (
        "dataset",
        "n",
        "learning_rate",
        "batch_size",
        "stop",
        "seed",
    )

    def cells(self) -> list[Trial]:
        """List the networks, the cheapest combinations first."""
        trials = [
            Trial(
                self.dataset,
                self.n,
                rate,
                batch,
                stop,
                seed,
                self._epochs(batch),
                self.drop_at,
                self.target_loss,
                self.how,
            )
            for batch in self.batch_sizes
            for rate in self.learning_rates
            for stop in self.stops
            for seed in self.seeds
        ]
        return sorted(trials, key=self.cost)

    @staticmethod
    def run_cell(cell: Trial, device: str) -> CellResult:
        """Train and measure one network."""
        return _train_and_measure([cell], device)[0]

    @classmethod
    def run_stack(cls, cells: Sequence[Trial], device: str) -> list[CellResult]:
        """Train and measure the networks of one combination as a stack."""
        return _train_and_measure(cells, device)

    def stack_key(self, cell: Trial) -> Trial:
        """Let networks that differ only in their seed share a stack."""
        return replace(cell, seed=0)

    def cost(self, cell: Trial) -> float:
        """Guess that memorising takes updates inversely to the rate, each as long as its batch."""
        return cell.batch_size / cell.learning_rate

    def smoke(self) -> Factorial:
        """Return a copy with a hundred-odd points, two rates and batch sizes, three networks."""
        n = 100 + self.n // 1_000
        return replace(
            self,
            n=n,
            learning_rates=(0.1, 0.3),
            batch_sizes=(16, n) if len(self.batch_sizes) > 1 else (n,),
            seeds=self.seeds[:3],
            target_loss=0.05,
            max_updates=400,
            max_epochs=100,
            how=Measuring(hutchinson_vectors=2, curvature_points=64, unseen_points=1_000),
        )

    def _epochs(self, batch_size: int) -> int:
        in_epochs = math.ceil(self.max_updates / updates_per_epoch(self.n, batch_size))
        return max(self.max_epochs, in_epochs)


def updates_per_epoch(n: int, batch_size: int) -> int:
    """Count the updates of one epoch; the last may be of a short batch."""
    return math.ceil(n / batch_size)


def _train_and_measure(cells: Sequence[Trial], device: str) -> list[CellResult]:
    first, seeds = cells[0], [cell.seed for cell in cells]
    trained = train_on(first.dataset, first.n, seeds, first.sgd, device)
    measured = measure(trained, first.dataset, first.n, seeds, first.how)
    found = []
    for cell, (row, _) in zip(cells, measured, strict=True):
        reached = row["train_loss"] <= cell.target_loss
        stopped = row["memorised"] if cell.stop == "memorised" else reached
        found.append(CellResult([_identity(cell) | row | {"stopped": bool(stopped)}]))
    return found


def _identity(cell: Trial) -> dict[str, Any]:
    return {
        "dataset": cell.dataset,
        "n": cell.n,
        "learning_rate": cell.learning_rate,
        "batch_size": cell.batch_size,
        "stop": cell.stop,
        "seed": cell.seed,
    }


def crossed(n: int, small_rate: float, large_rate: float) -> Factorial:
    """Cross three rates and three batch sizes between the paper's two regimes at n."""
    middle = round(math.sqrt(small_rate * large_rate), 4)
    batches = (64, round(math.sqrt(64 * n)), min(n, 4_096))
    rates = (small_rate, middle, large_rate)
    return Factorial(f"batch_or_rate_mnist_{n}", "mnist", n, rates, batches)


PROTOCOLS = (
    crossed(500, 0.05, 0.5),
    crossed(2_000, 0.03, 0.5),
    crossed(6_000, 0.01, 0.5),
    Factorial(
        "batch_or_rate_mnist_24000",
        "mnist",
        24_000,
        learning_rates=(0.3, 0.5),
        batch_sizes=(4_096,),
        stops=("memorised",),
        seeds=tuple(range(100, 110)),
        max_updates=0,
        drop_at=0.8,
    ),
)

SIZES = tuple(p.n for p in PROTOCOLS if len(p.batch_sizes) > 1)
SINGLE = next(p.n for p in PROTOCOLS if len(p.batch_sizes) == 1)  # rates alone, at n = 24,000


def protocol_of(n: int) -> Factorial:
    """Return the protocol of the crossing at one n. Raises UserError where there is none."""
    for protocol in PROTOCOLS:
        if protocol.n == n:
            return protocol
    sizes = ", ".join(f"{p.n:,}" for p in PROTOCOLS)
    raise UserError(f"no crossing at n = {n:,}; expected one of {sizes}")
