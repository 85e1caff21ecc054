"""How fast does freedom run out when all regions share one last layer? Exploratory.

The first eight of the 300 model-selection networks (MNIST). For each, up to 100 of its unseen-only
regions are drawn at random, each represented by its first unseen point, and one random walk tells
them a class, or nothing, one after another, always leaving the training labels realisable. Recorded
is how many classes each could still take when its turn came (`weakness.shared_layer.walk`). In the
region-class vocabulary that number is ten throughout.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from helpers.experiments.model_selection import SGD_OF_PAPER, WIDTHS
from helpers.experiments.networks_at_scale import split_of
from helpers.networks import features
from helpers.sweeps import CellResult, Experiment
from helpers.training import SGD, train
from helpers.weakness.regions import activation_patterns, group_rows
from helpers.weakness.shared_layer import Lesson, walk

LAYER = len(WIDTHS) - 2


@dataclass(frozen=True)
class Cell:
    """One network, and how many of its free regions the walk visits at most."""

    dataset: str
    n: int
    seed: int
    sgd: SGD
    steps: int


@dataclass(frozen=True)
class SharedLayer(Experiment):
    """Walk through the completions that one last layer can realise."""

    name: str = "shared_layer_mnist"
    dataset: str = "mnist"
    n: int = 250
    seeds: tuple[int, ...] = tuple(range(8))
    steps: int = 100
    sgd: SGD = SGD_OF_PAPER
    key: ClassVar[tuple[str, ...]] = ("dataset", "n", "seed", "step")

    def cells(self) -> list[Cell]:
        """List the networks."""
        return [Cell(self.dataset, self.n, seed, self.sgd, self.steps) for seed in self.seeds]

    @staticmethod
    def run_cell(cell: Cell, device: str) -> CellResult:
        """Train one network and walk once."""
        split = split_of(cell.dataset, cell.n)
        x, y = split.train_images, split.train_labels
        net = train(WIDTHS, [cell.seed], x, y, cell.sgd, device="cpu").stack
        known, new = (
            activation_patterns(net, points, LAYER)[0] for points in (x, split.unseen_images)
        )
        first = group_rows(np.concatenate([known, new]))[1]
        free = first[first >= len(x)] - len(x)
        random = np.random.default_rng(cell.seed)
        chosen = random.permutation(free)[: cell.steps]
        exact = net.to(torch.float64)
        training = features(exact, x.double())[0].numpy()
        points = features(exact, split.unseen_images[chosen].double())[0].numpy()
        extensions = walk(Lesson(training, y.numpy(), points, WIDTHS[-1]), random)
        row = {
            "dataset": cell.dataset,
            "n": cell.n,
            "seed": cell.seed,
            "unseen_only_regions": len(free),
        }
        return CellResult(
            [row | {"step": at, "extension": int(ext)} for at, ext in enumerate(extensions)]
        )

    def smoke(self) -> SharedLayer:
        """Return a copy with one network and a short walk."""
        return replace(self, n=100, seeds=(0,), steps=6)


PROTOCOLS = (SharedLayer(),)
