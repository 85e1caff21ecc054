"""Checks of the theorems on survival, of their repaired forms, and of what breaks without them.

As in `checks`, a failure is a counterexample to the statement in the first line of the check; the
statements marked (False) are checked so that their counterexamples are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from math import comb

import numpy as np
from scipy.optimize import linprog

from helpers.theory import counterexamples as attack
from helpers.theory import exchangeable as law
from helpers.theory import measures
from helpers.theory.checks.finite import Finding
from helpers.theory.examples import umbrella_family
from helpers.theory.languages import all_vocabularies

F = Fraction


@lru_cache(maxsize=2)
def small_families(small: bool) -> tuple[law.Family, ...]:
    """List every family of tasks of every vocabulary of ≤ 3 programs over ≤ 3 (small: 2) states."""
    states = 2 if small else 3
    vocabularies = chain.from_iterable(all_vocabularies(s, 3) for s in range(1, states + 1))
    return tuple(f for v in vocabularies for f in law.families(v))


def _scope(small: bool) -> str:
    return f"all vocabularies of at most 3 programs over at most {2 if small else 3} states"


def _size_laws(unseen: int, rng: np.random.Generator, draws: int) -> Iterator[law.SizeLaw]:
    """Yield the corners, the uniform law, and random laws with zeros among them."""
    yield from (law.exactly(k, unseen) for k in range(unseen + 1))
    yield law.independent(F(1, 2), unseen)
    for _ in range(draws):
        weights = rng.integers(0, 4, unseen + 1) * rng.integers(0, 2, unseen + 1)
        if weights.sum():
            yield tuple(F(int(w), int(weights.sum())) for w in weights)


def proposition_8(small: bool = False) -> Finding:
    """Among all 2^u sets of demands, 2^b lie in a buffer of b, for every policy of every task."""
    cases = failures = 0
    for family in small_families(small):
        demands = np.arange(1 << family.unseen)
        for buffer in attack.inner_masks(family):
            inside = int((demands & ~buffer == 0).sum())
            cases += 1
            failures += inside != 1 << buffer.bit_count()
    return Finding("proposition-8", cases, failures, _scope(small))


def proposition_9(small: bool = False) -> Finding:
    """Under uniform demands the strictly weaker of two correct policies survives more often."""
    cases = failures = 0
    for family in small_families(small):
        uniform = law.independent(F(1, 2), family.unseen)
        g = [law.survival(uniform, b) for b in range(family.unseen + 1)]
        for a in family.sizes:
            for b in family.sizes:
                cases += a < b
                failures += a < b and g[a] >= g[b]
    return Finding("proposition-9", cases, failures, _scope(small))


def theorem_10(small: bool = False) -> Finding:
    """Σ_k q_k C(b,k)/C(u,k) is P(S ⊆ B), found by listing, for every B and many size laws."""
    rng = np.random.default_rng(10)
    cases = failures = 0
    largest = 4 if small else 6
    for unseen in range(1, largest + 1):
        for sizes in _size_laws(unseen, rng, 3):
            spread = law.spread(sizes)
            for buffer in range(1 << unseen):
                cases += 1
                listed = law.survival_by_listing(spread, buffer)
                failures += listed != law.survival(sizes, buffer.bit_count())
    return Finding("theorem-10", cases, failures, f"unseen regions of up to {largest} statements")


def theorem_10_strict(small: bool = False) -> Finding:
    """For b < b', G(b) < G(b') if and only if P(1 ≤ |S| ≤ b') > 0; and never G(b) > G(b')."""
    rng = np.random.default_rng(11)
    cases = failures = 0
    largest = 6 if small else 12
    for unseen in range(1, largest + 1):
        for sizes in _size_laws(unseen, rng, 30):
            g = [law.survival(sizes, b) for b in range(unseen + 1)]
            for b in range(unseen + 1):
                for more in range(b + 1, unseen + 1):
                    expected = sum(sizes[1 : more + 1]) > 0
                    cases += 1
                    failures += g[b] > g[more] or (g[b] < g[more]) != expected
    return Finding("theorem-10-strict", cases, failures, f"up to {largest} unseen statements")


def exchangeable_only(small: bool = False) -> Finding:
    """Every law that is not exchangeable has buffers A, B with |A| ≤ |B| and G(A) > G(B)."""
    rng = np.random.default_rng(12)
    cases = failures = 0
    for unseen in (2, 3) if small else (2, 3, 4):
        for _ in range(10 if small else 100):
            weights = rng.integers(0, 3, 1 << unseen)
            if not weights.sum():
                continue
            p = tuple(F(int(w), int(weights.sum())) for w in weights)
            cases += 1
            failures += (law.weaker_but_worse(p) is None) != law.is_exchangeable(p)
    return Finding("exchangeable-only", cases, failures, "random laws on up to 4 unseen statements")


def weakest_contains_rivals(small: bool = False) -> Finding:
    """A weakest correct policy's buffer contains every rival's. (False: counts what refutes it.)"""
    cases = failures = 0
    first = "none"
    states, programs = (3, 3) if small else (4, 4)
    vocabularies = chain.from_iterable(all_vocabularies(s, programs) for s in range(1, states + 1))
    for family in (f for v in vocabularies for f in law.families(v)):
        if len(set(family.buffers)) < 2:
            continue
        cases += 1
        if attack.contested(family):
            failures += 1
            if first == "none":
                names = ["{" + ", ".join(family.vocabulary.names(p)) + "}" for p in family.policies]
                sizes = ", ".join(map(str, family.sizes))
                first = (
                    f"programs {family.vocabulary.programs} over {family.vocabulary.states} "
                    f"states: policies {' '.join(names)} with buffers of {sizes}"
                )
    return Finding("weakest-contains-rivals", cases, failures, first)


def theorem_2_as_stated(small: bool = False) -> Finding:
    """Exchangeable laws give buffers of equal measure equal G. (False: full measure refutes it.)"""
    return _diffuse(small, "theorem-2-as-stated", everywhere=True)


def theorem_2_repaired(small: bool = False) -> Finding:
    """μ(A) < μ(B) gives G(A) ≤ G(B); equal measures short of full give equal G."""
    return _diffuse(small, "theorem-2-repaired", everywhere=False)


def _diffuse(small: bool, name: str, *, everywhere: bool) -> Finding:
    steps = 4 if small else 12
    buffers = [attack.NearlyAll(F(i, steps)) for i in range(steps + 1)]
    buffers += [attack.NearlyAll(F(1), missing) for missing in (1, 2, 3)]
    cases = failures = 0
    first = "none"
    for demands in attack.DIFFUSE_LAWS:
        for a in buffers:
            for b in buffers:
                g_a, g_b = demands.survival(a), demands.survival(b)
                if a.measure < b.measure:
                    cases, bad = cases + 1, g_a > g_b
                elif a.measure == b.measure and (everywhere or a.measure < 1):
                    cases, bad = cases + 1, g_a != g_b
                else:
                    continue
                failures += bad
                if bad and first == "none":
                    lacking = [f"U without {x.missing} points" for x in (a, b)]
                    first = f"{demands.name}: {lacking[0]} gives {g_a}, {lacking[1]} gives {g_b}"
    scope = first if everywhere else f"{len(attack.DIFFUSE_LAWS)} laws, {len(buffers)} buffers"
    return Finding(name, cases, failures, scope)


def theorem_2_sampled(small: bool = False) -> Finding:
    """Sampled survival in the square is within 4.5 standard errors of E[μ(B)^|S|]."""
    rng = np.random.default_rng(2)
    cases = failures = 0
    worst = 0.0
    draws = 2_000 if small else 40_000
    for demands in (
        measures.uniform_points(1),
        measures.uniform_points(3),
        measures.poisson_points(2.0),
    ):
        assert demands.closed_form is not None
        for buffer in example_buffers():
            found = measures.sample_survival(buffer, demands, draws, rng)
            z = abs(found.share - demands.closed_form(buffer.measure)) / found.error
            worst = max(worst, z)
            cases += 1
            failures += z > 4.5
    return Finding("theorem-2-sampled", cases, failures, f"largest deviation {worst:.1f} errors")


def example_buffers() -> list[measures.Boxes]:
    """Return unions of boxes in the unit square: blocks, strips and scattered cells."""
    block = measures.Boxes(np.array([[0, 0]]), np.array([[0.6, 0.5]]))
    strips = measures.Boxes(
        np.array([[0, 0], [0, 0.4], [0, 0.8]]), np.array([[1, 0.1], [1, 0.5], [1, 0.9]])
    )
    corner = np.array([[i / 4, j / 4] for i in range(4) for j in range(4) if (i + j) % 2 == 0])
    cells = measures.Boxes(corner, corner + 0.25)
    large = measures.Boxes(np.array([[0, 0], [0.9, 0]]), np.array([[0.9, 0.95], [1, 0.5]]))
    return [block, strips, cells, large]


def atoms_of_one_size(small: bool = False) -> Finding:
    """With atoms, exchangeable laws still favour the heavier buffer. (False if atoms differ.)"""
    rng = np.random.default_rng(13)
    cases = failures = 0
    first = "none"
    weights = (F(1), F(2), F(2))
    for _ in range(20 if small else 200):
        raw = rng.integers(0, 4, 8)
        if not raw.sum():
            continue
        p = attack.symmetrised(tuple(F(int(w), int(raw.sum())) for w in raw), weights)
        found = attack.heavier_but_worse(p, weights)
        cases += 1
        failures += found is not None
        if found is not None and first == "none":
            lighter, heavier = (attack.measure_of(x, weights) for x in found)
            first = (
                f"atoms of weight 1, 2, 2: the buffer of weight {lighter} beats that of {heavier}"
            )
    return Finding("unequal-atoms", cases, failures, first)


def only_weakest_is_minimax(small: bool = False) -> Finding:
    """Against all exchangeable laws, only the weakest attains the value. (False: value zero.)"""
    cases = failures = zero = 0
    for family in small_families(small):
        sizes = sorted(set(family.sizes))
        if len(sizes) < 2:
            continue
        corners = [law.exactly(k, family.unseen) for k in range(family.unseen + 1)]
        worst = [min(law.survival(q, b) for q in corners) for b in sizes]
        cases += 1
        zero += worst[-1] == 0
        failures += worst[0] == worst[-1]
    return Finding("only-weakest-is-minimax", cases, failures, f"value zero in {zero:,} games")


def theorem_5_repaired(small: bool = False) -> Finding:
    """With |S| ≤ K the game's value is C(b*,K)/C(u,K); if positive, only the weakest attain it."""
    cases = failures = 0
    done: set[tuple[int, tuple[int, ...]]] = set()
    for family in small_families(small):
        sizes = tuple(sorted(family.sizes))
        if (family.unseen, sizes) in done or not family.unseen:
            continue
        done.add((family.unseen, sizes))
        for most in range(1, family.unseen + 1):
            columns = [law.exactly(k, family.unseen) for k in range(most + 1)]
            payoff = [[float(law.survival(q, b)) for q in columns] for b in sizes]
            value = law.worst_survival_up_to(most, sizes[-1], family.unseen)
            solved = law.solve_game(np.array(payoff)).value
            rivals = [b for b in sizes if b < sizes[-1]]
            tied = any(law.worst_survival_up_to(most, b, family.unseen) == value for b in rivals)
            cases += 1
            failures += abs(solved - float(value)) > 1e-7 or (value > 0 and tied)
    return Finding("theorem-5-repaired", cases, failures, f"distinct games in {_scope(small)}")


def theorem_5_on_average(small: bool = False) -> Finding:
    """With E|S| ≤ κ the worst exchangeable law sits on the two sizes next to κ (found by LP)."""
    cases = failures = 0
    for unseen in range(2, 6 if small else 10):
        for b in range(unseen):
            g = [float(F(comb(b, k), comb(unseen, k))) for k in range(unseen + 1)]
            for mean in (F(1, 2), F(1), F(3, 2), F(9, 4)):
                found = linprog(
                    g,
                    A_ub=[list(range(unseen + 1))],
                    b_ub=[float(mean)],
                    A_eq=[[1.0] * (unseen + 1)],
                    b_eq=[1.0],
                )
                expected = float(law.worst_survival_on_average(mean, b, unseen))
                cases += 1
                failures += abs(found.fun - expected) > 1e-9
    return Finding("theorem-5-on-average", cases, failures, "linear programs against the formula")


def survival_is_correctness(small: bool = False) -> Finding:
    """A policy that survives a parent is correct for it. (False: counts what refutes it.)"""
    total = attack.Parting(0, 0, 0)
    for family in small_families(small):
        total += attack.parting(family)
    share = f"{total.pairs:,} (policy, parent) pairs; {total.correct:,} correct"
    return Finding("survival-is-correctness", total.survives, total.survives - total.correct, share)


def weaker_is_more_often_correct(small: bool = False) -> Finding:
    """Uniform demands make a strictly weaker policy correct more often. (False: always a tie.)"""
    cases = failures = 0
    for family in small_families(True):
        for region in attack.revealed_regions(family):
            demands = [s for s in range(region + 1) if s & ~region == 0]
            right = [sum(s == b & region for s in demands) for b in family.buffers]
            for a, n_a in zip(family.sizes, right, strict=True):
                for b, n_b in zip(family.sizes, right, strict=True):
                    cases += a < b
                    failures += a < b and n_b <= n_a
    return Finding("weaker-is-more-often-correct", cases, failures, _scope(True))


def robustness(small: bool = False) -> Finding:
    """The nearest law that turns a margin g into a tie is at distance g/2 (linear programs)."""
    cases = failures = 0
    family = umbrella_family()
    top, *rivals = sorted(set(attack.inner_masks(family)), key=int.bit_count, reverse=True)
    chances = (F(1, 2),) if small else (F(1, 2), F(1, 4), F(3, 4))
    for chance in chances:
        base = law.spread(law.independent(chance, family.unseen))
        for rival in (r for r in rivals if r & ~top):
            found = attack.nearest_losing_law(base, top, rival)
            cases += 1
            failures += found is None or abs(found.distance - found.margin / 2) > 1e-8
    return Finding("robustness", cases, failures, "the umbrella's rivals, independent demands")


BET_CHECKS = {
    "proposition-8": proposition_8,
    "proposition-9": proposition_9,
    "theorem-10": theorem_10,
    "theorem-10-strict": theorem_10_strict,
    "exchangeable-only": exchangeable_only,
    "weakest-contains-rivals": weakest_contains_rivals,
    "theorem-2-as-stated": theorem_2_as_stated,
    "theorem-2-repaired": theorem_2_repaired,
    "theorem-2-sampled": theorem_2_sampled,
    "unequal-atoms": atoms_of_one_size,
    "only-weakest-is-minimax": only_weakest_is_minimax,
    "theorem-5-repaired": theorem_5_repaired,
    "theorem-5-on-average": theorem_5_on_average,
    "survival-is-correctness": survival_is_correctness,
    "weaker-is-more-often-correct": weaker_is_more_often_correct,
    "robustness": robustness,
}
"""Every check of the chapter on the weakest policy, by name; each takes `small`."""
