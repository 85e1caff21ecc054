"""Each counterexample is one: checked from the definitions, not by the code that found it."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest

from helpers.theory import counterexamples as attack
from helpers.theory import exchangeable as law
from helpers.theory.checks import bets as bet_checks
from helpers.theory.checks import measures as measure_checks
from helpers.theory.examples import umbrella_family
from helpers.theory.languages import all_vocabularies, members, statements
from helpers.theory.tasks import Task, as_set, is_child, is_correct, survives

FALSE = {
    "weakest-contains-rivals",
    "theorem-2-as-stated",
    "unequal-atoms",
    "only-weakest-is-minimax",
    "survival-is-correctness",
    "weaker-is-more-often-correct",
    "hidden-counts-invariant",
    "buffer-is-correct",
}
CHECKS = bet_checks.BET_CHECKS | measure_checks.MEASURE_CHECKS


@pytest.mark.parametrize("name", CHECKS)
def test_checks_find_what_is_false_and_nothing_else(name):
    found = CHECKS[name](True)
    assert found.check == name
    assert found.cases > 0
    assert (found.failures > 0) == (name in FALSE)


def test_nearest_losing_law_is_a_law_and_loses_by_as_much():
    family = umbrella_family()
    top, rival = sorted(attack.inner_masks(family), key=int.bit_count)[:0:-1]
    assert rival & ~top
    base = law.spread(law.exactly(1, family.unseen))
    for loss in (0.0, 0.2):
        found = attack.nearest_losing_law(base, top, rival, loss)
        assert found is not None
        assert found.law.min() >= 0
        assert found.law.sum() == pytest.approx(1)
        moved = np.abs(found.law - np.array([float(p) for p in base])).sum() / 2
        assert found.distance == pytest.approx(moved)
        inside = [sum(p for s, p in enumerate(found.law) if s & ~b == 0) for b in (top, rival)]
        assert inside[1] - inside[0] == pytest.approx(loss, abs=1e-8)
        assert found.distance == pytest.approx((found.margin + loss) / 2)


def test_nested_buffers_lose_under_no_law():
    base = law.spread(law.exactly(1, 3))
    assert attack.nearest_losing_law(base, 0b011, 0b001, loss=0.1) is None


def test_parting_counts_agree_with_tasks_and_parents():
    """Build every parent as a Task and ask the definitions."""
    for vocabulary in list(all_vocabularies(2, 2))[:8]:
        listed = [int(x) for x in statements(vocabulary)]
        ext, reaches = law.extension_masks(vocabulary)
        inputs_of = {}
        for size in range(len(listed) + 1):
            for chosen in combinations(range(len(listed)), size):
                reach = 0
                for j in chosen:
                    reach |= ext[j]
                inputs_of.setdefault(reach, []).append({listed[j] for j in chosen})
        for family in law.families(vocabulary):
            everything = (1 << len(listed)) - 1
            reach = everything & ~family.unseen_mask
            child_inputs = min(inputs_of[reach], key=len)
            policy = family.policies[0]
            outputs = {listed[j] for j in members(ext[listed.index(policy)] & reach)}
            child = Task(vocabulary, frozenset(child_inputs), frozenset(outputs))
            pairs = survive = right = 0
            for parent_reach in {reach | r for r in reaches} - {reach}:
                region = [listed[j] for j in members(parent_reach & ~reach)]
                parent_inputs = child_inputs | max(inputs_of[parent_reach], key=len)
                for size in range(len(region) + 1):
                    for demands in combinations(region, size):
                        parent = Task(
                            vocabulary, frozenset(parent_inputs), frozenset(outputs | set(demands))
                        )
                        assert is_child(child, parent)
                        for p in family.policies:
                            pairs += 1
                            survive += survives(child, p, as_set(vocabulary, demands))
                            right += is_correct(parent, p)
            assert attack.parting(family) == attack.Parting(pairs, survive, right)


def test_correctness_is_the_chance_of_equality():
    sizes = law.independent(Fraction(1, 3), 4)
    spread = law.spread(sizes)
    for buffer in range(16):
        assert attack.correctness(sizes, buffer.bit_count()) == spread[buffer]


def test_symmetrised_laws_are_invariant_and_equal_atoms_bring_theorem_10_back():
    rng = np.random.default_rng(0)
    for _ in range(20):
        raw = rng.integers(0, 4, 8)
        raw[0] += 1
        p = tuple(Fraction(int(w), int(raw.sum())) for w in raw)
        equal = attack.symmetrised(p, (Fraction(1),) * 3)
        assert law.is_exchangeable(equal)
        assert attack.heavier_but_worse(equal, (Fraction(1),) * 3) is None


def test_everything_is_the_hole():
    full, holed = attack.NearlyAll(Fraction(1)), attack.NearlyAll(Fraction(1), 1)
    assert full.measure == holed.measure
    assert attack.EVERYTHING.survival(full) == 1
    assert attack.EVERYTHING.survival(holed) == 0


def test_dense_demands_can_favour_the_stronger_policy_where_its_buffer_is_revealed():
    family = umbrella_family()
    weaker, stronger = sorted(attack.inner_masks(family), key=int.bit_count, reverse=True)[:2]
    region = stronger
    dense = law.independent(Fraction(3, 4), region.bit_count())
    right = [attack.correctness(dense, (b & region).bit_count()) for b in (weaker, stronger)]
    listed = law.spread(dense)
    assert right == [listed[0], listed[-1]]
    assert weaker.bit_count() > stronger.bit_count()
    assert right[0] < right[1]


@pytest.mark.parametrize("chance", [Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)])
def test_correctness_on_an_exchangeable_region_is_monotone_in_the_buffer(chance):
    unseen = 5
    mean = []
    for size in range(unseen + 1):
        buffer = (1 << size) - 1
        total = Fraction(0)
        for region in range(1 << unseen):  # every region equally likely
            sizes = law.independent(chance, region.bit_count())
            total += attack.correctness(sizes, (buffer & region).bit_count())
        mean.append(total / 2**unseen)
    steps = {(b > a) - (b < a) for a, b in pairwise(mean)}
    assert steps == {(chance > Fraction(1, 2)) - (chance < Fraction(1, 2))}


@pytest.mark.parametrize(("weakest", "rival"), [(0b0111, 0b0011), (0b0111, 0b1001)])
def test_the_nearest_level_law_is_at_half_the_margin_or_all_of_it(weakest, rival):
    base = law.spread(law.independent(Fraction(1, 2), 4))
    found = attack.nearest_losing_law(base, weakest, rival)
    assert found is not None
    share = 1.0 if rival & ~weakest == 0 else 0.5
    assert found.distance == pytest.approx(share * found.margin)


@pytest.mark.parametrize("unseen", [1, 4, 7])
def test_only_the_weakest_attain_a_positive_value_on_average(unseen):
    for mean in (Fraction(1, 3), Fraction(1), Fraction(5, 2), Fraction(20)):
        values = [law.worst_survival_on_average(mean, b, unseen) for b in range(unseen + 1)]
        assert all(a < b for a, b in pairwise(values) if b > 0)
