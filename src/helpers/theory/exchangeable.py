"""Laws of unseen demands on a finite unseen region, and how likely a buffer is to contain them.

The unseen region U has u statements, numbered 0…u−1; a set of them is a bitmask. A *size law* is
the tuple (q_0, …, q_u) with q_k = P(|S| = k); the exchangeable law with these sizes makes all sets
of one size equally likely. Probabilities are exact fractions.

Source: arXiv:2605.05209, Propositions 8 and 9, Theorem 10.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from helpers.errors import UserError
from helpers.theory.languages import Vocabulary, statements

SizeLaw = tuple[Fraction, ...]
SetLaw = tuple[Fraction, ...]
"""P(S = s) for each bitmask s: length 2**u."""


def check_size_law(sizes: Sequence[Fraction | int]) -> SizeLaw:
    """Return a size law as fractions; raise UserError unless they are ≥ 0 and sum to 1."""
    law = tuple(Fraction(q) for q in sizes)
    if not law or min(law) < 0 or sum(law) != 1:
        raise UserError(f"sizes {[str(q) for q in law]} are no law; expected ≥ 0 with sum 1")
    return law


def exactly(k: int, unseen: int) -> SizeLaw:
    """Return the size law of exactly k demands. These laws are the corners of all size laws."""
    if not 0 <= k <= unseen:
        raise UserError(f"{k} demands among {unseen} statements; expected 0 to {unseen}")
    return tuple(Fraction(int(j == k)) for j in range(unseen + 1))


def independent(chance: Fraction, unseen: int) -> SizeLaw:
    """Return the size law when each unseen statement is demanded by itself with this chance.

    A chance of one half makes all 2**u sets of demands equally likely (Proposition 8).
    """
    c = Fraction(chance)
    return check_size_law(
        [comb(unseen, k) * c**k * (1 - c) ** (unseen - k) for k in range(unseen + 1)]
    )


def survival(sizes: Sequence[Fraction], buffer: int) -> Fraction:
    """Return P(S ⊆ B) = Σ_k q_k C(b, k)/C(u, k) for a buffer of b statements (Theorem 10)."""
    unseen = len(sizes) - 1
    if not 0 <= buffer <= unseen:
        raise UserError(f"a buffer of {buffer} of {unseen} statements; expected 0 to {unseen}")
    return sum(
        (q * Fraction(comb(buffer, k), comb(unseen, k)) for k, q in enumerate(sizes)), Fraction(0)
    )


def spread(sizes: Sequence[Fraction]) -> SetLaw:
    """Return the exchangeable law with these sizes as P(S = s) for every bitmask s."""
    unseen = len(sizes) - 1
    each = [q / comb(unseen, k) for k, q in enumerate(sizes)]
    return tuple(each[s.bit_count()] for s in range(1 << unseen))


def survival_by_listing(law: Sequence[Fraction], buffer: int) -> Fraction:
    """Return P(S ⊆ B) by adding up the probability of every subset of the bitmask B."""
    return sum((p for s, p in enumerate(law) if s & ~buffer == 0), Fraction(0))


def is_exchangeable(law: Sequence[Fraction]) -> bool:
    """Say whether sets of one size are equally likely."""
    seen: dict[int, Fraction] = {}
    return all(seen.setdefault(s.bit_count(), p) == p for s, p in enumerate(law))


def weaker_but_worse(law: Sequence[Fraction]) -> tuple[int, int] | None:
    """Find buffers A, B with |A| ≤ |B| and P(S ⊆ A) > P(S ⊆ B), as bitmasks; None if none exist.

    By the converse of Theorem 10 there are none if and only if the law is exchangeable.
    """
    found: list[tuple[int, Fraction]] = [(b, survival_by_listing(law, b)) for b in range(len(law))]
    for a, g_a in found:
        for b, g_b in found:
            if a.bit_count() <= b.bit_count() and g_a > g_b:
                return a, b
    return None


@dataclass(frozen=True)
class Family:
    """Hold the tasks of a vocabulary that share Ext(I) and O: their correct policies and buffers.

    unseen: |U|. policies: the correct ones, as bitmasks of programs. unseen_mask and buffers: U and
    their buffers, as bitmasks of the listed language.
    """

    vocabulary: Vocabulary
    unseen: int
    unseen_mask: int
    policies: tuple[int, ...]
    buffers: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the sizes of the buffers."""
        return tuple(b.bit_count() for b in self.buffers)


def families(vocabulary: Vocabulary) -> Iterator[Family]:
    """Yield every family of tasks that have a correct policy.

    Correctness depends on I only through Ext(I), so that one family stands for all its tasks.
    Bitmasks of statements count the statements of L_v in ascending order.
    """
    ext, reaches = extension_masks(vocabulary)
    listed = [int(x) for x in statements(vocabulary)]
    everything = (1 << len(listed)) - 1
    for reach in reaches:
        unseen = everything & ~reach
        groups: dict[int, list[int]] = {}
        for j, e in enumerate(ext):
            groups.setdefault(e & reach, []).append(j)
        for correct in groups.values():
            yield Family(
                vocabulary,
                unseen.bit_count(),
                unseen,
                tuple(listed[j] for j in correct),
                tuple(ext[j] & unseen for j in correct),
            )


def extension_masks(vocabulary: Vocabulary) -> tuple[list[int], list[int]]:
    """Return Ext(x) for each listed statement, and every possible Ext(I), as bitmasks of L_v."""
    listed = [int(x) for x in statements(vocabulary)]
    ext = [sum(1 << j for j, y in enumerate(listed) if x & ~y == 0) for x in listed]
    reaches = {0}
    for e in ext:
        reaches |= {r | e for r in reaches}
    return ext, sorted(reaches)


@dataclass(frozen=True)
class Solution:
    """Hold the solution of a finite zero-sum game: its value and optimal mixtures of both sides."""

    value: float
    policies: NDArray[np.float64]
    laws: NDArray[np.float64]


def solve_game(payoff: NDArray[np.float64]) -> Solution:
    """Solve the game in which a policy (row) meets a law of demands (column), by linear programs.

    payoff (policies, laws) holds G. The learner mixes rows to maximise the least G, nature mixes
    columns to minimise the greatest; both programs are solved and must agree to 1e-7. Raises
    UserError for an empty or non-finite payoff.
    """
    g = np.asarray(payoff, dtype=np.float64)
    if g.ndim != 2 or not g.size or not np.isfinite(g).all():
        raise UserError(f"payoff of shape {g.shape}; expected a finite, non-empty matrix")
    low, policies = _guarantee(g)
    high, laws = _guarantee(-g.T)
    if abs(low + high) > 1e-7:
        raise ArithmeticError(f"the two programs give {low} and {-high}")
    return Solution(low, policies, laws)


def _guarantee(g: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Maximise v over mixtures x of rows, subject to x·column ≥ v for every column."""
    rows, columns = g.shape
    done = linprog(
        np.r_[np.zeros(rows), -1.0],
        A_ub=np.c_[-g.T, np.ones(columns)],
        b_ub=np.zeros(columns),
        A_eq=[np.r_[np.ones(rows), 0.0]],
        b_eq=[1.0],
        bounds=[(0, None)] * rows + [(None, None)],
        method="highs",
    )
    if done.status != 0:
        raise ArithmeticError(done.message)
    return float(done.x[-1]), done.x[:-1]


def worst_survival_up_to(most: int, buffer: int, unseen: int) -> Fraction:
    """Return min P(S ⊆ B) over all exchangeable laws with |S| ≤ most: C(b, K)/C(u, K).

    The worst law demands as much as it may, because C(b, k)/C(u, k) falls with k.
    """
    return survival(exactly(most, unseen), buffer)


def worst_survival_on_average(mean: Fraction, buffer: int, unseen: int) -> Fraction:
    """Return min P(S ⊆ B) over all exchangeable laws with E|S| ≤ mean, for b < u.

    C(b, k)/C(u, k) is convex in k, so that the worst law sits on the two sizes next to the mean.
    """
    mean = min(Fraction(mean), Fraction(unseen))
    below = int(mean)
    weight = mean - below
    lower = survival(exactly(below, unseen), buffer)
    upper = survival(exactly(min(below + 1, unseen), unseen), buffer)
    return (1 - weight) * lower + weight * upper
