"""How a network is trained, when it stops, and what is kept of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.errors import UserError
from helpers.networks import Stack, concatenate


@dataclass(frozen=True)
class SGD:
    """Describe plain SGD on the mean cross-entropy: no momentum, no weight decay (protocol E).

    Every `check_every` epochs a network stops if all training points are right or, where
    `target_loss` is given, if its mean training loss is at most that instead (0 trains on to
    `max_epochs`). After the first `drop_at` share of `max_epochs` the rate is multiplied by
    `drop_factor`.
    """

    learning_rate: float
    batch_size: int
    max_epochs: int
    check_every: int = 10
    drop_at: float | None = None
    drop_factor: float = 0.1
    target_loss: float | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_epochs", "check_every"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UserError(f"{name} is {value!r}; expected a whole number, 1 or more")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise UserError(f"learning_rate is {self.learning_rate!r}; expected a positive number")
        if self.drop_at is not None and not 0 <= self.drop_at <= 1:
            raise UserError(
                f"drop_at is {self.drop_at!r}; expected a share of max_epochs between 0 and 1"
            )

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 1."""
        dropped = self.drop_at is not None and epoch > math.floor(self.drop_at * self.max_epochs)
        return self.learning_rate * (self.drop_factor if dropped else 1.0)

    def checks(self, epoch: int) -> bool:
        """Say whether networks are checked after this epoch; they always are after the last."""
        return epoch % self.check_every == 0 or epoch == self.max_epochs

    def epochs_since_check(self, epoch: int) -> int:
        """Return how many epochs lie between a check and the one before it."""
        return epoch % self.check_every or self.check_every

    def stops(self, right: int, points: int, mean_loss: float) -> bool:
        """Say whether a network with these training results stops here."""
        if self.target_loss is not None:
            return mean_loss <= self.target_loss
        return right == points


@dataclass(frozen=True, eq=False)
class Trained:
    """Hold M trained networks and how their training went.

    `epochs` (M,) int64 counts the epochs run; `train_accuracy` and `train_loss` (M,) float64 are
    those of the parameters kept; `memorised` (M,) says whether all training points are right.
    `diverged` (M,) marks networks whose loss or parameters stopped being finite: training ended at
    that check, the parameters are kept as they were, and the caller must leave them out, visibly.
    """

    stack: Stack
    epochs: Tensor
    train_accuracy: Tensor
    train_loss: Tensor
    memorised: Tensor
    diverged: Tensor

    def __len__(self) -> int:
        return len(self.stack)

    @staticmethod
    def join(parts: Sequence[Trained]) -> Trained:
        """Put networks trained apart into one stack, in order."""
        return Trained(
            concatenate([part.stack for part in parts]),
            *(
                torch.cat([getattr(part, name) for part in parts])
                for name in ("epochs", "train_accuracy", "train_loss", "memorised", "diverged")
            ),
        )


@dataclass(frozen=True)
class Outcome:
    """Record how one network's training ended."""

    epochs: int
    train_accuracy: float
    train_loss: float
    memorised: bool
    diverged: bool

    def with_stack(self, stack: Stack) -> Trained:
        """Return the outcome together with the one network it is about."""
        finite = all(bool(p.isfinite().all()) for p in (*stack.weights, *stack.biases))
        return Trained(
            stack,
            torch.tensor([self.epochs]),
            torch.tensor([self.train_accuracy], dtype=torch.float64),
            torch.tensor([self.train_loss], dtype=torch.float64),
            torch.tensor([self.memorised and finite]),
            torch.tensor([self.diverged or not finite]),
        )


def finished(sgd: SGD, epoch: int, points: int, right: int, loss: float) -> Outcome | None:
    """Return the outcome if a network checked after `epoch` ends there, else None.

    `right` counts the training points that are right, `loss` is their summed cross-entropy.
    """
    diverged = not math.isfinite(loss)
    mean = loss / points
    if not (diverged or epoch == sgd.max_epochs or sgd.stops(right, points, mean)):
        return None
    memorised = right == points and not diverged
    return Outcome(epoch, right / points, mean, memorised, diverged)
