"""Exhaustive checks of the finite definitions: each counts its cases and its failures.

A failure is a counterexample to the statement in the check's first line. Checks of statements that
are false are here too: they count, and show, what refutes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np

from helpers.theory import arithmetic, counting, tasks
from helpers.theory.languages import (
    Vocabulary,
    all_vocabularies,
    members,
    random_vocabulary,
    statements,
    truth_sets,
    weaknesses,
)


@dataclass(frozen=True)
class Finding:
    """Hold what a check found: cases, failures, and the first failure or else the scope."""

    check: str
    cases: int
    failures: int
    detail: str


def _small_vocabularies(states: int, programs: int) -> chain[Vocabulary]:
    return chain.from_iterable(all_vocabularies(s, programs) for s in range(1, states + 1))


def lemma_1(small: bool = False) -> Finding:
    """|Ext(π)| = |O| + |B_π| for every correct policy of every task of every small vocabulary."""
    return lemma_1_up_to(2, 3) if small else lemma_1_up_to(4, 4)


def lemma_1_up_to(states: int, programs: int) -> Finding:
    """Check Lemma 1 on all vocabularies of at most so many programs over at most so many states."""
    total = tasks.Lemma1Check(0, 0, 0, 0)
    vocabularies = 0
    for vocabulary in _small_vocabularies(states, programs):
        total += tasks.check_lemma1(vocabulary)
        vocabularies += 1
    scope = (
        f"{vocabularies:,} vocabularies of at most {programs} programs over at most {states} "
        f"states; {total.tasks:,} tasks, {total.solvable:,} of them solvable"
    )
    return Finding("lemma-1", total.pairs, total.failures, scope)


def two_counts_agree(small: bool = False) -> Finding:
    """Listing, inclusion–exclusion and decision diagrams give the same weakness."""
    rng = np.random.default_rng(20)
    cases = failures = 0
    shapes = [(4, 6, 5), (8, 8, 5)] if small else [(4, 8, 20), (8, 12, 20), (16, 16, 10)]
    for states, programs, draws in shapes:
        for _ in range(draws):
            vocabulary = random_vocabulary(states, programs, rng)
            listed = weaknesses(vocabulary)
            for x in rng.integers(0, 1 << programs, 10).tolist():
                ways = {
                    int(listed[x]),
                    counting.count_completions(vocabulary, x),
                    counting.count_completions(vocabulary, x, "bdd"),
                }
                cases += 1
                failures += len(ways) > 1
    sizes = ", ".join(f"{programs} programs over {states} states" for states, programs, _ in shapes)
    return Finding("counts-agree", cases, failures, f"random vocabularies: {sizes}")


def _pairs_of_statements(small: bool) -> list[tuple[Vocabulary, np.ndarray, np.ndarray]]:
    states, programs = (2, 3) if small else (4, 4)
    found = []
    for vocabulary in _small_vocabularies(states, programs):
        listed = statements(vocabulary)
        found.append((vocabulary, listed, weaknesses(vocabulary)[listed]))
    return found


def _two(vocabulary: Vocabulary, x: int, y: int, w_x: int, w_y: int) -> str:
    """Say how weak two statements of a vocabulary are, in words for a table."""
    programs = "; ".join(
        f"p{i} = {{{', '.join(map(str, members(p)))}}}" for i, p in enumerate(vocabulary.programs)
    )
    weak = f"w({vocabulary.text(x)}) = {w_x}, w({vocabulary.text(y)}) = {w_y}"
    return f"{vocabulary.states} states, {programs}: {weak}"


def saying_less_is_weaker(small: bool = False) -> Finding:
    """If l is a proper subset of m, both in L_v, then w(l) > w(m)."""
    cases = failures = 0
    for _, listed, w in _pairs_of_statements(small):
        inside = (listed[:, None] & ~listed[None, :] == 0) & (listed[:, None] != listed[None, :])
        cases += int(inside.sum())
        failures += int((inside & (w[:, None] <= w[None, :])).sum())
    return Finding(
        "less-is-weaker",
        cases,
        failures,
        "all vocabularies of at most 4 programs over at most 4 states",
    )


def shorter_is_weaker(small: bool = False) -> Finding:
    """If l has fewer programs than m, then w(l) ≥ w(m). (False: counts what refutes it.)"""
    cases = failures = 0
    first = "none"
    for vocabulary, listed, w in _pairs_of_statements(False):  # smaller sizes hold no example
        size = np.bitwise_count(listed).astype(int)
        shorter = size[:, None] < size[None, :]
        refuted = shorter & (w[:, None] < w[None, :])
        cases += int(shorter.sum())
        failures += int(refuted.sum())
        if refuted.any() and first == "none":
            i, j = np.argwhere(refuted)[0]
            first = _two(vocabulary, listed[i], listed[j], w[i], w[j])
    return Finding("shorter-is-weaker", cases, failures, first)


def same_truth_same_weakness(small: bool = False) -> Finding:
    """If T(l) = T(m) then w(l) = w(m). (False: counts what refutes it.)"""
    cases = failures = 0
    first = "none"
    for vocabulary, listed, w in _pairs_of_statements(small):
        truth = truth_sets(vocabulary)[listed]
        same = np.triu(truth[:, None] == truth[None, :], 1)
        refuted = same & (w[:, None] != w[None, :])
        cases += int(same.sum())
        failures += int(refuted.sum())
        if refuted.any() and first == "none":
            i, j = np.argwhere(refuted)[0]
            first = _two(vocabulary, listed[i], listed[j], w[i], w[j])
    return Finding("same-truth-same-weakness", cases, failures, first)


def functions_are_equally_weak(small: bool = False) -> Finding:
    """In the vocabulary of all programs "the bit is g(input)", every single program is as weak."""
    cases = failures = 0
    for inputs in (1, 2) if small else (1, 2, 3, 4):  # so many inputs, 2**inputs programs
        programs = [
            sum(1 << (2 * x + (g >> x & 1)) for x in range(inputs)) for g in range(1 << inputs)
        ]
        w = weaknesses(Vocabulary(2 * inputs, tuple(programs)))
        alone = [int(w[1 << i]) for i in range(len(programs))]
        cases += len(alone)
        failures += sum(value != alone[0] for value in alone)
    return Finding(
        "functions-tie", cases, failures, "all functions from at most four inputs to one bit"
    )


def weakness_of_rules_closed_form(small: bool = False) -> Finding:
    """|Ext(π)| = 2^(−r) (2^N − G(ones) G(zeros)) for rules about one bit of arithmetic."""
    longest = 1  # 18 programs: everything can be listed
    masks = arithmetic.cubes(longest).masks
    vocabulary = arithmetic.rule_vocabulary(longest)
    listed = weaknesses(vocabulary)
    step = 997 if small else 7
    half = len(masks)
    unions = np.zeros(1, dtype=np.int64)
    for mask in masks:
        unions = np.concatenate([unions, unions | mask])
    cases = failures = 0
    for statement in range(0, 1 << 2 * half, step):
        zeros, ones = unions[statement & ((1 << half) - 1)], unions[statement >> half]
        exact = arithmetic.weakness_of_rules(int(ones), int(zeros), statement.bit_count(), longest)
        cases += 1
        failures += int(exact != listed[statement])
    return Finding("rule-weakness", cases, failures, f"{2 * half} rules, statements listed")


FINITE_CHECKS = {
    "lemma-1": lemma_1,
    "counts-agree": two_counts_agree,
    "less-is-weaker": saying_less_is_weaker,
    "shorter-is-weaker": shorter_is_weaker,
    "same-truth-same-weakness": same_truth_same_weakness,
    "functions-tie": functions_are_equally_weak,
    "rule-weakness": weakness_of_rules_closed_form,
}
"""Every finite check by name; each takes `small` and returns a Finding."""
