"""What moves and what stays put: every measure under every change that keeps the function.

Networks 784-64-8-10 that learned 250 digits (the pair proxy's own, protocol E.3) are written
differently without changing an answer, in double precision, and measured before and after:

- layers scaled against each other, by powers of two and by 10 (T_beta and T_gamma together);
- single units scaled, each by its own random factor between 1/10 and 10;
- units permuted;
- features mapped by a random invertible affine map, the last layer compensating. The result is no
  ReLU network any more, so measures of parameters are not defined there; a pattern is then the set
  of coordinates that are positive;
- dead units rewritten: units of layer 2 that are off at all 70,000 images get zero outgoing and new
  random incoming weights. Three draws for each network that has such a unit.

`EXPECTED` says, before the run, which measures theory lets move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from helpers import data
from helpers.measures import sharpness, simplicity
from helpers.measures.pair_proxy import pair_proxy
from helpers.measures.regions import activation_patterns, count_patterns, group_rows
from helpers.networks import Stack, features
from helpers.networks import reparameterise as maps
from helpers.networks.reparameterise import Head
from helpers.sweeps.sweep import CellResult, Experiment
from helpers.training import SGD, train

WIDTHS = (784, 64, 8, 10)
SGD_OF_PAPER = SGD(learning_rate=0.1, batch_size=64, max_epochs=500)

SCALINGS = ("layers × power of two", "layers × 10", "units × random")
TRANSFORMATIONS = (*SCALINGS, "units permuted", "features mapped", "dead unit rewritten")

# Which of the transformations, in the order above, theory lets move a measure ("x"), keeps ("-"),
# or leaves undefined (" ").
_MOVES = {
    "hessian_trace": "xxx- x",
    "largest_eigenvalue": "xxx- x",
    "weight_l2_norm": "xxx- x",
    "weight_l1_norm": "xxx- x",
    "spectral_norm_product": "--x- x",
    "relative_flatness": "--x- x",
    "path_norm": "---- x",
    "adaptive_sharpness": "---- -",
    "fisher_rao_norm": "---- -",
    "orbit_minimum_trace": "---- -",
    "l1_patterns": "---- -",
    "l2_patterns": "----xx",
    "unseen_only_regions": "----xx",
    "participation_ratio": "--x-xx",
    "feature_rank": "-----x",
    "pair_proxy": "-----x",
    "margin": "------",
    "errors_on_unseen": "------",
}
MEASURES = tuple(_MOVES)
EXPECTED: dict[tuple[str, str], bool | None] = {
    (measure, transformation): {"x": True, "-": False, " ": None}[mark]
    for measure, marks in _MOVES.items()
    for transformation, mark in zip(TRANSFORMATIONS, marks, strict=True)
}


@dataclass(frozen=True)
class Cell:
    """One network, and whether it goes through all transformations or the rewrite alone."""

    dataset: str
    n: int
    seed: int
    sgd: SGD
    rewrite_only: bool
    draws: int
    probes: int
    unseen_points: int | None


@dataclass(frozen=True)
class Invariance(Experiment):
    """Measure networks before and after changes that keep their function."""

    name: str = "invariance"
    dataset: str = "mnist"
    n: int = 250
    seeds: tuple[int, ...] = tuple(range(10))
    rewrite_seeds: tuple[int, ...] = tuple(range(100))
    draws: int = 3
    probes: int = 100
    unseen_points: int | None = None
    sgd: SGD = SGD_OF_PAPER
    key: ClassVar[tuple[str, ...]] = ("dataset", "n", "seed", "transformation", "draw", "measure")

    def cells(self) -> list[Cell]:
        """List the networks: `seeds` fully, the other `rewrite_seeds` for their dead units."""
        settings = (self.draws, self.probes, self.unseen_points)
        every = sorted({*self.seeds, *self.rewrite_seeds})
        return [
            Cell(self.dataset, self.n, seed, self.sgd, seed not in self.seeds, *settings)
            for seed in every
        ]

    @staticmethod
    def run_cell(cell: Cell, device: str) -> CellResult:
        """Train one network, transform it, and measure each copy."""
        points = _points(cell.dataset, cell.n, cell.probes, cell.unseen_points)
        trained = train(WIDTHS, [cell.seed], points.x.float(), points.y, cell.sgd, device="cpu")
        before = subject(trained.stack.to(torch.float64), points)
        changed = [
            (name, draw, after)
            for name, draw, after in transformed(before, points, cell.draws, cell.seed)
            if name == TRANSFORMATIONS[-1] or not cell.rewrite_only
        ]
        if not changed:
            return CellResult([])
        first = {name: MEASURE[name](before, points) for name in MEASURES}
        identity = {"dataset": cell.dataset, "n": cell.n, "seed": cell.seed}
        rows = []
        for name, draw, after in changed:
            same = identity | {
                "transformation": name,
                "draw": draw,
                "logit_change": _gap(before, after),
            }
            rows += [same | row for row in _compare(first, after, points)]
        return CellResult(rows)

    def cost(self, cell: Cell) -> float:
        """Guess that a network with all transformations takes ten times a rewrite."""
        return 1.0 if cell.rewrite_only else 10.0

    def smoke(self) -> Invariance:
        """Return a copy with one network, and one that has a dead unit, on fewer points."""
        return replace(
            self, n=100, seeds=(0,), rewrite_seeds=tuple(range(4)), draws=1, unseen_points=1_000
        )


# ---------------------------------------------------------------- what is measured


@dataclass(frozen=True, eq=False)
class Points:
    """The images and labels that a network is measured at, and where its probes lie."""

    x: Tensor
    y: Tensor
    unseen: Tensor
    unseen_labels: Tensor
    probes: Tensor


@dataclass(frozen=True, eq=False)
class Subject:
    """A network as the measures see it: parameters, and features with their last layer.

    `stack` is None when the features were mapped. `training` and `unseen` are the heads at the
    training and at the unseen points, batch axis M = 1.
    """

    stack: Stack | None
    training: Head
    unseen: Head


def subject(stack: Stack, points: Points) -> Subject:
    """Look at one network at the points."""
    last = stack.weights[-1], stack.biases[-1]
    return Subject(
        stack,
        Head(features(stack, points.x), *last),
        Head(features(stack, points.unseen), *last),
    )


def transformed(
    before: Subject, points: Points, draws: int, seed: int
) -> Iterator[tuple[str, int, Subject]]:
    """Yield every transformed copy: name, number of the draw, and the network."""
    stack = before.stack
    assert stack is not None
    random = np.random.default_rng(seed)
    for name, factor in (("layers × power of two", 4.0), ("layers × 10", 10.0)):
        scaled = maps.scale_layers(maps.scale_layers(stack, 0, factor), 1, factor)
        yield name, 0, subject(scaled, points)
    by_unit, permuted = stack, stack
    for layer, width in enumerate(stack.widths[1:-1]):
        by_unit = maps.scale_units(by_unit, layer, 10 ** random.uniform(-1, 1, width))
        permuted = maps.permute_units(permuted, layer, random.permutation(width))
    yield "units × random", 0, subject(by_unit, points)
    yield "units permuted", 0, subject(permuted, points)
    width = stack.widths[-2]
    matrix, shift = torch.from_numpy(random.normal(size=(width, width))), random.normal(size=width)
    mapped = [
        maps.map_features(h, matrix, torch.from_numpy(shift))
        for h in (before.training, before.unseen)
    ]
    yield "features mapped", 0, Subject(None, *mapped)
    every = torch.cat([points.x, points.unseen])
    if bool(maps.dead_units(stack, 1, every).any()):
        for draw in range(draws):
            rewritten = maps.rewrite_dead_units(stack, 1, every, seed=1_000 * seed + draw)
            yield "dead unit rewritten", draw, subject(rewritten, points)


def _sign_patterns(at: Tensor) -> np.ndarray:
    return np.packbits((at[0] > 0).numpy(), axis=-1)


def _unseen_only_regions(network: Subject, points: Points) -> float:
    known, new = _sign_patterns(network.training.features), _sign_patterns(network.unseen.features)
    total = len(group_rows(np.concatenate([known, new]))[1])
    return float(total - len(group_rows(known)[1]))


def _pair_proxy(network: Subject, points: Points) -> float:
    head = network.training
    probes = network.unseen.features[0, points.probes]
    last = head.weight[0].numpy(), head.bias[0].numpy()
    found = pair_proxy(
        head.features[0].numpy(),
        points.y.numpy(),
        probes.numpy(),
        classes=10,
        last_layer=last,
        within=1e-13,  # the copies' features are products rounded to floats
    )
    return float(found.extensions.sum())


def _feature_rank(network: Subject, points: Points) -> float:
    return float(torch.linalg.matrix_rank(_homogeneous(network.training.features[0]), rtol=1e-9))


def _homogeneous(at: Tensor) -> Tensor:
    return torch.cat([at, torch.ones(len(at), 1, dtype=at.dtype)], dim=1)


def _participation_ratio(network: Subject, points: Points) -> float:
    values = torch.linalg.eigvalsh(torch.cov(network.training.features[0].T)).clamp(min=0)
    return float(values.sum() ** 2 / values.square().sum())


def _margin(network: Subject, points: Points) -> float:
    at = network.training.logits()[0]
    own = at.gather(1, points.y[:, None])
    return float((own - at.scatter(1, points.y[:, None], -torch.inf).amax(1, keepdim=True)).min())


def _errors(network: Subject, points: Points) -> float:
    return float((network.unseen.logits()[0].argmax(1) != points.unseen_labels).sum())


def _of_parameters(measure: Callable[[Stack, Points], Any]) -> Callable[[Subject, Points], float]:
    def measured(network: Subject, points: Points) -> float:
        return np.nan if network.stack is None else float(measure(network.stack, points))

    return measured


MEASURE: dict[str, Callable[[Subject, Points], float]] = {
    "hessian_trace": _of_parameters(lambda net, at: sharpness.hessian_trace(net, at.x, at.y)),
    "largest_eigenvalue": _of_parameters(
        lambda net, at: sharpness.largest_eigenvalue(net, at.x, at.y, tolerance=1e-9)
    ),
    "weight_l2_norm": _of_parameters(lambda net, at: simplicity.weight_l2_norm(net)),
    "weight_l1_norm": _of_parameters(lambda net, at: simplicity.weight_l1_norm(net)),
    "spectral_norm_product": _of_parameters(lambda net, at: simplicity.spectral_norm_product(net)),
    "relative_flatness": _of_parameters(
        lambda net, at: sharpness.relative_flatness(net, at.x, at.y)
    ),
    "path_norm": _of_parameters(lambda net, at: simplicity.path_norm(net)),
    "adaptive_sharpness": _of_parameters(
        lambda net, at: sharpness.adaptive_sharpness(net, at.x, at.y)
    ),
    "fisher_rao_norm": _of_parameters(lambda net, at: sharpness.fisher_rao_norm(net, at.x, at.y)),
    "orbit_minimum_trace": _of_parameters(
        lambda net, at: sharpness.orbit_minimum_trace(net, at.x, at.y).trace
    ),
    "l1_patterns": _of_parameters(
        lambda net, at: count_patterns(activation_patterns(net, at.unseen, 1))[0]
    ),
    "l2_patterns": lambda net, at: float(len(group_rows(_sign_patterns(net.unseen.features))[1])),
    "unseen_only_regions": _unseen_only_regions,
    "participation_ratio": _participation_ratio,
    "feature_rank": _feature_rank,
    "pair_proxy": _pair_proxy,
    "margin": _margin,
    "errors_on_unseen": _errors,
}


# ---------------------------------------------------------------- putting it together


@lru_cache(maxsize=1)
def _points(dataset: str, n: int, probes: int, unseen_points: int | None) -> Points:
    split = data.split(data.load(dataset), n)
    unseen = split.unseen_images[:unseen_points].double()
    labels = split.unseen_labels[:unseen_points]
    chosen = data.probe_indices(len(unseen), probes)
    return Points(split.train_images.double(), split.train_labels, unseen, labels, chosen)


def _gap(before: Subject, after: Subject) -> float:
    return float((after.unseen.logits() - before.unseen.logits()).abs().max())


def _compare(first: dict[str, float], after: Subject, points: Points) -> list[dict[str, Any]]:
    rows = []
    for measure in MEASURES:
        old, new = first[measure], MEASURE[measure](after, points)
        scale = max(abs(old), 1e-12)
        change = abs(new - old) / scale
        rows.append({"measure": measure, "before": old, "after": new, "relative_change": change})
    return rows


# Above this a measure has moved; what stays put differs by rounding alone.
MOVED = 1e-6


def matrix(frame: pd.DataFrame) -> pd.DataFrame:
    """Summarise the table: one row per measure and transformation.

    `largest_change` is the largest relative change over networks and draws, `factor` the median of
    after/before among those that moved, `moved` the share that moved by more than MOVED, `exact`
    whether nothing changed at all, `expected` whether theory lets the measure move.
    """
    rows = []
    for (measure, transformation), group in frame.groupby(["measure", "transformation"]):
        known = group.dropna(subset=["after"])
        moved = known[known["relative_change"] > MOVED]
        factor = (moved["after"] / moved["before"]).median() if len(moved) else np.nan
        rows.append(
            {
                "measure": measure,
                "transformation": transformation,
                "networks": known["seed"].nunique(),
                "largest_change": known["relative_change"].max() if len(known) else np.nan,
                "factor": factor,
                "moved": len(moved) / len(known) if len(known) else np.nan,
                "exact": bool(len(known)) and bool((known["relative_change"] == 0).all()),
                "expected": EXPECTED[str(measure), str(transformation)],
            }
        )
    return pd.DataFrame(rows)


PROTOCOLS = (Invariance(),)
