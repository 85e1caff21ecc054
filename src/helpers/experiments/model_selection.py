"""Model selection: which of 300 networks that fit the same 250 images will do best on new ones?

Protocol E.2 of the paper (its Table 3), written down before the run: 784-64-16-10, 250 training
images, batch 64, rate .1, at most 500 epochs, seeds 0–299. Everything but the seed is equal, so
the networks differ by their starting point and the order of their batches alone. Six measures are
the paper's: Hessian trace (exact, and by 30 random vectors as there), both norms of the parameters,
layer-2 patterns on the unseen points, unseen-only regions, and free parameters, which count 170
less n_r for each region that holds n_r training points. The others are rivals: margin, path norm,
participation ratio, live units, epochs, and how far the predictions compress. A network that is
not right on all training points within 500 epochs stays in the table, marked by `memorised`.

Added after a first run: compressibility is measured on the test points in a fixed random order.
In file order half of MNIST's test labels count 0, 1, 2, …, 9 over and over, so that right answers
compress there and wrong ones do not: that column (`..._in_file_order`) looks at the test labels by
the back door, and is kept to show it.

The family of tests is the paper's six measures, each against the accuracy on the 10,000 test images
(Spearman; `correlation_family`). Fashion-MNIST is exploratory: the paper has no such table, and
nothing is predicted for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from helpers import data
from helpers.experiments.row import Measuring, estimate_trace, split_of, unseen
from helpers.measures.regions import activation_patterns, group_rows, regions
from helpers.measures.sharpness import hessian_trace
from helpers.measures.simplicity import (
    live_units,
    margin,
    participation_ratio,
    path_norm,
    prediction_complexity,
    weight_l1_norm,
    weight_l2_norm,
)
from helpers.networks import Stack, accuracy, features, predictions
from helpers.sweeps.sweep import CellResult, Experiment
from helpers.training import SGD, train

WIDTHS = (784, 64, 16, 10)
SGD_OF_PAPER = SGD(learning_rate=0.1, batch_size=64, max_epochs=500)
AS_PAPER = Measuring(hutchinson_vectors=30)

# The paper's family of tests (Table 3), in its order: measure -> the measure's name in the paper.
FAMILY = {
    "hessian_trace": "hessian_trace",
    "weight_l2_norm": "weight_l2_norm",
    "weight_l1_norm": "weight_l1_norm",
    "l2_patterns": "l2_unseen_patterns",
    "free_parameters": "free_parameters",
    "unseen_only_regions": "unseen_only_regions",
}
RIVALS = (
    "margin",
    "path_norm",
    "participation_ratio",
    "live_units",
    "epochs",
    "prediction_complexity",
)
FILE_ORDER = "prediction_complexity_in_file_order"
SHUFFLE_SEED = 0
NOT_MEASURED = (
    *("test_accuracy", "unseen_accuracy", "hutchinson_trace", "hutchinson_standard_error"),
    *("training_regions", "largest_region", FILE_ORDER, *FAMILY),
    *(rival for rival in RIVALS if rival != "epochs"),
)


@dataclass(frozen=True)
class Network:
    """One cell: a network, how it is trained and how it is measured."""

    dataset: str
    n: int
    seed: int
    sgd: SGD
    how: Measuring


@dataclass(frozen=True)
class ModelSelection(Experiment):
    """Train one network a seed on the same images, and measure each."""

    name: str
    dataset: str
    n: int = 250
    seeds: tuple[int, ...] = tuple(range(300))
    sgd: SGD = SGD_OF_PAPER
    how: Measuring = AS_PAPER
    key: ClassVar[tuple[str, ...]] = ("dataset", "n", "seed")

    def cells(self) -> list[Network]:
        """List the networks."""
        return [Network(self.dataset, self.n, seed, self.sgd, self.how) for seed in self.seeds]

    @staticmethod
    def run_cell(cell: Network, device: str) -> CellResult:
        """Train and measure one network."""
        return _train_and_measure([cell], device)[0]

    @classmethod
    def run_stack(cls, cells: Sequence[Network], device: str) -> list[CellResult]:
        """Train and measure networks as a stack."""
        return _train_and_measure(cells, device)

    def stack_key(self, cell: Network) -> Network:
        """Let networks that differ only in their seed share a stack."""
        return replace(cell, seed=0)

    def smoke(self) -> ModelSelection:
        """Return a copy with twelve networks on fewer points."""
        how = Measuring(hutchinson_vectors=4, curvature_points=64, unseen_points=2_000)
        return replace(self, n=120, seeds=tuple(range(12)), how=how)


def _train_and_measure(cells: Sequence[Network], device: str) -> list[CellResult]:
    first, seeds = cells[0], [cell.seed for cell in cells]
    split = split_of(first.dataset, first.n)
    x, y = split.train_images, split.train_labels
    trained = train(WIDTHS, seeds, x, y, first.sgd, device=device)
    found = []
    for index, cell in enumerate(cells):
        row: dict[str, Any] = {
            "dataset": cell.dataset,
            "n": cell.n,
            "seed": cell.seed,
            "epochs": int(trained.epochs[index]),
            "train_accuracy": float(trained.train_accuracy[index]),
            "train_loss": float(trained.train_loss[index]),
            "memorised": bool(trained.memorised[index]),
            "diverged": bool(trained.diverged[index]),
        }
        if row["diverged"]:
            row |= dict.fromkeys(NOT_MEASURED, float("nan"))
        else:
            row |= measure(trained.stack[index].to("cpu"), split, cell.seed, cell.how)
        found.append(CellResult([row]))
    return found


def measure(net: Stack, split: data.Split, seed: int, how: Measuring) -> dict[str, float]:
    """Take every measure of one network, on the CPU."""
    x, y = split.train_images, split.train_labels
    new, new_labels = unseen(split, how.unseen_points)
    test = split.test_images[: how.unseen_points]
    found = {
        "test_accuracy": float(accuracy(net, split.test_images, split.test_labels)),
        "hessian_trace": float(hessian_trace(net, x, y, how.curvature_points)),
    }
    found |= estimate_trace(net, x, y, seed, how)
    found |= {
        "weight_l2_norm": float(weight_l2_norm(net)),
        "weight_l1_norm": float(weight_l1_norm(net)),
    }
    found |= _regions_of(net, x, new, new_labels)
    return found | {
        "margin": float(margin(net, x, y)),
        "path_norm": float(path_norm(net)),
        "participation_ratio": float(participation_ratio(net, x)),
        "live_units": int(live_units(net, x)),
        "prediction_complexity": float(prediction_complexity(net, test[_shuffle(len(test))])),
        FILE_ORDER: float(prediction_complexity(net, test)),
    }


def _shuffle(points: int) -> Tensor:
    return torch.randperm(points, generator=torch.Generator().manual_seed(SHUFFLE_SEED))


def _regions_of(net: Stack, x: Tensor, new: Tensor, new_labels: Tensor) -> dict[str, float]:
    hidden = features(net, new)  # one pass serves the patterns and the predictions
    head = Stack(net.weights[-1:], net.biases[-1:])
    patterns = np.packbits((hidden[0] > 0).numpy(), axis=-1)
    found = regions(activation_patterns(net, x, len(WIDTHS) - 2)[0], patterns)
    return {
        "unseen_accuracy": float((predictions(head, hidden)[0] == new_labels).double().mean()),
        "l2_patterns": len(group_rows(patterns)[1]),
        "training_regions": found.training_regions,
        "largest_region": int(found.occupancy.max()),
        "free_parameters": found.free_parameters(),
        "unseen_only_regions": found.unseen_only_regions,
    }


PROTOCOLS = tuple(
    ModelSelection(f"model_selection_{dataset}", dataset) for dataset in ("mnist", "fashion_mnist")
)
