"""PAC-Bayes bounds of small networks beside their weakness: do bounds work because they track it?

Networks 784-64-8-10 of the pair-proxy protocol (protocol E.3 of the paper, seeds from 0), at four
sizes of the training subset; the largest, which shows what the bounds are worth with many points,
is trained for a fixed number of epochs and has few networks.

What "bounds work because they track weakness" predicts, written before the run, at each size with
at least 40 networks: (1) the bound rises with the test error, ρ > 0; (2) the bound falls as
weakness rises, ρ < 0, for the pair proxy and for the number of unseen-only regions; (3) given
weakness, the bound says little more about the test error: |partial ρ| is smaller than |ρ|. The pair
proxy is taken up to 2,000 points, beyond which it is slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, ClassVar, Self

from torch import Tensor

from helpers import data
from helpers.measures.pac_bayes import (
    Bounding,
    GaussianPosterior,
    certify,
    sampled_risks,
    squared_distances,
)
from helpers.measures.pair_proxy import pair_proxy
from helpers.measures.regions import activation_patterns, regions
from helpers.measures.sharpness import hessian_trace
from helpers.measures.simplicity import weight_l2_norm
from helpers.networks import Stack, accuracy, features, initialise
from helpers.sweeps.sweep import CellResult, Experiment
from helpers.training import SGD, train

WIDTHS = (784, 64, 8, 10)
LAST_HIDDEN = 2
TEST_SAMPLES = 20
PROXY_UP_TO = 2_000


@dataclass(frozen=True)
class Size:
    """One size of the training subset: how many networks, and how long they may train."""

    n: int
    networks: int
    max_epochs: int = 500


@dataclass(frozen=True)
class Network:
    """One cell: a network, its training, and how it is bounded."""

    dataset: str
    n: int
    seed: int
    max_epochs: int
    learning_rate: float
    batch_size: int
    probes: int
    unseen_points: int | None
    how: Bounding


@dataclass(frozen=True)
class PacBayes(Experiment):
    """The protocol. Rows: one a network, with its bounds, its weakness and its errors.

    `posterior_test_error` is the test error of the stochastic network that the bounds are about,
    `test_accuracy` that of the network at its centre.
    """

    key: ClassVar[tuple[str, ...]] = ("dataset", "n", "seed")
    name: str = "pac_bayes"
    dataset: str = "mnist"
    sizes: tuple[Size, ...] = (
        Size(250, 100),
        Size(2_000, 60),
        Size(6_000, 60),
        Size(60_000, 4, 20),
    )
    learning_rate: float = 0.1
    batch_size: int = 64
    probes: int = 100
    unseen_points: int | None = None
    how: Bounding = field(default_factory=Bounding)

    def cells(self) -> Sequence[Network]:
        """List the networks, by size and seed."""
        return [
            Network(
                self.dataset,
                size.n,
                seed,
                size.max_epochs,
                self.learning_rate,
                self.batch_size,
                self.probes,
                self.unseen_points,
                self.how,
            )
            for size in self.sizes
            for seed in range(size.networks)
        ]

    @staticmethod
    def run_cell(cell: Network, device: str) -> CellResult:
        """Train one network, bound it and measure its weakness, on the CPU."""
        return CellResult([_measure(cell)])

    def cost(self, cell: Network) -> float:
        """Guess that time goes with the training points, plus the measuring."""
        return cell.n + 2_000

    def smoke(self) -> Self:
        """Return a copy with a few networks and few samples."""
        return replace(
            self,
            sizes=(Size(100, 8), Size(300, 6)),
            probes=20,
            unseen_points=1_000,
            how=replace(self.how, samples=16, tuning_samples=2, tuning_points=100),
        )


@lru_cache(maxsize=1)
def _split_of(dataset: str, n: int) -> data.Split:
    return data.split(data.load(dataset), n)


def _measure(cell: Network) -> dict[str, Any]:
    split = _split_of(cell.dataset, cell.n)
    x, y = split.train_images, split.train_labels
    unseen = split.unseen_images[: cell.unseen_points]
    sgd = SGD(cell.learning_rate, cell.batch_size, cell.max_epochs)
    trained = train(WIDTHS, [cell.seed], x, y, sgd, device="cpu")
    net, start = trained.stack, initialise(WIDTHS, [cell.seed])
    bound = certify(net, start, x, y, cell.how, cell.seed)
    posterior = GaussianPosterior(net, bound.deviations)
    test_risks = sampled_risks(
        posterior, split.test_images, split.test_labels, TEST_SAMPLES, cell.seed
    )
    own = activation_patterns(net, x, LAST_HIDDEN)[0]
    found = regions(own, activation_patterns(net, unseen, LAST_HIDDEN)[0])
    return {
        "dataset": cell.dataset,
        "n": cell.n,
        "seed": cell.seed,
        "epochs": int(trained.epochs[0]),
        "train_accuracy": float(trained.train_accuracy[0]),
        "memorised": bool(trained.memorised[0]),
        "diverged": bool(trained.diverged[0]),
        "test_accuracy": float(accuracy(net, split.test_images, split.test_labels)[0]),
        "squared_distance": float(squared_distances(net, start).sum()),
        **{f"sigma_{i}": sigma for i, sigma in enumerate(bound.deviations, 1)},
        "kl": bound.kl,
        "sampled_risk": bound.sampled_risk,
        "risk_limit": bound.risk_limit,
        "maurer_bound": bound.maurer,
        "mcallester_bound": bound.mcallester,
        "catoni_bound": bound.catoni,
        "posterior_test_error": float(test_risks.mean()),
        "training_regions": found.training_regions,
        "unseen_only_regions": found.unseen_only_regions,
        "pair_proxy": _pair_proxy(net, x, y, unseen, cell.probes)
        if cell.n <= PROXY_UP_TO
        else float("nan"),
        "hessian_trace": float(hessian_trace(net, x, y)),
        "weight_l2_norm": float(weight_l2_norm(net)),
    }


def _pair_proxy(net: Stack, x: Tensor, y: Tensor, unseen: Tensor, count: int) -> float:
    """Return the pair proxy at the protocol's probes; NaN where training is not memorised."""
    probes = unseen[data.probe_indices(len(unseen), count)]
    found = pair_proxy(
        features(net, x)[0].double(),
        y,
        features(net, probes)[0].double(),
        classes=WIDTHS[-1],
        last_layer=(net.weights[-1][0].double(), net.biases[-1][0].double()),
    )
    return float(found.pair_proxy) if found.separable else float("nan")


PROTOCOLS = (PacBayes(),)
