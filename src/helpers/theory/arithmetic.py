"""Learn binary arithmetic from some of its 16 rows: the weakest policies against the shortest.

An operation takes two 2-bit numbers to a 4-bit answer. Each bit of the answer is learned by a
policy of its own, from the rows that were seen. The environment of one bit has 32 states: 16 inputs
times the two values of the bit. Sets of inputs are bitmasks of 16 bits; inputs a, b are bit 4a + b.

A *rule* says "if the input lies in this cube, the bit is 1" (or 0); a cube fixes some of the four
input bits and leaves the others open. A rule is a program: the set of states that it does not
forbid. A policy is a set of rules, and all that matters of its meaning is `ones`, the inputs where
some rule forces a 1, and `zeros`, the inputs where some rule forces a 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from helpers.errors import UserError
from helpers.theory.languages import Vocabulary

Operation = Literal["addition", "multiplication"]
OPERATIONS: tuple[Operation, ...] = ("addition", "multiplication")
Measure = Literal["literals", "rules"]
ANSWER_BITS = 4
INPUT_BITS = 4
ROWS = 1 << INPUT_BITS
ALL_ROWS = (1 << ROWS) - 1
UNREACHED = np.iinfo(np.int16).max

Masks = NDArray[np.int64]
Weights = NDArray[np.float64]


def answer(operation: Operation, row: int) -> int:
    """Return a + b or a · b for the row 4a + b. Raises UserError for an unknown operation."""
    a, b = divmod(row, 4)
    if operation == "addition":
        return a + b
    if operation == "multiplication":
        return a * b
    raise UserError(f"unknown operation '{operation}'; expected one of {', '.join(OPERATIONS)}")


def truth_table(operation: Operation, bit: int) -> int:
    """Return the rows whose answer has a 1 in place `bit` (0 is the last place), as a bitmask."""
    if not 0 <= bit < ANSWER_BITS:
        raise UserError(f"answers have bits 0 to {ANSWER_BITS - 1}; got {bit}")
    return sum(1 << row for row in range(ROWS) if answer(operation, row) >> bit & 1)


@dataclass(frozen=True)
class Cubes:
    """Hold cubes of four bits: which rows each covers, and how many bits it fixes.

    masks: (c,) bitmasks of rows. literals: (c,).
    """

    masks: Masks
    literals: Masks


@cache
def cubes(longest: int = INPUT_BITS) -> Cubes:
    """Return the cubes that fix at most `longest` of the four bits: 81 of them, 33 at two."""
    masks, literals = [], []
    for pattern in product((0, 1, None), repeat=INPUT_BITS):
        fixed = [(place, value) for place, value in enumerate(pattern) if value is not None]
        if len(fixed) <= longest:
            covered = [r for r in range(ROWS) if all(r >> p & 1 == value for p, value in fixed)]
            masks.append(sum(1 << r for r in covered))
            literals.append(len(fixed))
    return Cubes(np.array(masks), np.array(literals))


def rule_vocabulary(longest: int = INPUT_BITS) -> Vocabulary:
    """Return the rules as a vocabulary: states 0–15 are (input, 0), states 16–31 are (input, 1).

    The first half of the programs conclude 0, the second half 1, each in the order of `cubes`.
    """
    everything = (1 << 2 * ROWS) - 1
    masks = [int(mask) for mask in cubes(longest).masks]
    concluding_0 = [everything & ~(mask << ROWS) for mask in masks]
    concluding_1 = [everything & ~mask for mask in masks]
    return Vocabulary(2 * ROWS, (*concluding_0, *concluding_1))


@dataclass(frozen=True)
class Covers:
    """Hold, for each set of rows, the cheapest sets of cubes whose union it is.

    cost: (65536,) the least total cost, `UNREACHED` for none. count: (65536,) how many sets of
    cubes attain it.
    """

    cost: NDArray[np.int16]
    count: NDArray[np.int64]


@cache
def cheapest_covers(measure: Measure, longest: int = INPUT_BITS) -> Covers:
    """Find the cheapest covers of all 65,536 sets of rows, and count them.

    `literals` charges a rule for each bit that its condition fixes and one for its conclusion;
    `rules` charges one a rule. Cubes are taken in turn: the best way to a union that uses this cube
    extends a best way to some union without it, so keeping the least cost and its count is exact.
    """
    cost = np.full(1 << ROWS, UNREACHED, dtype=np.int16)
    count = np.zeros(1 << ROWS, dtype=np.int64)
    cost[0], count[0] = 0, 1
    table = cubes(longest)
    prices = table.literals + 1 if measure == "literals" else np.ones_like(table.literals)
    for mask, price in zip(table.masks, prices, strict=True):
        reached = np.flatnonzero(cost < UNREACHED)
        target, with_cube = reached | mask, cost[reached] + np.int16(price)
        best = cost.copy()
        np.minimum.at(best, target, with_cube)
        total = np.where(cost == best, count, 0)
        good = with_cube == best[target]
        np.add.at(total, target[good], count[reached[good]])
        cost, count = best, total
    return Covers(cost, count)


@cache
def blocking_covers(longest: int = INPUT_BITS) -> NDArray[np.object_]:
    """Return G(u) for each set of rows u: shape (65536,), exact integers.

    G(u) = Σ_{u ⊆ z} (−1)^(16 − |z|) 2^n(z), with n(z) the number of cubes inside z. By
    inclusion–exclusion, 2^(−r) G(u) is the number of ways to add rules to r rules with union u
    until every row is covered.
    """
    inside = np.zeros(1 << ROWS, dtype=np.int64)
    np.add.at(inside, cubes(longest).masks, 1)
    for place in range(ROWS):  # subset sums: how many cubes lie inside each set of rows
        pairs = inside.reshape(-1, 2, 1 << place)
        pairs[:, 1] += pairs[:, 0]
    odd = (ROWS - np.bitwise_count(np.arange(1 << ROWS))) % 2
    table = np.array(
        [-(1 << n) if sign else 1 << n for n, sign in zip(inside.tolist(), odd, strict=True)],
        dtype=object,
    )
    for place in range(ROWS):  # superset sums
        pairs = table.reshape(-1, 2, 1 << place)
        pairs[:, 0] += pairs[:, 1]
    return table


@cache
def blocking_ranks(longest: int = INPUT_BITS) -> Masks:
    """Return the rank of each G(u) among the distinct values: shape (65536,), equal where G is."""
    _, ranks = np.unique(blocking_covers(longest), return_inverse=True)
    return ranks.astype(np.int64)


def weakness_of_rules(ones: int, zeros: int, rules: int, longest: int = INPUT_BITS) -> int:
    """Return |Ext(π)| in the rule vocabulary, exactly, for a policy of `rules` rules.

    A set of rules is inconsistent if and only if it forces a 0 everywhere and a 1 everywhere, and
    the two halves are chosen independently: |Ext(π)| = 2^(−r) (2^N − G(ones) G(zeros)) with N
    programs in the vocabulary.
    """
    blocked = blocking_covers(longest)
    everything = 1 << 2 * len(cubes(longest).masks)
    return int(everything - blocked[ones] * blocked[zeros]) >> rules


@dataclass(frozen=True)
class Examples:
    """Hold what a learner of one answer bit has seen: `rows` (a bitmask) of the truth `table`."""

    table: int
    rows: int

    @property
    def positive(self) -> int:
        """Return the rows seen with a 1."""
        return self.table & self.rows

    @property
    def negative(self) -> int:
        """Return the rows seen with a 0."""
        return ~self.table & self.rows & ALL_ROWS

    @property
    def unseen(self) -> int:
        """Return the rows not seen."""
        return ~self.rows & ALL_ROWS


@dataclass(frozen=True)
class Policies:
    """Hold the policies that tie for the best, by what they force.

    ones, zeros: (m,) bitmasks of the rows forced to 1 and to 0, each pair once; m = 0 where the
    vocabulary has no correct policy. weight: (m,) the number of optimal policies with that pair,
    or 1 where only the meaning is asked for.
    """

    ones: Masks
    zeros: Masks
    weight: Weights

    def allowed(self) -> Masks:
        """Return how many of the 32 states each pair allows."""
        forced = np.bitwise_count(self.ones).astype(np.int64) + np.bitwise_count(self.zeros)
        return 2 * ROWS - forced

    def share(self, chosen: NDArray[np.bool_]) -> float:
        """Return the probability of `chosen` when ties are broken uniformly; NaN for no policy."""
        return float(self.weight[chosen].sum() / self.weight.sum()) if len(self.weight) else np.nan

    def generalises(self, table: int) -> NDArray[np.bool_]:
        """Say which force the right bit in all 16 rows: correct for the whole operation."""
        return (self.ones == table) & (self.zeros == ~table & ALL_ROWS)

    def survives(self, table: int) -> NDArray[np.bool_]:
        """Say which forbid the right bit in no row: all right answers lie in the extension."""
        return (self.ones & ~table == 0) & (self.zeros & table == 0)

    def pairs(self) -> set[tuple[int, int]]:
        """Return the (ones, zeros) pairs as a set."""
        return set(zip(self.ones.tolist(), self.zeros.tolist(), strict=True))

    def coincides(self, other: Policies) -> bool:
        """Say whether some pair is in both."""
        return bool(np.isin(self._codes(), other._codes()).any())

    def agreement(self, other: Policies) -> float:
        """Return the probability that one uniform pick of each forces the same."""
        _, mine, theirs = np.intersect1d(
            self._codes(), other._codes(), assume_unique=True, return_indices=True
        )
        joint = self.weight[mine] * other.weight[theirs]
        return float(joint.sum() / (self.weight.sum() * other.weight.sum()))

    def _codes(self) -> Masks:
        return self.ones << ROWS | self.zeros


@lru_cache(maxsize=8)
def subsets(mask: int) -> Masks:
    """Return every subset of a bitmask of rows: shape (2**bits,), read-only."""
    result = np.zeros(1, dtype=np.int64)
    for place in range(ROWS):
        if mask >> place & 1:
            result = np.concatenate([result, result | (1 << place)])
    result.flags.writeable = False
    return result


def combine(ones: tuple[Masks, Weights], zeros: tuple[Masks, Weights]) -> Policies:
    """Pair every choice for the ones with every choice for the zeros; weights multiply."""
    left, right = np.meshgrid(ones[0], zeros[0], indexing="ij")
    return Policies(left.ravel(), right.ravel(), np.outer(ones[1], zeros[1]).ravel())
