"""Count statements and completions without listing them.

L_v is closed under taking subsets, and its maximal members are among the sets {p ∈ v : φ ∈ p}, one
for each state φ. So L_v is a union of power sets, and so is Ext(x) once x is taken out of each.
Two independent ways count such a union: inclusion–exclusion that merges equal intersections, and a
binary decision diagram (the `dd` package). Both return exact integers of any size.
"""

from __future__ import annotations

from typing import Literal

from dd.autoref import BDD

from helpers.errors import UserError
from helpers.theory.languages import Vocabulary, check_statement, members, truth_set

Method = Literal["inclusion-exclusion", "bdd"]


def programs_at(vocabulary: Vocabulary, state: int) -> int:
    """Return {p ∈ v : φ ∈ p}, the programs that hold in one state, as a bitmask of programs."""
    return sum(1 << i for i, p in enumerate(vocabulary.programs) if p >> state & 1)


def maximal_sets(sets: list[int]) -> list[int]:
    """Return the inclusion-maximal bitmasks among `sets`, each once, ascending."""
    kept: list[int] = []
    for candidate in sorted(set(sets), key=int.bit_count, reverse=True):
        if not any(candidate & ~other == 0 for other in kept):
            kept.append(candidate)
    return sorted(kept)


def maximal_statements(vocabulary: Vocabulary, statement: int = 0) -> list[int]:
    """Return the maximal completions of a statement (of all of L_v, by default), ascending."""
    possible = members(truth_set(vocabulary, statement))
    return maximal_sets([programs_at(vocabulary, state) for state in possible])


def count_union_of_power_sets(tops: list[int]) -> int:
    """Return |⋃ P(top)| by inclusion–exclusion; the sets are bitmasks.

    Each new top adds its power set and takes off what it shares with those before it. Equal
    intersections are merged, so the work grows with the number of distinct ones.
    """
    coefficients: dict[int, int] = {}
    for top in tops:
        update = {top: 1}
        for shared, coefficient in coefficients.items():
            update[shared & top] = update.get(shared & top, 0) - coefficient
        for shared, coefficient in update.items():
            total = coefficients.get(shared, 0) + coefficient
            if total:
                coefficients[shared] = total
            else:
                coefficients.pop(shared, None)
    return sum(c << shared.bit_count() for shared, c in coefficients.items())


def count_union_of_power_sets_bdd(tops: list[int], elements: list[int]) -> int:
    """Return |⋃ P(top)| as the number of models of ⋁_top ⋀_{i ∈ elements, i ∉ top} ¬i."""
    if not tops:
        return 0
    diagram = BDD()
    diagram.declare(*(f"p{i}" for i in elements))
    union = diagram.false
    for top in tops:
        inside = diagram.true
        for i in reversed(elements):
            if not top >> i & 1:
                inside &= ~diagram.var(f"p{i}")
        union |= inside
    return int(diagram.count(union, nvars=len(elements)))


def count_completions(
    vocabulary: Vocabulary, statement: int, method: Method = "inclusion-exclusion"
) -> int:
    """Return w(x) = |Ext(x)| without listing Ext(x), for vocabularies of any size.

    Raises UserError for a statement outside the vocabulary or an unknown method.
    """
    check_statement(vocabulary, statement)
    tops = [top & ~statement for top in maximal_statements(vocabulary, statement)]
    if method == "inclusion-exclusion":
        return count_union_of_power_sets(tops)
    if method == "bdd":
        free = [i for i in range(len(vocabulary)) if not statement >> i & 1]
        return count_union_of_power_sets_bdd(tops, free)
    raise UserError(f"unknown method '{method}'; expected 'inclusion-exclusion' or 'bdd'")


def count_language(vocabulary: Vocabulary, method: Method = "inclusion-exclusion") -> int:
    """Return |L_v|, the weakness of the empty statement."""
    return count_completions(vocabulary, 0, method)
