"""How many free regions can be told a class before no last layer complies? Exploratory.

The first five of the 300 model-selection networks (MNIST). For each, twice: its unseen-only
regions are put in random order, each represented by its first unseen point, and up to 64 of them
are told a random class, one after another. Recorded is how many can be told before the training
labels and these are more than one last layer can give (`labels_before_breaking`). In the
region-class vocabulary all of them can, always.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from helpers.experiments.model_selection import SGD_OF_PAPER, WIDTHS
from helpers.experiments.row import split_of
from helpers.measures.regions import activation_patterns, group_rows
from helpers.measures.shared_layer import Lesson, labels_before_breaking
from helpers.networks import features
from helpers.sweeps.sweep import CellResult, Experiment
from helpers.training import SGD, train

LAYER = len(WIDTHS) - 2


@dataclass(frozen=True)
class Cell:
    """One network and one order of its free regions, of which `most` are told at most."""

    dataset: str
    n: int
    seed: int
    draw: int
    sgd: SGD
    most: int


@dataclass(frozen=True)
class SharedLayer(Experiment):
    """Tell free regions random classes until no last layer complies."""

    name: str = "shared_layer_mnist"
    dataset: str = "mnist"
    n: int = 250
    seeds: tuple[int, ...] = tuple(range(5))
    draws: int = 2
    most: int = 64
    sgd: SGD = SGD_OF_PAPER
    key: ClassVar[tuple[str, ...]] = ("dataset", "n", "seed", "draw")

    def cells(self) -> list[Cell]:
        """List the networks, each with its draws."""
        return [
            Cell(self.dataset, self.n, seed, draw, self.sgd, self.most)
            for seed in self.seeds
            for draw in range(self.draws)
        ]

    @staticmethod
    def run_cell(cell: Cell, device: str) -> CellResult:
        """Train one network, and tell its free regions random classes."""
        split = split_of(cell.dataset, cell.n)
        x, y = split.train_images, split.train_labels
        net = train(WIDTHS, [cell.seed], x, y, cell.sgd, device="cpu").stack
        known, new = (
            activation_patterns(net, points, LAYER)[0] for points in (x, split.unseen_images)
        )
        first = group_rows(np.concatenate([known, new]))[1]
        free = first[first >= len(x)] - len(x)
        random = np.random.default_rng([cell.seed, cell.draw])
        chosen = random.permutation(free)[: cell.most]
        told = random.integers(WIDTHS[-1], size=len(chosen))
        exact = net.to(torch.float64)
        training = features(exact, x.double())[0].numpy()
        points = features(exact, split.unseen_images[chosen].double())[0].numpy()
        lesson = Lesson(training, y.numpy(), points, WIDTHS[-1])
        row = {
            "dataset": cell.dataset,
            "n": cell.n,
            "seed": cell.seed,
            "draw": cell.draw,
            "unseen_only_regions": len(free),
            "asked": len(chosen),
            "told": labels_before_breaking(lesson, told),
        }
        return CellResult([row])

    def smoke(self) -> SharedLayer:
        """Return a copy with one network that learned less, and one draw."""
        return replace(self, n=60, seeds=(0,), draws=2, most=16)


PROTOCOLS = (SharedLayer(),)
