"""The attack on the theorems about the weakest policy: one assumption removed at a time.

Each function removes one assumption and returns what breaks: an example, or the count of all small
cases in which it breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from helpers.errors import UserError
from helpers.theory.exchangeable import Family, SetLaw, extension_masks


@dataclass(frozen=True)
class LosingLaw:
    """Hold a law under which a rival beats the weakest policy, and how far it is from the base law.

    distance: total variation to the base law. weakest, rival: their chances of survival under law
    (2**u,). margin: by how much the weakest policy was ahead under the base law.
    """

    distance: float
    margin: float
    weakest: float
    rival: float
    law: NDArray[np.float64]


def nearest_losing_law(
    base: Sequence[Fraction], weakest: int, rival: int, loss: float = 0.0
) -> LosingLaw | None:
    """Find the law nearest to `base` under which the rival is ahead by at least `loss`.

    base: P(S = s) for each bitmask s of U (length 2**u). weakest, rival: buffers as bitmasks. A
    linear program over laws and their distance from the base; None if no law does it, which is the
    case when the rival's buffer lies inside the weakest policy's (for loss > 0).
    """
    p0 = np.array([float(p) for p in base])
    demands = np.arange(len(p0))
    gain = _inside(demands, rival).astype(float) - _inside(demands, weakest)
    # Variables: mass moved up and mass moved down, per set; the law is base + up − down.
    n = len(p0)
    done = linprog(
        np.full(2 * n, 0.5),
        A_ub=[np.r_[-gain, gain]],
        b_ub=[float(gain @ p0) - loss],
        A_eq=[np.r_[np.ones(n), -np.ones(n)]],
        b_eq=[0.0],
        bounds=[(0, None)] * n + [(0, p) for p in p0],
        method="highs",
    )
    if done.status != 0:
        return None
    law = np.clip(p0 + done.x[:n] - done.x[n:], 0, None)
    return LosingLaw(
        float(done.fun),
        float(-(gain @ p0)),
        float(law @ _inside(demands, weakest)),
        float(law @ _inside(demands, rival)),
        law,
    )


def _inside(demands: NDArray[np.int64], buffer: int) -> NDArray[np.bool_]:
    return np.asarray(demands & ~buffer == 0)


def inner_masks(family: Family) -> tuple[int, ...]:
    """Renumber a family's buffers so that they are bitmasks of the u unseen statements alone."""
    places = [j for j in range(family.unseen_mask.bit_length()) if family.unseen_mask >> j & 1]
    return tuple(sum((b >> j & 1) << i for i, j in enumerate(places)) for b in family.buffers)


def contested(family: Family) -> bool:
    """Say whether a rival's buffer is not inside the weakest policy's: only then do laws matter.

    With several weakest policies: whether some rival's buffer sticks out of each of them.
    """
    most = max(family.sizes)
    weakest = [b for b in family.buffers if b.bit_count() == most]
    return not any(all(b & ~w == 0 for b in family.buffers) for w in weakest)


@dataclass(frozen=True)
class Parting:
    """Hold how survival and correctness part ways, over every parent with one revealed region.

    A parent reveals R ⊆ U and demands some S ⊆ R. survives counts the (policy, S) with S ⊆ B;
    correct those with S = B ∩ R. pairs counts all (policy, S).
    """

    pairs: int
    survives: int
    correct: int

    def __add__(self, other: Parting) -> Parting:
        return Parting(
            self.pairs + other.pairs,
            self.survives + other.survives,
            self.correct + other.correct,
        )


def revealed_regions(family: Family) -> list[int]:
    """List the nonempty R = Ext(I_parent) \\ Ext(I), as bitmasks of L_v, over all parents."""
    _, reaches = extension_masks(family.vocabulary)
    statements = family.unseen_mask
    seen = {reach & statements for reach in reaches}
    return sorted(r for r in seen if r)


def parting(family: Family) -> Parting:
    """Count survival and correctness over all parents that keep the child's verdicts."""
    total = Parting(0, 0, 0)
    for region in revealed_regions(family):
        size = region.bit_count()
        for buffer in family.buffers:
            total += Parting(1 << size, 1 << (buffer & region).bit_count(), 1)
    return total


def correctness(sizes: Sequence[Fraction], buffer: int) -> Fraction:
    """Return P(S = B) for a buffer of b of the u revealed statements: q_b / C(u, b).

    sizes is a size law on the revealed region. Not monotone in b: see the chapter.
    """
    return Fraction(sizes[buffer]) / comb(len(sizes) - 1, buffer)


@dataclass(frozen=True)
class NearlyAll:
    """Hold a buffer of the unit interval for which null sets matter.

    measure: its length. missing: if the length is 1, how many points of U it lacks; at smaller
    lengths nothing depends on it.
    """

    measure: Fraction
    missing: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.measure <= 1 or self.missing < 0:
            raise UserError(f"measure {self.measure}, missing {self.missing}; expected 0 to 1, ≥ 0")


@dataclass(frozen=True)
class DiffuseLaw:
    """Hold an exchangeable law on the unit interval: P(S ⊆ B) below full measure, and at it.

    below(t) for μ(B) = t < 1; at_full(m) for a buffer that lacks exactly m points.
    """

    name: str
    below: Callable[[Fraction], Fraction]
    at_full: Callable[[int], Fraction]

    def survival(self, buffer: NearlyAll) -> Fraction:
        """Return P(S ⊆ B)."""
        return self.at_full(buffer.missing) if buffer.measure == 1 else self.below(buffer.measure)


ONE, HALF, NONE = Fraction(1), Fraction(1, 2), Fraction(0)

EVERYTHING = DiffuseLaw("S = U", lambda t: NONE, lambda missing: NONE if missing else ONE)
COINS = DiffuseLaw("a coin for every point", lambda t: NONE, lambda missing: HALF**missing)
EVERYTHING_OR_ONE = DiffuseLaw(
    "S = U or one uniform point, evenly",
    lambda t: HALF * t,
    lambda missing: HALF if missing else ONE,
)
ONE_POINT = DiffuseLaw("one uniform point", lambda t: t, lambda missing: ONE)
UP_TO_TWO = DiffuseLaw(
    "none, one or two uniform points, evenly", lambda t: (1 + t + t * t) / 3, lambda missing: ONE
)
DIFFUSE_LAWS = (EVERYTHING, COINS, EVERYTHING_OR_ONE, ONE_POINT, UP_TO_TWO)


def symmetries(weights: Sequence[Fraction]) -> list[tuple[int, ...]]:
    """List the measure-preserving bijections of a finite set whose points have these weights."""
    points = range(len(weights))
    return [
        sigma
        for sigma in permutations(points)
        if all(weights[i] == weights[sigma[i]] for i in points)
    ]


def symmetrised(law: Sequence[Fraction], weights: Sequence[Fraction]) -> SetLaw:
    """Average a law over the measure-preserving bijections, which makes it exchangeable."""
    total = [Fraction(0)] * len(law)
    group = symmetries(weights)
    for sigma in group:
        for s, p in enumerate(law):
            image = sum(1 << sigma[i] for i in range(len(weights)) if s >> i & 1)
            total[image] += p / len(group)
    return tuple(total)


def measure_of(buffer: int, weights: Sequence[Fraction]) -> Fraction:
    """Return the weight of a set of points."""
    return sum((w for i, w in enumerate(weights) if buffer >> i & 1), Fraction(0))


def heavier_but_worse(
    law: Sequence[Fraction], weights: Sequence[Fraction]
) -> tuple[int, int] | None:
    """Find sets A, B with μ(A) ≤ μ(B) and P(S ⊆ A) > P(S ⊆ B), as bitmasks; None if none exist."""
    sets: Iterable[int] = range(1 << len(weights))
    found = [
        (measure_of(b, weights), sum((p for s, p in enumerate(law) if s & ~b == 0), NONE), b)
        for b in sets
    ]
    for mu_a, g_a, a in found:
        for mu_b, g_b, b in found:
            if mu_a <= mu_b and g_a > g_b:
                return a, b
    return None
