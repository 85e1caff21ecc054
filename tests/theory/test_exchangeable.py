"""Laws of demands: the closed form against listing, the game against its dual, the definitions."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import language_oracle as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import UserError
from helpers.theory import exchangeable as law
from helpers.theory import tasks
from helpers.theory.examples import umbrella, umbrella_family
from helpers.theory.languages import Vocabulary, members, random_vocabulary, statements

WEIGHTS = st.lists(st.integers(0, 5), min_size=2, max_size=7).filter(any)


def normalised(weights):
    return tuple(Fraction(w, sum(weights)) for w in weights)


def probability_by_sets(sizes, buffer):
    """P(S ⊆ B) with itertools and sets: choose the size, then the set."""
    unseen = len(sizes) - 1
    inside = set(range(buffer))
    total = Fraction(0)
    for k, q in enumerate(sizes):
        sets = list(combinations(range(unseen), k))
        total += q * Fraction(sum(inside.issuperset(s) for s in sets), len(sets))
    return total


@given(WEIGHTS)
@settings(max_examples=40, deadline=None)
def test_closed_form_is_the_probability(weights):
    sizes = normalised(weights)
    for buffer in range(len(sizes)):
        exact = probability_by_sets(sizes, buffer)
        assert law.survival(sizes, buffer) == exact
        assert law.survival_by_listing(law.spread(sizes), (1 << buffer) - 1) == exact


@given(WEIGHTS)
@settings(max_examples=60, deadline=None)
def test_survival_rises_exactly_where_the_theorem_says(weights):
    sizes = normalised(weights)
    g = [law.survival(sizes, b) for b in range(len(sizes))]
    for b in range(len(g)):
        for more in range(b + 1, len(g)):
            assert g[b] <= g[more]
            assert (g[b] < g[more]) == any(sizes[1 : more + 1])


@given(st.lists(st.integers(0, 3), min_size=8, max_size=8).filter(any))
@settings(max_examples=60, deadline=None)
def test_only_exchangeable_laws_favour_every_larger_buffer(weights):
    p = normalised(weights)
    assert (law.weaker_but_worse(p) is None) == law.is_exchangeable(p)


def test_half_a_chance_each_makes_all_sets_equally_likely():
    assert set(law.spread(law.independent(Fraction(1, 2), 5))) == {Fraction(1, 32)}


def test_families_are_the_tasks_of_the_definitions():
    rng = np.random.default_rng(3)
    for _ in range(3):
        vocabulary = random_vocabulary(3, 3, rng)
        states, programs = vocabulary.states, oracle.program_sets(vocabulary)
        lang = oracle.language(states, programs)
        expected = set()
        for inputs in oracle.powerset(lang):
            reach = oracle.ext_many(lang, inputs)
            for policy in lang:
                outputs = reach & oracle.ext(lang, policy)
                good = oracle.correct(lang, inputs, outputs)
                expected.add(
                    (
                        frozenset(lang - reach),
                        frozenset((p, frozenset(oracle.ext(lang, p) - reach)) for p in good),
                    )
                )
        listed = [oracle.decode(x) for x in statements(vocabulary)]
        found = {
            (
                frozenset(listed[j] for j in members(f.unseen_mask)),
                frozenset(
                    (oracle.decode(p), frozenset(listed[j] for j in members(b)))
                    for p, b in zip(f.policies, f.buffers, strict=True)
                ),
            )
            for f in law.families(vocabulary)
        }
        assert found == expected


def test_umbrella_family_is_the_umbrella_task():
    task, family = umbrella(), umbrella_family()
    assert sorted(family.policies) == sorted(tasks.correct_policies(task).tolist())
    assert family.sizes == tuple(tasks.buffer_size(task, p) for p in family.policies)


def test_rock_paper_scissors_is_worth_nothing_and_mixed_evenly():
    game = law.solve_game(np.array([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]))
    assert abs(game.value) < 1e-9
    assert np.allclose(game.policies, 1 / 3)
    assert np.allclose(game.laws, 1 / 3)


@given(st.integers(1, 8), st.data())
@settings(max_examples=30, deadline=None)
def test_bounded_game_has_the_value_of_the_theorem(unseen, data):
    buffers = data.draw(st.lists(st.integers(0, unseen), min_size=1, max_size=4, unique=True))
    most = data.draw(st.integers(1, unseen))
    payoff = [
        [float(law.survival(law.exactly(k, unseen), b)) for k in range(most + 1)] for b in buffers
    ]
    expected = law.worst_survival_up_to(most, max(buffers), unseen)
    assert law.solve_game(np.array(payoff)).value == pytest.approx(float(expected), abs=1e-7)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: law.check_size_law([Fraction(1, 2)]),
        lambda: law.check_size_law([2, -1]),
        lambda: law.exactly(4, 3),
        lambda: law.survival(law.exactly(1, 3), 4),
        lambda: law.solve_game(np.zeros((0, 2))),
        lambda: law.solve_game(np.array([[np.nan]])),
    ],
)
def test_bad_input_is_named(bad):
    with pytest.raises(UserError):
        bad()


def test_the_empty_vocabulary_has_its_two_families():
    # L = {∅}: either nothing has been seen, or all has.
    found = list(law.families(Vocabulary(1, ())))
    assert sorted(f.unseen for f in found) == [0, 1]
