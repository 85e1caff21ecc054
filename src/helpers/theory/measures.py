"""Unseen regions that cannot be counted: buffers in the unit cube, and random demands on it.

The unseen region is [0, 1)^d with Lebesgue measure, which stands for every atomless standard space
of finite measure. A buffer is a finite union of disjoint half-open boxes. A law of demands is a
sampler of finite point sets together with its closed form, where it has one.

Source: arXiv:2605.05209, Theorems 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.errors import UserError

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Boxes:
    """Hold a union of disjoint half-open boxes: low and high are (m, d), within [0, 1]^d."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __post_init__(self) -> None:
        low, high = (np.atleast_2d(np.asarray(v, dtype=np.float64)) for v in (self.low, self.high))
        if low.shape != high.shape or (low < 0).any() or (high > 1).any() or (low > high).any():
            raise UserError("boxes need corners 0 ≤ low ≤ high ≤ 1 of one shape, (m, d)")
        for i in range(len(low)):
            for j in range(i):
                if (np.minimum(high[i], high[j]) > np.maximum(low[i], low[j])).all():
                    raise UserError(f"boxes {j} and {i} overlap; expected disjoint ones")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @property
    def dimension(self) -> int:
        """Return d."""
        return self.low.shape[1]

    @property
    def measure(self) -> float:
        """Return the volume."""
        return float((self.high - self.low).prod(axis=1).sum())

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Say for each of the points (…, d) whether it lies in one of the boxes."""
        x = np.asarray(points)[..., None, :]
        inside = (self.low <= x) & (x < self.high)
        return np.asarray(inside.all(axis=-1).any(axis=-1))


def intervals(*pairs: tuple[float, float]) -> Boxes:
    """Return a union of half-open intervals [a, b) of the unit interval, in ascending order."""
    ordered = np.array(sorted(pairs), dtype=np.float64).reshape(-1, 2)
    return Boxes(ordered[:, :1], ordered[:, 1:])


def rearrangement(first: Boxes, second: Boxes) -> Callable[[ArrayLike], Points]:
    """Return σ of Theorem 2's proof: a bijection of [0, 1) that carries `first` onto `second`.

    Both are unions of intervals of equal length. σ slides pieces: the point of `first` with length
    t of `first` to its left goes to the point of `second` with length t of `second` to its left,
    and the same for the complements. It preserves length, and is a bijection of all points, not
    only of almost all. Raises UserError if the lengths differ by more than rounding.
    """
    if first.dimension != 1 or second.dimension != 1:
        raise UserError("rearrangements are made for intervals; expected dimension 1")
    if abs(first.measure - second.measure) > 1e-12:
        raise UserError(f"lengths {first.measure} and {second.measure} differ; expected equal ones")
    inside = _slide(first, second)
    outside = _slide(_complement(first), _complement(second))

    def move(points: ArrayLike) -> Points:
        x = np.asarray(points, dtype=np.float64)
        return np.where(first.contains(x[..., None]), inside(x), outside(x))

    return move


def _complement(region: Boxes) -> Boxes:
    edges = [0.0, *np.c_[region.low, region.high].ravel(), 1.0]
    gaps = list(zip(edges[::2], edges[1::2], strict=True))
    return intervals(*(gap for gap in gaps if gap[1] > gap[0]))


def _slide(source: Boxes, target: Boxes) -> Callable[[Points], Points]:
    def position(x: Points) -> Points:
        overlap = np.clip(x[..., None], source.low[:, 0], source.high[:, 0]) - source.low[:, 0]
        return np.asarray(overlap.sum(axis=-1))

    if not len(target.low):  # the rest of a buffer that is all of U: there is nothing to slide
        return lambda x: x

    def place(length: Points) -> Points:
        starts = np.r_[0.0, np.cumsum((target.high - target.low)[:, 0])]
        piece = np.clip(np.searchsorted(starts, length, side="right") - 1, 0, len(target.low) - 1)
        return np.asarray(target.low[piece, 0] + length - starts[piece])

    return lambda x: place(position(x))


@dataclass(frozen=True)
class Demands:
    """Hold a law of demands: a name, a sampler, and P(S ⊆ B) as a function of μ(B).

    draw(count, dimension, rng) returns points (count, most, d) and which of them are there, (count,
    most). closed_form is None where P(S ⊆ B) does not depend on μ(B) alone.
    """

    name: str
    draw: Callable[[int, int, np.random.Generator], tuple[Points, NDArray[np.bool_]]]
    closed_form: Callable[[float], float] | None


def uniform_points(k: int) -> Demands:
    """Return k independent uniform points: P(S ⊆ B) = μ(B)^k."""

    def draw(count: int, d: int, rng: np.random.Generator) -> tuple[Points, NDArray[np.bool_]]:
        return rng.random((count, k, d)), np.ones((count, k), dtype=np.bool_)

    return Demands(f"{k} uniform point{'s' * (k > 1)}", draw, lambda share: share**k)


def poisson_points(rate: float) -> Demands:
    """Return a Poisson process: P(S ⊆ B) = exp(−rate · (1 − μ(B)))."""

    def draw(count: int, d: int, rng: np.random.Generator) -> tuple[Points, NDArray[np.bool_]]:
        sizes = rng.poisson(rate, count)
        most = max(1, int(sizes.max(initial=0)))
        return rng.random((count, most, d)), np.arange(most) < sizes[:, None]

    return Demands(f"Poisson, {rate:g} on average", draw, lambda share: exp(-rate * (1 - share)))


def comb_points(k: int) -> Demands:
    """Return k points at distances 1/k on a circle, turned by a uniform angle.

    Every rotation leaves the law as it is, other measure-preserving maps do not: no closed form.
    """

    def draw(count: int, d: int, rng: np.random.Generator) -> tuple[Points, NDArray[np.bool_]]:
        if d != 1:
            raise UserError("a comb lies on a circle; expected dimension 1")
        points = (rng.random((count, 1)) + np.arange(k) / k) % 1
        return points[..., None], np.ones((count, k), dtype=np.bool_)

    return Demands(f"comb of {k}", draw, None)


@dataclass(frozen=True)
class Sampled:
    """Hold a share of draws with its standard error (that of a coin, never below 1/(2·draws))."""

    share: float
    error: float


def sample_survival(
    buffer: Boxes, demands: Demands, draws: int, rng: np.random.Generator
) -> Sampled:
    """Estimate P(S ⊆ B) as the share of drawn demand sets that lie in the buffer."""
    points, present = demands.draw(draws, buffer.dimension, rng)
    inside = (buffer.contains(points) | ~present).all(axis=1)
    share = float(inside.mean())
    return Sampled(share, max(float(np.sqrt(share * (1 - share) / draws)), 0.5 / draws))
