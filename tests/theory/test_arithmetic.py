"""Binary arithmetic: every search against brute force over sets of rules, counts against lists."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import UserError
from helpers.theory import arithmetic, criteria
from helpers.theory.arithmetic import ALL_ROWS, Examples, rule_vocabulary, truth_table
from helpers.theory.counting import count_completions
from helpers.theory.languages import weaknesses


def test_truth_tables_by_hand():
    assert arithmetic.answer("addition", 4 * 3 + 2) == 5
    assert arithmetic.answer("multiplication", 4 * 3 + 3) == 9
    assert truth_table("addition", 3) == 0  # 3 + 3 = 6 needs three bits
    assert truth_table("multiplication", 3) == 1 << 15  # only 3 · 3 reaches eight
    odd_times_odd = [4 * a + b for a in (1, 3) for b in (1, 3)]
    assert truth_table("multiplication", 0) == sum(1 << r for r in odd_times_odd)
    with pytest.raises(UserError, match="bits 0 to 3"):
        truth_table("addition", 4)
    with pytest.raises(UserError, match="unknown operation"):
        arithmetic.answer("division", 3)  # type: ignore[arg-type]


def test_number_of_cubes_is_that_of_words_over_three_letters():
    assert len(arithmetic.cubes().masks) == 3**4
    assert len(arithmetic.cubes(2).masks) == 1 + 4 * 2 + 6 * 4
    assert len(set(arithmetic.cubes().masks.tolist())) == 81
    for mask, literals in zip(arithmetic.cubes().masks, arithmetic.cubes().literals, strict=True):
        assert int(mask).bit_count() == 2 ** (4 - literals)


@pytest.mark.parametrize("longest", [1, 2])
@pytest.mark.parametrize("measure", ["literals", "rules"])
def test_cheapest_covers_against_all_sets_of_few_cubes(measure, longest):
    covers = arithmetic.cheapest_covers(measure, longest)
    table = arithmetic.cubes(longest)
    price = table.literals + 1 if measure == "literals" else np.ones(len(table.masks), int)
    found: dict[int, dict[int, int]] = {}
    for size in range(4):
        for chosen in combinations(range(len(table.masks)), size):
            union = int(np.bitwise_or.reduce(table.masks[list(chosen)], initial=0))
            cost = int(price[list(chosen)].sum())
            found.setdefault(union, {}).setdefault(cost, 0)
            found[union][cost] += 1
    # Sets of at most three cubes are all seen, and so is every cover that costs at most three
    # rules, or less than four of the cheapest rules in literals.
    limit = 3 if measure == "rules" else 4
    checked = 0
    for union, by_cost in found.items():
        best = min(by_cost)
        assert covers.cost[union] <= best
        if best <= limit:
            assert (covers.cost[union], covers.count[union]) == (best, by_cost[best])
            checked += 1
    assert checked > 4
    assert covers.cost[0] == 0


def test_exact_weakness_of_rules_against_listing_two_hundred_thousand_statements():
    v = rule_vocabulary(1)  # 18 programs: everything can be listed
    listed = weaknesses(v)
    masks = [int(m) for m in arithmetic.cubes(1).masks]
    for statement in range(0, 1 << 18, 37):
        zeros = _union(masks, statement & 511)
        ones = _union(masks, statement >> 9)
        rules = statement.bit_count()
        assert arithmetic.weakness_of_rules(ones, zeros, rules, longest=1) == listed[statement]


def _union(masks, chosen):
    union = 0
    for i, mask in enumerate(masks):
        if chosen >> i & 1:
            union |= mask
    return union


def test_exact_weakness_of_rules_against_counting_in_the_full_vocabulary():
    v = rule_vocabulary()
    masks = [int(m) for m in arithmetic.cubes().masks]
    everywhere = masks.index(ALL_ROWS)
    row5, row9 = masks.index(1 << 5), masks.index(1 << 9)
    pairs = masks.index(0b11)
    for zeros, ones in (([everywhere], [row5, row9]), ([everywhere, pairs], [])):
        policy = sum(1 << i for i in zeros) | sum(1 << 81 + i for i in ones)
        union0 = _union(masks, policy & ((1 << 81) - 1))
        union1 = _union(masks, policy >> 81)
        exact = arithmetic.weakness_of_rules(union1, union0, policy.bit_count())
        assert exact == count_completions(v, policy)


tables = st.sampled_from([(op, bit) for op in arithmetic.OPERATIONS for bit in range(4)])


def _examples(choice, rows):
    return Examples(truth_table(*choice), sum(1 << r for r in rows))


def _all_policies(examples, longest, most):
    """Every correct policy of at most `most` rules: no wrong rule, all seen rows forced."""
    table = arithmetic.cubes(longest)
    rules = [
        (int(m), int(n) + 1, value)
        for m, n in zip(table.masks, table.literals, strict=True)
        for value in (0, 1)
        if int(m) & (examples.negative if value else examples.positive) == 0
    ]
    for size in range(most + 1):
        for chosen in combinations(rules, size):
            ones = _union([m for m, _, v in chosen if v], -1)
            zeros = _union([m for m, _, v in chosen if not v], -1)
            seen = (ones & examples.rows, zeros & examples.rows)
            if seen == (examples.positive, examples.negative):
                yield ones, zeros, size, sum(n for _, n, _ in chosen)


@settings(deadline=None, max_examples=12)
@given(tables, st.sets(st.integers(0, 15), min_size=6, max_size=16))
def test_searches_among_short_rules_against_every_set_of_up_to_three(choice, rows):
    examples = _examples(choice, rows)
    policies = list(_all_policies(examples, 2, 3))
    if not policies:
        return
    fewest = criteria.shortest(examples, "rules", longest=2)
    least = min(rules for _, _, rules, _ in policies)
    expected: dict[tuple[int, int], int] = {}
    for ones, zeros, rules, _ in policies:
        if rules == least:
            expected[ones, zeros] = expected.get((ones, zeros), 0) + 1
    pairs = zip(fewest.ones.tolist(), fewest.zeros.tolist(), strict=True)
    assert dict(zip(pairs, fewest.weight, strict=True)) == expected
    # whatever is found by brute force is no better than what the searches call best
    states = criteria.weakest_by_states(examples, longest=2)
    assert max(32 - o.bit_count() - z.bit_count() for o, z, _, _ in policies) <= states.allowed()[0]
    statements = criteria.weakest_by_statements(examples, longest=2)
    weak = [arithmetic.weakness_of_rules(o, z, r, 2) for o, z, r, _ in policies]
    cost = arithmetic.cheapest_covers("rules", 2).cost
    best = {
        arithmetic.weakness_of_rules(o, z, int(cost[o] + cost[z]), 2) for o, z in statements.pairs()
    }
    assert len(best) == 1
    assert max(weak) <= best.pop()


@settings(deadline=None, max_examples=40)
@given(tables, st.sets(st.integers(0, 15), min_size=4, max_size=14))
def test_what_the_criteria_choose_is_correct_on_the_examples(choice, rows):
    examples = _examples(choice, rows)
    found = [
        criteria.shortest(examples),
        criteria.shortest(examples, "rules"),
        criteria.shortest(examples, longest=2),
        criteria.weakest_by_states(examples),
        criteria.weakest_by_states(examples, longest=2),
        criteria.weakest_by_statements(examples),
        criteria.weakest_by_statements(examples, longest=2),
        criteria.weakest_prime(examples),
        criteria.best_functions(examples, "weakest"),
        criteria.best_functions(examples, "shortest"),
    ]
    for policies in found:
        assert len(policies.pairs()) == len(policies.ones)
        assert np.all(policies.ones & examples.rows == examples.positive)
        assert np.all(policies.zeros & examples.rows == examples.negative)
        right = policies.generalises(examples.table)
        assert not np.any(right & ~policies.survives(examples.table))


@settings(deadline=None, max_examples=30)
@given(tables, st.sets(st.integers(0, 15), min_size=8, max_size=14))
def test_shortest_policies_are_made_of_prime_rules(choice, rows):
    examples = _examples(choice, rows)
    found = criteria.shortest(examples)
    ones = set(criteria.prime_unions(examples.positive, examples.negative).tolist())
    zeros = set(criteria.prime_unions(examples.negative, examples.positive).tolist())
    assert set(found.ones.tolist()) <= ones
    assert set(found.zeros.tolist()) <= zeros


@settings(deadline=None, max_examples=30)
@given(tables, st.sets(st.integers(0, 15), min_size=4, max_size=12))
def test_statement_weakness_is_a_count_of_rules_first_and_of_states_second(choice, rows):
    examples = _examples(choice, rows)
    cost = arithmetic.cheapest_covers("rules").cost
    options = arithmetic.subsets(examples.unseen)[:24]
    for more, less in product(options[:6].tolist(), options[6:].tolist()):
        ones, zeros = examples.positive | more, examples.negative | less
        rules = int(cost[ones] + cost[zeros])
        states = 32 - ones.bit_count() - zeros.bit_count()
        exact = arithmetic.weakness_of_rules(ones, zeros, rules)
        ratio = Fraction(exact, states << 146 - rules)
        assert Fraction(991, 1000) < ratio <= 1


def test_full_rules_allow_rote_learning_and_short_rules_need_not_be_enough():
    examples = Examples(truth_table("addition", 1), 0b1011_0110_1110_0111)
    rote = criteria.weakest_by_states(examples)
    assert rote.pairs() == {(examples.positive, examples.negative)}
    assert not rote.generalises(examples.table).any()
    everything = Examples(truth_table("addition", 1), ALL_ROWS)
    nothing = criteria.weakest_by_states(everything, longest=2)  # a sum with carry needs more
    assert len(nothing.ones) == 0
    assert np.isnan(nothing.share(nothing.generalises(everything.table)))
    assert len(criteria.shortest(everything, longest=2).ones) == 0
    assert len(criteria.weakest_by_statements(everything, longest=2).ones) == 0
    for found in (criteria.shortest(everything), criteria.weakest_prime(everything)):
        assert found.generalises(everything.table).all()
