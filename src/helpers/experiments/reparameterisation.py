"""What rescaling moves: T_β and T_γ on twelve trained networks (Table 6 of the paper).

Networks 0, 5 (small batch) and 25, 30 (large batch) of the vanishing advantage at n = 500, 2,000
and 6,000. T_β multiplies (W1, b1) by β and W2 by 1/β, T_γ multiplies (W2, b2) by γ and W3 by 1/γ;
both keep the function. Beside the exact trace of each rescaled network stands the closed form
computed from the network as trained, and the paper's own 50-vector estimate with a fresh draw each
time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from helpers.experiments.row import answer, estimate_trace, split_of, train_on, unseen
from helpers.experiments.vanishing import Network, Vanishing, paper_protocol
from helpers.measures.sharpness import (
    TraceTerms,
    hessian_trace,
    hessian_trace_terms,
    trace_under_scaling,
)
from helpers.measures.simplicity import weight_l2_norm
from helpers.networks import Stack, accuracy, logits
from helpers.networks.reparameterise import scale_layers
from helpers.sweeps.sweep import CellResult, Experiment


@dataclass(frozen=True)
class Rescaled:
    """One cell: a network of the vanishing advantage and the factors to rescale it by."""

    network: Network
    betas: tuple[float, ...]
    gammas: tuple[float, ...]

    @property
    def seed(self) -> int:
        """Return the network's seed."""
        return self.network.seed


@dataclass(frozen=True)
class Reparameterisation(Experiment):
    """Rescale trained networks and measure them before and after."""

    name: str
    sources: tuple[Vanishing, ...]
    seeds: tuple[int, ...] = (0, 5, 100, 105)
    betas: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 20.0)
    gammas: tuple[float, ...] = (1.0, 5.0, 20.0)
    key: ClassVar[tuple[str, ...]] = ("dataset", "n", "network", "transformation", "factor")

    def cells(self) -> list[Rescaled]:
        """List the networks, by size."""
        return [
            Rescaled(network, self.betas, self.gammas)
            for source in self.sources
            for network in source.cells()
            if network.seed in self.seeds
        ]

    @staticmethod
    def run_cell(cell: Rescaled, device: str) -> CellResult:
        """Train one network, rescale it by every factor, and measure each copy."""
        net = cell.network
        trained = train_on(net.dataset, net.n, [net.seed], net.sgd, device)
        if bool(trained.diverged):
            return CellResult([_identity(net) | {"diverged": True}])
        as_trained = _before(trained.stack, net)
        steps = [("T_beta", 0, factor) for factor in cell.betas]
        steps += [("T_gamma", 1, factor) for factor in cell.gammas]
        rows = []
        for number, (transformation, layer, factor) in enumerate(steps):
            row = _identity(net) | {"transformation": transformation, "factor": float(factor)}
            row |= {"epochs": int(trained.epochs), "diverged": False}
            row |= _measure(as_trained, layer, factor, net, seed=100 * net.seed + number)
            rows.append(row)
        return CellResult(rows)

    def cost(self, cell: Rescaled) -> float:
        """Guess that time goes with the points to memorise, plus the measuring."""
        return cell.network.n + 5_000

    def smoke(self) -> Reparameterisation:
        """Return a copy on networks of a hundred-odd points."""
        return replace(
            self,
            sources=tuple(source.smoke() for source in self.sources),
            betas=(1.0, 2.0, 5.0),
            gammas=(1.0, 5.0),
        )


@dataclass(frozen=True, eq=False)
class _Before:
    """A network as trained, its logits on the unseen points and the terms of its trace."""

    stack: Stack
    logits: Tensor
    terms: TraceTerms


def _before(trained: Stack, network: Network) -> _Before:
    split, how = split_of(network.dataset, network.n), network.how
    x = split.train_images.to(trained.device)
    new, _ = unseen(split, how.unseen_points)
    terms = hessian_trace_terms(trained, x, None, how.curvature_points)
    return _Before(trained, logits(trained, new.to(trained.device)), terms)


def _measure(
    before: _Before, layer: int, factor: float, network: Network, seed: int
) -> dict[str, Any]:
    split, how = split_of(network.dataset, network.n), network.how
    device = before.stack.device
    x, y = split.train_images.to(device), split.train_labels.to(device)
    test = split.test_images.to(device), split.test_labels.to(device)
    new, labels = (part.to(device) for part in unseen(split, how.unseen_points))
    net = scale_layers(before.stack, layer, factor)
    scales = (factor, 1.0) if layer == 0 else (1.0, factor)
    after = logits(net, new)
    guesses, (l1_patterns, l2_patterns) = answer(net, new)
    return {
        "test_accuracy": float(accuracy(net, *test)),
        "unseen_accuracy": float(np.mean(guesses == labels.cpu().numpy())),
        "hessian_trace": float(hessian_trace(net, x, y, how.curvature_points)),
        "predicted_trace": float(trace_under_scaling(before.terms, scales)),
        **estimate_trace(net, x, y, seed, how),
        "l1_patterns": l1_patterns,
        "l2_patterns": l2_patterns,
        "weight_l2_norm": float(weight_l2_norm(net)),
        "largest_logit": float(after.abs().max()),
        "largest_logit_change": float((after - before.logits).abs().max()),
        "predictions_changed": int((after.argmax(-1) != before.logits.argmax(-1)).sum()),
    }


def _identity(network: Network) -> dict[str, Any]:
    small = network.regime == "small_batch"
    return {
        "dataset": network.dataset,
        "n": network.n,
        "network": network.seed if small else network.seed - 75,  # the paper's numbering, 0 to 49
        "regime": network.regime,
        "seed": network.seed,
    }


PROTOCOLS = (
    Reparameterisation(
        "reparameterisation", tuple(paper_protocol("mnist", n) for n in (500, 2_000, 6_000))
    ),
)
