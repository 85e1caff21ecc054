"""Linear regions as a vocabulary: activation patterns, who lives in them, and what is left free.

Freeze a ReLU network up to one hidden layer. Points that switch the same units on share that
layer's activation pattern, and with it one linear region of the layers below. In the region-class
vocabulary a program says 'region r is class c'; a statement is a partial function from regions to K
classes, so R regions make (K+1)^R statements. A policy that fixes the T regions that hold training
points leaves each of the other k = R − T regions K classes or silence: its weakness is (K+1)^k
(Theorem 12 of arXiv:2605.05209). The vocabulary forgets that all regions share the next layer's
weights, so (K+1)^k overstates the freedom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from helpers.errors import UserError
from helpers.networks import Stack, activations

Patterns = NDArray[np.uint8]
Integers = NDArray[np.int64]

# Parameters of the layer above 16 hidden units for 10 classes, 16·10 + 10: the count that the
# model-selection protocol (784-64-16-10) grants to every training region.
HEAD_PARAMETERS = 170

_POINTS_AT_ONCE = 4096


def activation_patterns(stack: Stack, x: Tensor, layer: int) -> Patterns:
    """Return which units of hidden layer `layer` (from 1) are on, packed: (M, n, ⌈h/8⌉) uint8.

    Unit u is bit 7 − u mod 8 of byte u // 8 (NumPy's packbits); spare bits are zero. A unit at
    exactly zero is off.

    Raises UserError when there is no such hidden layer.
    """
    hidden = len(stack.weights) - 1
    if not 1 <= layer <= hidden:
        raise UserError(f"layer {layer}; expected a hidden layer, 1 to {hidden}")
    # Nothing above the layer after the one asked for is needed.
    lower = Stack(stack.weights[: layer + 1], stack.biases[: layer + 1])
    with torch.no_grad():
        parts = [
            np.packbits((activations(lower, part)[-1] > 0).cpu().numpy(), axis=-1)
            for part in x.split(_POINTS_AT_ONCE, dim=-2)
        ]
    return np.concatenate(parts, axis=1)


def count_patterns(patterns: Patterns) -> Integers:
    """Count the distinct rows of each network's packed patterns: (M, n, bytes) -> (M,).

    Exact: rows are told apart by their bits, never by their hash alone (see `group_rows`).
    """
    if patterns.ndim != 3:
        raise UserError(f"patterns of shape {patterns.shape}; expected (networks, points, bytes)")
    counts = [group_rows(own)[1].size for own in patterns]
    return np.array(counts, dtype=np.int64)


def group_rows(rows: Patterns) -> tuple[Integers, Integers]:
    """Number the distinct rows of an (n, bytes) array in order of first appearance.

    Returns each row's number, (n,), and the index at which each number first appears. One pass
    through a hash table that compares the rows themselves wherever hashes meet: a collision costs
    time and cannot merge two patterns.
    """
    n, width = rows.shape
    padded = -(-width // 8) * 8
    if padded != width or not rows.flags.c_contiguous:
        wide = np.zeros((n, padded), dtype=np.uint8)
        wide[:, :width] = rows
        rows = wide
    return _group_words(rows.view(np.uint64).reshape(n, padded // 8))


@njit(nogil=True, cache=True)
def _group_words(words: NDArray[np.uint64]) -> tuple[Integers, Integers]:
    n, width = words.shape
    size = 1
    while size < 2 * n:  # at most half full: short searches, and always an empty slot
        size *= 2
    last = np.uint64(size - 1)
    slots = np.full(size, -1, dtype=np.int64)
    numbers = np.empty(n, dtype=np.int64)
    first = np.empty(n, dtype=np.int64)
    found = 0
    for i in range(n):
        h = np.uint64(0)
        for j in range(width):
            h = (h ^ words[i, j]) * np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio
            h ^= h >> np.uint64(32)
        slot = h & last
        while True:
            number = slots[slot]
            if number < 0:
                slots[slot] = number = found
                first[found] = i
                found += 1
                break
            same = True
            for j in range(width):
                same = same and words[first[number], j] == words[i, j]
            if same:
                break
            slot = (slot + np.uint64(1)) & last
        numbers[i] = number
    return numbers, first[:found].copy()


@dataclass(frozen=True, eq=False)
class Regions:
    """Hold the regions that training and unseen points fall in, numbered training regions first.

    `training` (n,) and `unseen` (m,) give each point's region; `total` counts all of them.
    """

    training: Integers
    unseen: Integers
    total: int

    @property
    def occupancy(self) -> Integers:
        """Return n_r, the number of training points in each training region: (T,)."""
        return np.bincount(self.training).astype(np.int64)

    @property
    def training_regions(self) -> int:
        """Count the regions that hold a training point, T."""
        return int(self.training.max(initial=-1)) + 1

    @property
    def unseen_only_regions(self) -> int:
        """Count the regions that hold unseen points and no training point: k_free."""
        return self.total - self.training_regions

    def free_parameters(self, parameters: int = HEAD_PARAMETERS) -> int:
        """Return Σ_r max(0, parameters − n_r) over training regions (Table 3 of the paper).

        As long as no region holds more than `parameters` points this is parameters·T − n: an affine
        function of the number of training regions, and no further information.
        """
        return int(np.maximum(0, parameters - self.occupancy).sum())


def regions(training_patterns: Patterns, unseen_patterns: Patterns) -> Regions:
    """Find the regions of one network from packed patterns, (n, bytes) and (m, bytes).

    Raises UserError when the two were not packed from the same number of units.
    """
    if training_patterns.ndim != 2 or training_patterns.shape[1:] != unseen_patterns.shape[1:]:
        raise UserError(
            f"patterns of shapes {training_patterns.shape} and {unseen_patterns.shape}; "
            "expected (points, bytes) of one network and one layer twice"
        )
    numbers, first = group_rows(np.concatenate([training_patterns, unseen_patterns]))
    n = len(training_patterns)
    return Regions(numbers[:n], numbers[n:], len(first))


def region_class_weakness(free_regions: int, classes: int = 10) -> int:
    """Return (K+1)^k, the number of statements that complete the training-label policy."""
    return (classes + 1) ** int(free_regions)


def count_patterns_by_row(active: NDArray[np.bool_]) -> int:
    """Count distinct rows of an (n, h) boolean array the plain way: a set of packed rows."""
    packed = np.packbits(active, axis=1)
    return len({row.tobytes() for row in packed})


def count_patterns_copying(active: NDArray[np.bool_], rows: int | None = None) -> int:
    """Count as `count_patterns_by_row`, copying the whole packed array for every row: quadratic.

    What a loop does that converts a tensor inside its body. `rows` stops after that many rows (each
    still copies everything), for timing.
    """
    packed = np.packbits(active, axis=1)
    seen = set()
    for i in range(len(packed) if rows is None else rows):
        seen.add(packed.copy()[i].tobytes())
    return len(seen)
