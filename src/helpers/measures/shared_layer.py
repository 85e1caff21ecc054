"""How much of the freedom that the region-class vocabulary counts can one last layer use?

The vocabulary lets every free region take any of K classes, or stay silent, whatever the others do:
(K+1)^k completions. The network has one last layer for all of them. A completion is *realisable* if
some layer (W, b) labels every training point as told and a point of each named region with its
class. Regions are represented by one point each, which can only overstate what is realisable.

Three looks at their number: exact, by walking the tree of completions; by sample, asking how many
regions can be told a random class before no layer complies; bounded above, by counting the cells
into which the planes 'class c beats class d at x' cut the space of layers (Cover, 1965).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from helpers.errors import UserError
from helpers.measures.pair_proxy import FEASIBLE, pair_proxy

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lesson:
    """Hold what is fixed and what is free: training features (n, d), labels (n,), free (k, d).

    `free` has one point of each free region, as features.
    """

    features: Floats
    labels: NDArray[np.int64]
    free: Floats
    classes: int

    def __post_init__(self) -> None:
        if self.free.ndim != 2 or self.free.shape[1:] != self.features.shape[1:]:
            raise UserError(
                f"free points of shape {self.free.shape}; expected (k, {self.features.shape[1]}), "
                "features of the same layer as the training points'"
            )

    def told(self, region: int, label: int) -> Lesson:
        """Return the lesson with the point of one free region added to the training points."""
        return Lesson(
            np.vstack([self.features, self.free[region]]),
            np.append(self.labels, label),
            self.free,
            self.classes,
        )

    def options(self, region: int) -> NDArray[np.int64]:
        """List the classes that the point of a region can still take."""
        point = self.free[region : region + 1]
        found = pair_proxy(self.features, self.labels, point, classes=self.classes)
        return np.flatnonzero(found.status[0] == FEASIBLE)


def count_realisable(lesson: Lesson, region: int = 0) -> int:
    """Count the realisable completions exactly: for each region a class that it can still take, or
    silence, and then the regions after it.

    Every leaf of the tree is visited: for a handful of regions only.
    """
    if region == len(lesson.free):
        return 1
    total = count_realisable(lesson, region + 1)  # silence
    for label in lesson.options(region):
        total += count_realisable(lesson.told(region, int(label)), region + 1)
    return total


def labels_before_breaking(lesson: Lesson, told: NDArray[np.int64]) -> int:
    """Return how many free regions, in their order, can be told `told` (k,) before no last layer
    complies: the largest j for which the training labels and the first j told ones are consistent.

    A layer that complies with j also complies with fewer, so bisection finds j. Both sides are
    certain: `pair_proxy` has a layer for j, and a proof that there is none for j + 1.
    """
    if told.shape != (len(lesson.free),):
        raise UserError(f"{told.size} labels for {len(lesson.free)} free regions; expected as many")

    def consistent(j: int, *, certify: bool) -> bool:
        features = np.vstack([lesson.features, lesson.free[:j]])
        labels = np.append(lesson.labels, told[:j])
        found = pair_proxy(
            features, labels, lesson.free[:1], classes=lesson.classes, settle=certify
        )
        return found.separable

    low, high = -1, len(told) + 1  # nothing known; high stands for "not even all of them break it"
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if consistent(middle, certify=False) else (low, middle)
    # Without `certify` a refusal may be mere rounding; the exact answer at the break settles it.
    while low < len(told) and consistent(low + 1, certify=True):
        low += 1
    return max(low, 0)


def log_labellings_bound(regions: int, features: int, classes: int = 10) -> float:
    """Bound ln of the number of ways in which one last layer can label `regions` points.

    N = regions·K(K−1)/2 planes through the origin cut the D = (features + 1)(K − 1) dimensions of
    layers (up to what softmax ignores) into at most 2 Σ_{i<D} C(N−1, i) cells, and within a cell no
    label changes. Source: Schläfli; Cover (1965), theorem 1.
    """
    planes = regions * classes * (classes - 1) // 2
    dimensions = (features + 1) * (classes - 1)
    if planes == 0:
        return 0.0
    i = np.arange(min(dimensions, planes))
    binomials = gammaln(planes) - gammaln(i + 1) - gammaln(planes - i)
    return math.log(2) + float(logsumexp(binomials))
