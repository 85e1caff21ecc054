"""Brute force from the definitions, with sets of sets and no bitmask: a second opinion."""

from __future__ import annotations

from itertools import chain, combinations


def powerset(things):
    things = list(things)
    return [
        frozenset(c)
        for c in chain.from_iterable(combinations(things, k) for k in range(len(things) + 1))
    ]


def program_sets(vocabulary):
    """Turn a Vocabulary's bitmasks into a list of frozensets of states."""
    return [
        frozenset(s for s in range(vocabulary.states) if p // 2**s % 2 == 1)
        for p in vocabulary.programs
    ]


def truth(states, programs, statement):
    """Every state that lies in each program of the statement, asked state by state."""
    return frozenset(s for s in range(states) if all(s in programs[i] for i in statement))


def language(states, programs):
    """Subsets of the vocabulary that some state satisfies."""
    return {
        x
        for x in powerset(range(len(programs)))
        if any(all(s in programs[i] for i in x) for s in range(states))
    }


def ext(lang, statement):
    return {y for y in lang if statement.issubset(y)}


def ext_many(lang, inputs):
    return {y for y in lang if any(x.issubset(y) for x in inputs)}


def correct(lang, inputs, outputs):
    return {p for p in lang if ext_many(lang, inputs).intersection(ext(lang, p)) == set(outputs)}


def decode(mask):
    """Turn a bitmask into a frozenset by its binary digits."""
    return frozenset(i for i, digit in enumerate(reversed(bin(int(mask))[2:])) if digit == "1")


def encode(statement):
    return sum(2**i for i in statement)
