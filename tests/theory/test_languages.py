"""Languages, counts and tasks against brute force written another way, and known small cases."""

from __future__ import annotations

import language_oracle as oracle
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from helpers.errors import UserError
from helpers.theory import counting, tasks
from helpers.theory.languages import (
    Vocabulary,
    all_vocabularies,
    completions,
    embodied_language,
    extension,
    is_statement,
    random_vocabulary,
    statements,
    superset_sums,
    truth_set,
    truth_sets,
    weakness,
    weaknesses,
)
from helpers.theory.tasks import Task


@st.composite
def vocabularies(draw, max_states=5, max_programs=6):
    states = draw(st.integers(1, max_states))
    programs = draw(st.lists(st.integers(0, 2**states - 1), max_size=max_programs, unique=True))
    return Vocabulary(states, tuple(programs))


@given(vocabularies())
def test_language_truth_sets_and_weaknesses_match_the_oracle(v):
    programs = oracle.program_sets(v)
    lang = oracle.language(v.states, programs)
    assert {oracle.decode(x) for x in statements(v)} == lang
    everything = oracle.powerset(range(len(v)))
    table, weak = truth_sets(v), weaknesses(v)
    for x in everything:
        mask = oracle.encode(x)
        expected = oracle.truth(v.states, programs, x)
        assert oracle.decode(truth_set(v, mask)) == oracle.decode(table[mask]) == expected
        assert is_statement(v, mask) == (x in lang)
        assert {oracle.decode(y) for y in completions(v, mask)} == oracle.ext(lang, x)
        assert weak[mask] == weakness(v, mask) == len(oracle.ext(lang, x))


@given(vocabularies())
def test_counting_agrees_with_listing(v):
    weak = weaknesses(v)
    for x in range(1 << len(v)):
        assert counting.count_completions(v, x) == weak[x]
        assert counting.count_completions(v, x, "bdd") == weak[x]
    assert counting.count_language(v) == embodied_language(v).sum()


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(2, 14), st.integers(20, 45), st.floats(0.3, 0.9))
def test_the_two_ways_of_counting_agree_where_listing_is_out_of_reach(seed, states, size, density):
    assume(2**states >= 4 * size)
    v = random_vocabulary(states, size, np.random.default_rng(seed), density)
    for x in (0, 1 << seed % size):
        assert counting.count_completions(v, x) == counting.count_completions(v, x, "bdd")


@given(vocabularies())
def test_the_language_is_closed_downwards_and_weakness_falls_upwards(v):
    lang, weak = embodied_language(v), weaknesses(v)
    for x in range(1 << len(v)):
        for i in range(len(v)):
            if x >> i & 1:
                smaller = x & ~(1 << i)
                assert lang[smaller] or not lang[x]
                assert weak[smaller] >= weak[x]
                # strict: the smaller statement has itself as one more completion
                assert weak[smaller] > weak[x] or not lang[smaller]


@given(vocabularies())
def test_maximal_statements_are_the_tops_of_the_language(v):
    lang = {oracle.decode(x) for x in statements(v)}
    tops = {x for x in lang if not any(x < other for other in lang)}
    assert {oracle.decode(t) for t in counting.maximal_statements(v)} == tops


def test_largest_listed_size_in_full():
    v = random_vocabulary(16, 16, np.random.default_rng(0))
    weak = weaknesses(v)
    assert weak.shape == (2**16,)
    assert weak[0] == embodied_language(v).sum() == counting.count_language(v, "bdd")
    rng = np.random.default_rng(1)
    for x in rng.choice(statements(v), 40):
        assert weak[x] == counting.count_completions(v, int(x)) == weakness(v, int(x))


def test_superset_sums_against_a_double_loop():
    values = np.random.default_rng(2).integers(-9, 9, 32)
    slow = [sum(values[y] for y in range(32) if x & ~y == 0) for x in range(32)]
    assert superset_sums(values).tolist() == slow


def test_a_count_known_in_closed_form():
    # k independent questions, with yes and no in the vocabulary: yes, no or silence, 3**k.
    for k in (1, 3, 5):
        states = 2**k
        yes = [sum(1 << s for s in range(states) if s >> q & 1) for q in range(k)]
        v = Vocabulary(states, (*yes, *((2**states - 1) ^ p for p in yes)))
        assert counting.count_language(v) == counting.count_language(v, "bdd") == 3**k
        assert weakness(v, 1) == 3 ** (k - 1)


def test_edge_cases():
    nothing = Vocabulary(3, ())
    assert statements(nothing).tolist() == [0]
    assert weakness(nothing, 0) == counting.count_language(nothing) == 1
    one_state = Vocabulary(1, (1,))
    assert statements(one_state).tolist() == [0, 1]
    assert truth_set(one_state, 0) == 1
    never = Vocabulary(2, (0, 0b11))  # the empty program, and the one that always holds
    assert statements(never).tolist() == [0, 2]
    assert weaknesses(never).tolist() == [2, 0, 1, 0]
    assert counting.count_completions(never, 1) == counting.count_completions(never, 1, "bdd") == 0
    assert completions(never, []).tolist() == []
    assert extension(never, [0, 2]).tolist() == extension(never, 0).tolist()


@pytest.mark.parametrize(
    ("states", "programs", "words"),
    [
        (0, (), "at least one state"),
        (2, (4,), "bitmask of the 2 states"),
        (2, (-1,), "bitmask of the 2 states"),
        (2, (1, 2, 1), "programs 0 and 2 are the same"),
    ],
)
def test_impossible_vocabularies_are_refused(states, programs, words):
    with pytest.raises(UserError, match=words):
        Vocabulary(states, programs)


def test_other_bad_input_is_refused():
    v = Vocabulary.from_sets("ab", {"p": "a", "q": "ab"})
    with pytest.raises(UserError, match="no subset"):
        weakness(v, 4)
    with pytest.raises(UserError, match="no program is called 'r'"):
        v.statement("r")
    with pytest.raises(UserError, match="names the state 'c'"):
        Vocabulary.from_sets("ab", {"p": "c"})
    with pytest.raises(UserError, match="two states share a name"):
        Vocabulary.from_sets("aa", {"p": "a"})
    with pytest.raises(UserError, match="1 program names for 2"):
        Vocabulary(2, (1, 2), ("p",))
    with pytest.raises(UserError, match="too many to list"):
        weaknesses(random_vocabulary(8, 30, np.random.default_rng(0)))
    with pytest.raises(UserError, match="could not draw"):
        random_vocabulary(2, 5, np.random.default_rng(0))
    with pytest.raises(UserError, match="completes none of the inputs"):
        Task(v, frozenset({1}), frozenset({2}))
    with pytest.raises(UserError, match="no statement of the language"):
        Task(Vocabulary(2, (1, 2)), frozenset({3}), frozenset())
    with pytest.raises(UserError, match="unknown method"):
        counting.count_language(v, "guess")  # type: ignore[arg-type]


def test_names_and_statements_go_back_and_forth():
    v = Vocabulary.from_sets(["x", "y"], {"left": ["x"], "any": ["x", "y"]})
    assert v.programs == (0b01, 0b11)
    assert v.names(v.statement("any", "left")) == ("left", "any")
    assert v.statement() == 0
    assert (v.text(0), v.text(3)) == ("{}", "{left, any}")


@st.composite
def small_tasks(draw):
    v = draw(vocabularies(max_states=3, max_programs=4))
    lang = statements(v).tolist()
    inputs = draw(st.frozensets(st.sampled_from(lang)))
    # half of the time take the outputs of a policy, so that many tasks are solvable
    reached = extension(v, inputs)
    if draw(st.booleans()):
        policy = draw(st.sampled_from(lang))
        outputs = frozenset(np.flatnonzero(reached & extension(v, policy)).tolist())
    elif reached.any():
        outputs = draw(st.frozensets(st.sampled_from(np.flatnonzero(reached).tolist())))
    else:
        outputs = frozenset()
    return Task(v, inputs, outputs)


@given(small_tasks())
def test_correct_policies_and_buffers_match_the_oracle(task):
    v = task.vocabulary
    lang = oracle.language(v.states, oracle.program_sets(v))
    inputs = {oracle.decode(x) for x in task.inputs}
    outputs = {oracle.decode(y) for y in task.outputs}
    correct = oracle.correct(lang, inputs, outputs)
    assert {oracle.decode(p) for p in tasks.correct_policies(task)} == correct
    outside = lang - oracle.ext_many(lang, inputs)
    assert {oracle.decode(y) for y in np.flatnonzero(tasks.unseen(task))} == outside
    for p in lang:
        mask = oracle.encode(p)
        assert tasks.is_correct(task, mask) == (p in correct)
        room = {oracle.decode(y) for y in np.flatnonzero(tasks.buffer(task, mask))}
        assert room == oracle.ext(lang, p) & outside
        if p in correct:  # Lemma 1
            assert len(oracle.ext(lang, p)) == len(outputs) + len(room)
            assert tasks.buffer_size(task, mask) == len(room)


def test_an_inconsistent_policy_is_never_correct():
    task = Task(Vocabulary(2, (1, 2)), frozenset({1}), frozenset())
    assert not tasks.is_correct(task, 3)
    assert tasks.is_correct(task, 2)


def test_children_and_parents_are_each_other_s_inverse():
    v = Vocabulary(2, (0b01, 0b10))
    everything = list(tasks.all_tasks(v))
    for task in everything:
        below = set(tasks.children(task))
        assert below == {t for t in everything if tasks.is_child(t, task)}
        assert set(tasks.parents(task)) == {t for t in everything if tasks.is_child(task, t)}


def test_survival_means_inside_the_buffer():
    v = Vocabulary(4, (0b0011, 0b0101, 0b1001))
    task = Task(v, frozenset({1}), frozenset({3}))
    demands = tasks.as_set(v, [2])
    assert tasks.survives(task, 2, demands)
    assert not tasks.survives(task, 4, demands)
    assert tasks.survives(task, 4, tasks.as_set(v, []))


def test_lemma1_count_agrees_with_enumerating_every_task_by_definition():
    for v in all_vocabularies(2, 3):
        if len(statements(v)) > 4:
            continue
        quick = tasks.check_lemma1(v)
        slow = tasks.Lemma1Check(0, 0, 0, 0)
        for task in tasks.all_tasks(v):
            correct = tasks.correct_policies(task)
            w = weaknesses(v)
            wrong = [p for p in correct if w[p] != len(task.outputs) + tasks.buffer_size(task, p)]
            slow += tasks.Lemma1Check(1, int(len(correct) > 0), len(correct), len(wrong))
        assert quick == slow
        assert quick.failures == 0


def test_number_of_vocabularies():
    assert len(list(all_vocabularies(2, 4))) == 16
    assert len(list(all_vocabularies(3, 2))) == 1 + 8 + 28
