"""Choose among correct arithmetic policies: the weakest, by two ways of counting, or the shortest.

Every search here is exhaustive, and returns all policies that tie for the best.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from helpers.theory.arithmetic import (
    ALL_ROWS,
    INPUT_BITS,
    UNREACHED,
    Examples,
    Masks,
    Measure,
    Policies,
    Weights,
    blocking_covers,
    blocking_ranks,
    cheapest_covers,
    combine,
    cubes,
    subsets,
)

MOST_RULES = 16  # on one side: one rule a row covers anything


def _unions(wanted: int, unseen: int, longest: int) -> Masks:
    """Return every set of rows that rules can force: the wanted rows, and any of the unseen."""
    unions = wanted | subsets(unseen)
    return unions[cheapest_covers("rules", longest).cost[unions] < UNREACHED]


def shortest(
    examples: Examples, measure: Measure = "literals", longest: int = INPUT_BITS
) -> Policies:
    """Return the shortest correct policies, in literals or in rules; each optimal policy counts."""

    def side(wanted: int) -> tuple[Masks, Weights]:
        covers = cheapest_covers(measure, longest)
        unions = _unions(wanted, examples.unseen, longest)
        best = unions[covers.cost[unions] == covers.cost[unions].min(initial=UNREACHED)]
        return best, covers.count[best].astype(float)

    return combine(side(examples.positive), side(examples.negative))


def weakest_by_states(examples: Examples, longest: int = INPUT_BITS) -> Policies:
    """Return the correct policies that allow the most states; each (ones, zeros) pair counts once.

    A state is a complete statement, so this counts the complete statements in Ext(π).
    """

    def side(wanted: int) -> tuple[Masks, Weights]:
        unions = _unions(wanted, examples.unseen, longest)
        sizes = np.bitwise_count(unions)
        best = unions[sizes == sizes.min(initial=255)]
        return best, np.ones(len(best))

    return combine(side(examples.positive), side(examples.negative))


def weakest_by_statements(examples: Examples, longest: int = INPUT_BITS) -> Policies:
    """Return the correct policies of the greatest weakness |Ext(π)|; each pair counts once.

    |Ext(π)| = 2^(−r) (2^N − G(ones) G(zeros)). For given numbers of rules on the two sides it is
    largest where both G are least, so those sets and every split of r are all there is to compare.
    """
    blocked, ranks = blocking_covers(longest), blocking_ranks(longest)
    fewest = cheapest_covers("rules", longest).cost
    everything = 1 << 2 * len(cubes(longest).masks)

    def side(wanted: int) -> dict[int, tuple[int, Masks]]:
        unions = _unions(wanted, examples.unseen, longest)
        found = {}
        for rules in np.unique(fewest[unions]).tolist():
            these = unions[fewest[unions] == rules]
            best = these[ranks[these] == ranks[these].min()]
            found[rules] = (blocked[best[0]], best)
        return found

    splits = [
        ((everything - g1 * g0) << (2 * MOST_RULES - r1 - r0), ones, zeros)
        for r1, (g1, ones) in side(examples.positive).items()
        for r0, (g0, zeros) in side(examples.negative).items()
    ]
    top = max((value for value, _, _ in splits), default=0)
    tied = [(ones, zeros) for value, ones, zeros in splits if value == top]
    parts = [combine((p, np.ones(len(p))), (q, np.ones(len(q)))) for p, q in tied]
    nothing = np.zeros(0, dtype=np.int64)
    return Policies(
        np.concatenate([nothing, *(part.ones for part in parts)]),
        np.concatenate([nothing, *(part.zeros for part in parts)]),
        np.concatenate([np.zeros(0), *(part.weight for part in parts)]),
    )


def prime_cubes(wanted: int, forbidden: int) -> Masks:
    """Return the cubes that cover a wanted row and no forbidden one, and cannot be enlarged."""
    masks = cubes().masks
    valid = masks[(masks & forbidden == 0) & (masks & wanted != 0)]
    inside = (valid[:, None] & ~valid[None, :]) == 0
    return valid[inside.sum(axis=1) == 1]


def prime_unions(wanted: int, forbidden: int) -> Masks:
    """Return every union of prime cubes that covers all wanted rows."""
    unions = np.zeros(1, dtype=np.int64)
    for mask in prime_cubes(wanted, forbidden):
        unions = np.unique(np.concatenate([unions, unions | mask]))
    return unions[unions & wanted == wanted]


def weakest_prime(examples: Examples) -> Policies:
    """Return the policies made of prime rules that allow the most states; each pair counts once."""

    def side(wanted: int, forbidden: int) -> tuple[Masks, Weights]:
        unions = prime_unions(wanted, forbidden)
        sizes = np.bitwise_count(unions)
        best = unions[sizes == sizes.min()]
        return best, np.ones(len(best))

    return combine(
        side(examples.positive, examples.negative), side(examples.negative, examples.positive)
    )


def function_lengths() -> Masks:
    """Return, for each of the 65,536 functions of four bits, the literals of its shortest rules."""
    cost = cheapest_covers("literals").cost.astype(np.int64)
    return cost + cost[::-1]  # the complement of mask m is 65535 − m


def best_functions(examples: Examples, which: Literal["weakest", "shortest"]) -> Policies:
    """Return the best single programs "the bit is g(input)", one for each function g.

    Every such program allows 16 states, one a row, and flipping the bit in chosen rows carries any
    of them to any other: all are equally weak, so `weakest` returns all that are correct.
    """
    found = examples.positive | subsets(examples.unseen)
    if which == "shortest":
        lengths = function_lengths()[found]
        found = found[lengths == lengths.min()]
    return Policies(found, ~found & ALL_ROWS, np.ones(len(found)))
