"""The pair proxy: does the freedom that the training labels leave predict which network does best?

Protocol E.3 of the paper (its Tables 4 and 5), written down before the run: 784-64-8-10, 250
training images, batch 64, rate .1, at most 500 epochs, seeds 0–99, on MNIST and Fashion-MNIST.
Probes are drawn from the unseen points by the generator seeded 99; the paper takes the first 100.
We also count over the first 1,000, and over each of the ten disjoint hundreds among them (set 0 is
the paper's), to see how much of a correlation is the draw of the probes.

A network that is not right on all training points within 500 epochs stays in the table, marked by
`memorised`: the proxy does not need its last layer, only features on which the labels are
separable, and a linear program finds that out (`separable`). Where they are not, no last layer at
all fits the labels, the paper's program has no completion, and the proxy is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from helpers import data
from helpers.experiments.row import Measuring, estimate_trace, split_of
from helpers.measures.pair_proxy import FEASIBLE, PairProxy, pair_proxy
from helpers.measures.sharpness import hessian_trace
from helpers.measures.simplicity import (
    live_units,
    participation_ratio,
    weight_l1_norm,
    weight_l2_norm,
)
from helpers.networks import Stack, accuracy, features
from helpers.sweeps.sweep import CellResult, Experiment
from helpers.training import SGD, train

WIDTHS = (784, 64, 8, 10)
CLASSES = WIDTHS[-1]
# Our measures, and what Tables 4 and 5 of the paper call them; the proxy's rivals among them.
FAMILY = {
    "hessian_trace": "hessian_trace",
    "weight_l2_norm": "weight_norm",
    "pair_proxy": "pair_proxy",
}
RIVALS = ("hessian_trace", "weight_l2_norm")
PROBES = 100  # the paper's number; set s holds probes 100·s … 100·s + 99
SGD_OF_PAPER = SGD(learning_rate=0.1, batch_size=64, max_epochs=500)
AS_PAPER = Measuring(hutchinson_vectors=50)


@dataclass(frozen=True)
class Network:
    """One cell: a network, how it is trained, and at how many probes the proxy is counted."""

    dataset: str
    n: int
    seed: int
    sgd: SGD
    how: Measuring
    probes: int


@dataclass(frozen=True)
class PairProxyProtocol(Experiment):
    """Train one network a seed on the same images, and measure each."""

    name: str
    dataset: str
    n: int = 250
    seeds: tuple[int, ...] = tuple(range(100))
    sgd: SGD = SGD_OF_PAPER
    how: Measuring = AS_PAPER
    probes: int = 1_000
    key: ClassVar[tuple[str, ...]] = ("dataset", "n", "seed")

    def cells(self) -> list[Network]:
        """List the networks."""
        return [
            Network(self.dataset, self.n, seed, self.sgd, self.how, self.probes)
            for seed in self.seeds
        ]

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

    def smoke(self) -> PairProxyProtocol:
        """Return a copy with twelve networks on fewer points and two sets of probes."""
        how = Measuring(hutchinson_vectors=4, curvature_points=64)
        return replace(self, n=120, seeds=tuple(range(12)), how=how, probes=2 * PROBES)


def probes_of(split: data.Split, count: int) -> Tensor:
    """Return the images of the first probes, (count, 784)."""
    return split.unseen_images[data.probe_indices(len(split.unseen_images), count)]


def proxy_of(net: Stack, split: data.Split, probes: Tensor) -> PairProxy:
    """Decide every (probe, class) pair for one network's frozen features."""
    known, asked = (features(net, images)[0].double() for images in (split.train_images, probes))
    head = (net.weights[-1][0].double(), net.biases[-1][0].double())
    return pair_proxy(known, split.train_labels, asked, classes=CLASSES, last_layer=head)


def _train_and_measure(cells: Sequence[Network], device: str) -> list[CellResult]:
    first, seeds = cells[0], [cell.seed for cell in cells]
    split = split_of(first.dataset, first.n)
    probes = probes_of(split, first.probes)
    trained = train(WIDTHS, seeds, split.train_images, split.train_labels, first.sgd, device=device)
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
            row |= dict.fromkeys(_measured(cell.probes), float("nan"))
        else:
            row |= measure(trained.stack[index].to("cpu"), split, probes, cell)
        found.append(CellResult([row]))
    return found


def measure(net: Stack, split: data.Split, probes: Tensor, cell: Network) -> dict[str, Any]:
    """Take every measure of one network, on the CPU."""
    x, y = split.train_images, split.train_labels
    found: dict[str, Any] = {
        "test_accuracy": float(accuracy(net, split.test_images, split.test_labels)),
        "hessian_trace": float(hessian_trace(net, x, y, cell.how.curvature_points)),
    }
    found |= estimate_trace(net, x, y, cell.seed, cell.how)
    found |= {
        "weight_l2_norm": float(weight_l2_norm(net)),
        "weight_l1_norm": float(weight_l1_norm(net)),
        "live_units": int(live_units(net, x)),
        "participation_ratio": float(participation_ratio(net, x)),
    }
    answer = proxy_of(net, split, probes)
    counts = (answer.status == FEASIBLE).reshape(-1, PROBES, CLASSES).sum(axis=(1, 2))
    return found | {
        "pair_proxy": int(counts[0]),
        "pair_proxy_all": int(counts.sum()),
        **{f"pair_proxy_set_{s}": int(count) for s, count in enumerate(counts)},
        "separable": answer.separable,
        "feature_rank": answer.rank,
        "probes_outside": answer.outside,
        "settled_exactly": answer.settled,
        "ambiguous": answer.ambiguous,
    }


def _measured(probes: int) -> list[str]:
    return [
        *("test_accuracy", "hessian_trace", "hutchinson_trace", "hutchinson_standard_error"),
        *("weight_l2_norm", "weight_l1_norm", "live_units", "participation_ratio"),
        *("pair_proxy", "pair_proxy_all"),
        *(f"pair_proxy_set_{s}" for s in range(probes // PROBES)),
        *("separable", "feature_rank", "probes_outside", "settled_exactly", "ambiguous"),
    ]


PROTOCOLS = tuple(
    PairProxyProtocol(f"pair_proxy_{dataset}", dataset) for dataset in ("mnist", "fashion_mnist")
)
