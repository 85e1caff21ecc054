"""Tasks over an embodied language: correctness, children and parents, unseen region and buffers.

Source: arXiv:2605.05209 (task, correct policy, child, buffer; Lemma 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from helpers.errors import UserError
from helpers.theory.languages import (
    StatementSet,
    Vocabulary,
    embodied_language,
    extension,
    statements,
)


@dataclass(frozen=True)
class Task:
    """Hold a task (I, O): inputs I ⊆ L_v, and outputs O ⊆ Ext(I).

    Statements are bitmasks of programs. Raises UserError where an input is no statement of L_v, or
    an output completes no input.
    """

    vocabulary: Vocabulary
    inputs: frozenset[int]
    outputs: frozenset[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", frozenset(int(x) for x in self.inputs))
        object.__setattr__(self, "outputs", frozenset(int(y) for y in self.outputs))
        as_set(self.vocabulary, self.outputs)
        outside = self.inputs - set(statements(self.vocabulary).tolist())
        if outside:
            raise UserError(
                f"input {min(outside)} is no statement of the language; expected consistent "
                "subsets of the vocabulary"
            )
        reached = extension(self.vocabulary, self.inputs)
        stray = [y for y in sorted(self.outputs) if not reached[y]]
        if stray:
            raise UserError(
                f"output {stray[0]} completes none of the inputs; expected outputs within Ext(I)"
            )


def as_set(vocabulary: Vocabulary, items: Iterable[int]) -> StatementSet:
    """Return listed statements as a set of statements: boolean, shape (2**|v|,)."""
    result = np.zeros(1 << len(vocabulary), dtype=np.bool_)
    listed = list(items)
    if any(not 0 <= y < len(result) for y in listed):
        raise UserError(f"a statement lies outside the vocabulary; expected 0 to {len(result) - 1}")
    result[listed] = True
    return result


def reach(task: Task) -> StatementSet:
    """Return Ext(I), every completion of every input."""
    return extension(task.vocabulary, task.inputs)


def unseen(task: Task) -> StatementSet:
    """Return the unseen region U = L_v \\ Ext(I)."""
    return embodied_language(task.vocabulary) & ~reach(task)


def is_correct(task: Task, policy: int) -> bool:
    """Say whether `policy` is a statement with Ext(I) ∩ Ext(policy) = O."""
    completed = extension(task.vocabulary, policy)
    if not completed.any():  # inconsistent, so no statement of L_v
        return False
    return bool(np.array_equal(reach(task) & completed, as_set(task.vocabulary, task.outputs)))


def correct_policies(task: Task) -> NDArray[np.int64]:
    """List the correct policies of a task, ascending."""
    return np.array([p for p in _candidates(task) if is_correct(task, int(p))], dtype=np.int64)


def _candidates(task: Task) -> NDArray[np.int64]:
    # A correct policy is contained in every output, so only subsets of ⋂ O can be correct.
    shared = (1 << len(task.vocabulary)) - 1
    for output in task.outputs:
        shared &= output
    every = statements(task.vocabulary)
    return every[every & ~shared == 0]


def buffer(task: Task, policy: int) -> StatementSet:
    """Return the buffer B_π = Ext(π) ∩ U: the unseen statements that a policy leaves open."""
    return extension(task.vocabulary, policy) & unseen(task)


def buffer_size(task: Task, policy: int) -> int:
    """Return |B_π|."""
    return int(buffer(task, policy).sum())


def survives(task: Task, policy: int, demands: StatementSet) -> bool:
    """Say whether new demands S ⊆ U all lie in the policy's buffer: S ⊆ B_π."""
    return not np.any(demands & ~buffer(task, policy))


def is_child(child: Task, parent: Task) -> bool:
    """Say whether `child` ⊏ `parent`: I_child ⊊ I_parent and O_child ⊆ O_parent."""
    return (
        child.vocabulary == parent.vocabulary
        and child.inputs < parent.inputs
        and child.outputs <= parent.outputs
    )


def _subsets(items: Iterable[int]) -> Iterator[frozenset[int]]:
    listed = sorted(items)
    for size in range(len(listed) + 1):
        yield from (frozenset(chosen) for chosen in combinations(listed, size))


def children(task: Task) -> Iterator[Task]:
    """Yield every child of a task: fewer inputs, and some of its outputs that they reach."""
    for inputs in _subsets(task.inputs):
        if inputs == task.inputs:
            continue
        reached = extension(task.vocabulary, inputs)
        for outputs in _subsets(y for y in task.outputs if reached[y]):
            yield Task(task.vocabulary, inputs, outputs)


def parents(task: Task) -> Iterator[Task]:
    """Yield every parent of a task: more inputs, at least its outputs. For tiny languages."""
    others = [int(x) for x in statements(task.vocabulary) if x not in task.inputs]
    for extra in _subsets(others):
        if not extra:
            continue
        inputs = task.inputs | extra
        reached = np.flatnonzero(extension(task.vocabulary, inputs)).tolist()
        for more in _subsets(y for y in reached if y not in task.outputs):
            yield Task(task.vocabulary, inputs, task.outputs | more)


def all_tasks(vocabulary: Vocabulary) -> Iterator[Task]:
    """Yield every task of a vocabulary. Doubly exponential: for tiny languages only."""
    for inputs in _subsets(statements(vocabulary).tolist()):
        for outputs in _subsets(np.flatnonzero(extension(vocabulary, inputs)).tolist()):
            yield Task(vocabulary, inputs, outputs)


@dataclass(frozen=True)
class Lemma1Check:
    """Hold what an exhaustive check of Lemma 1 on one vocabulary found.

    tasks: all tasks (I, O). solvable: those with a correct policy. pairs: (task, correct policy)
    pairs, each one instance of the lemma. failures: pairs in which |Ext(π)| ≠ |O| + |B_π|.
    """

    tasks: int
    solvable: int
    pairs: int
    failures: int

    def __add__(self, other: Lemma1Check) -> Lemma1Check:
        """Add two checks, count by count."""
        return Lemma1Check(
            self.tasks + other.tasks,
            self.solvable + other.solvable,
            self.pairs + other.pairs,
            self.failures + other.failures,
        )


def check_lemma1(vocabulary: Vocabulary) -> Lemma1Check:
    """Check |Ext(π)| = |O| + |B_π| for every task of a vocabulary and every correct policy.

    A policy π is correct for exactly one O given I, namely Ext(I) ∩ Ext(π); so running over all
    pairs (I, π) meets every task that has a correct policy. Raises UserError if |L_v| > 20.
    """
    listed = statements(vocabulary)
    count = len(listed)
    if count > 20:
        raise UserError(f"{count} statements make 2**{count} sets of inputs; expected at most 20")
    # Sets of statements as integers whose bit j stands for listed[j].
    bits = np.int64(1) << np.arange(count, dtype=np.int64)
    ext = (((listed[None, :] & listed[:, None]) == listed[:, None]) * bits).sum(axis=1)
    reached = np.zeros(1, dtype=np.int64)  # Ext(I) for every I ⊆ L_v, by doubling
    for e in ext:
        reached = np.concatenate([reached, reached | e])
    everything = int(bits.sum())
    outputs = reached[:, None] & ext[None, :]
    in_buffer = ext[None, :] & (everything & ~reached)[:, None]
    sizes = np.bitwise_count(outputs).astype(int) + np.bitwise_count(in_buffer)
    failures = int((sizes != np.bitwise_count(ext)[None, :]).sum())
    ordered = np.sort(outputs, axis=1)
    solvable = len(reached) + int((ordered[:, 1:] != ordered[:, :-1]).sum()) if count else 0
    tasks = int((1 << np.bitwise_count(reached).astype(np.int64)).sum())
    return Lemma1Check(tasks, solvable, outputs.size, failures)
