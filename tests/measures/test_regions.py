from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from helpers.errors import UserError
from helpers.measures.regions import (
    activation_patterns,
    count_patterns,
    count_patterns_by_row,
    count_patterns_copying,
    group_rows,
    region_class_weakness,
    regions,
)
from helpers.networks import Stack, activations, initialise


def pack(active) -> np.ndarray:
    return np.packbits(np.asarray(active, dtype=bool), axis=-1)


# Few units and many points: collisions of patterns are common. Widths cross byte and word limits.
boolean_rows = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=70))


@settings(max_examples=80, deadline=None)
@given(boolean_rows)
def test_counts_are_those_of_a_set_of_tuples(active):
    expected = len({tuple(row) for row in active.tolist()})
    assert count_patterns(pack(active)[None]).tolist() == [expected]
    assert count_patterns_by_row(active) == count_patterns_copying(active) == expected


@settings(max_examples=80, deadline=None)
@given(boolean_rows, st.integers(0, 2**32 - 1))
def test_groups_are_equal_rows_numbered_by_first_appearance(base, seed):
    picks = np.random.default_rng(seed).integers(0, len(base), 2 * len(base))
    rows = pack(base[picks])
    numbers, first = group_rows(rows)
    assert np.array_equal(rows[first][numbers], rows)
    assert len(np.unique(rows, axis=0)) == len(first)
    assert np.array_equal(numbers[first], np.arange(len(first)))
    assert (np.diff(first) > 0).all()


def test_a_hash_collision_cannot_merge_patterns():
    # Two-word rows built to have one hash: undo the mixing to find the second word.
    multiplier, mask = 0x9E3779B97F4A7C15, 2**64 - 1

    def mixed(h: int, word: int) -> int:
        h = (h ^ word) * multiplier & mask
        return h ^ h >> 32

    target = mixed(mixed(0, 1), 2)
    rows = []
    for word in range(1, 200):
        before = (target ^ target >> 32) * pow(multiplier, -1, 2**64) & mask
        rows.append((word, before ^ mixed(0, word)))
    assert {mixed(mixed(0, a), b) for a, b in rows} == {target}
    words = np.array(rows, dtype=np.uint64)
    assert len(group_rows(words.view(np.uint8))[1]) == 199
    assert len(group_rows(np.concatenate([words, words]).view(np.uint8))[1]) == 199


def test_patterns_are_the_signs_of_the_hidden_units():
    stack = initialise((5, 11, 4, 3), range(3))
    x = torch.randn(9000, 5, generator=torch.Generator().manual_seed(0))  # several blocks
    for layer, hidden in enumerate(activations(stack, x), 1):
        packed = activation_patterns(stack, x, layer)
        assert packed.shape == (3, 9000, -(-hidden.shape[2] // 8))
        on = np.unpackbits(packed, axis=2, count=hidden.shape[2]).astype(bool)
        assert np.array_equal(on, (hidden > 0).numpy())
        assert count_patterns(packed).tolist() == [len(np.unique(own, axis=0)) for own in on]
    for layer in (0, 3):
        with pytest.raises(UserError, match="expected a hidden layer, 1 to 2"):
            activation_patterns(stack, x, layer)


def test_dead_layer_one_point_and_no_points():
    stack = initialise((5, 11, 3), [0])
    dead = Stack(stack.weights, (stack.biases[0] - 1e6, stack.biases[1]))
    x = torch.randn(20, 5)
    assert count_patterns(activation_patterns(dead, x, 1)).tolist() == [1]
    assert count_patterns(activation_patterns(stack, x[:1], 1)).tolist() == [1]
    assert count_patterns(np.zeros((2, 0, 4), np.uint8)).tolist() == [0, 0]
    with pytest.raises(UserError, match="expected \\(networks"):
        count_patterns(np.zeros((3, 4), np.uint8))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(0, 30), st.integers(1, 5))
def test_regions_are_sets(seed, n, m, units):
    rng = np.random.default_rng(seed)
    training, unseen = rng.random((n, units)) > 0.5, rng.random((m, units)) > 0.5
    found = regions(pack(training), pack(unseen))
    inside = [tuple(row) for row in training.tolist()]
    outside = [tuple(row) for row in unseen.tolist()]
    assert found.training_regions == len(set(inside))
    assert found.unseen_only_regions == len(set(outside) - set(inside))
    assert found.total == len(set(inside) | set(outside))
    assert sorted(found.occupancy) == sorted(inside.count(row) for row in set(inside))
    expected = sum(max(0, 4 - inside.count(row)) for row in set(inside))
    assert found.free_parameters(4) == expected


def test_free_parameters_only_count_training_regions():
    found = regions(pack(np.eye(16)[[0, 1, 1, 2]]), pack(np.eye(16)[[2, 5, 6]]))
    assert found.free_parameters() == 170 * 3 - 4
    assert (found.training_regions, found.unseen_only_regions) == (3, 2)


@pytest.mark.parametrize(("fixed", "free", "classes"), [(1, 0, 2), (2, 2, 2), (1, 3, 3)])
def test_weakness_counts_the_completions_of_the_policy(fixed, free, classes):
    # A statement gives each region a class or nothing; a completion agrees where the policy speaks.
    policy = tuple(i % classes for i in range(fixed)) + (None,) * free
    statements = itertools.product([None, *range(classes)], repeat=fixed + free)
    completions = [
        s for s in statements if all(p in (None, v) for p, v in zip(policy, s, strict=True))
    ]
    assert region_class_weakness(free, classes) == len(completions)


def test_weakness_is_an_exact_integer_and_its_logarithm():
    assert region_class_weakness(1000) == 11**1000
    assert region_class_weakness(np.int64(40)) == 11**40  # past 64 bits


def test_bad_input():
    with pytest.raises(UserError, match="one network and one layer"):
        regions(np.zeros((2, 3), np.uint8), np.zeros((2, 4), np.uint8))
