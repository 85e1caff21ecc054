"""Rounding twins: the pair-proxy networks on Fashion-MNIST again, trained in double precision.

Same seeds, same starting points, same order of the images as protocol E.3: only the rounding of
each step differs. Whatever changes between a network and its twin, a rerun on another machine may
change too. Written after the single-precision table was seen, to find out how far per-seed values
and the correlations made of them can be expected to repeat. Measured in single precision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from helpers.experiments import pair_proxy
from helpers.experiments.pair_proxy import Network
from helpers.experiments.row import split_of
from helpers.sweeps.sweep import CellResult, Experiment
from helpers.training import train


@dataclass(frozen=True)
class RoundingTwins(Experiment):
    """Train the networks of `pair_proxy_DATASET` in double precision and measure them as there."""

    name: str = "rounding_fashion_mnist"
    dataset: str = "fashion_mnist"
    n: int = 250
    seeds: tuple[int, ...] = tuple(range(100))
    probes: int = pair_proxy.PROBES
    key: ClassVar[tuple[str, ...]] = ("dataset", "n", "seed")

    def cells(self) -> list[Network]:
        """List the networks."""
        sgd, how = pair_proxy.SGD_OF_PAPER, pair_proxy.AS_PAPER
        return [Network(self.dataset, self.n, seed, sgd, how, self.probes) for seed in self.seeds]

    @staticmethod
    def run_cell(cell: Network, device: str) -> CellResult:
        """Train one network in double precision and measure it in single."""
        split = split_of(cell.dataset, cell.n)
        x, y = split.train_images.double(), split.train_labels
        trained = train(
            pair_proxy.WIDTHS, [cell.seed], x, y, cell.sgd, device="cpu", dtype=torch.float64
        )
        row = {
            "dataset": cell.dataset,
            "n": cell.n,
            "seed": cell.seed,
            "epochs": int(trained.epochs[0]),
            "memorised": bool(trained.memorised[0]),
        }
        probes = pair_proxy.probes_of(split, cell.probes)
        net = trained.stack.to(torch.float32)
        return CellResult([row | pair_proxy.measure(net, split, probes, cell)])

    def smoke(self) -> RoundingTwins:
        """Return a copy with twelve networks on fewer points, those of the smoke pair proxy."""
        return replace(self, n=120, seeds=tuple(range(12)))


PROTOCOLS = (RoundingTwins(),)
