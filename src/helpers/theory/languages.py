"""Finite embodied languages: environments, vocabularies, statements, extensions, weakness.

Everything is exact and everything is a bitmask. A *program* is a set of states, stored as an
integer whose bit s says whether state s is in it. A *statement* is a set of programs, stored as an
integer whose bit i says whether program i of the vocabulary is in it; the empty statement is 0. A
*set of statements* is a boolean array of length 2**|v| indexed by statement, so that union is `|`,
intersection `&`, difference `& ~` and size `.sum()`.

Source: arXiv:2605.05209, definitions of Stack Theory (finite case).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from helpers.errors import UserError

StatementSet = NDArray[np.bool_]

MAX_LISTED_PROGRAMS = 24  # 2**24 statements: the tables below then take 128 MB each
MAX_LISTED_STATES = 64  # one machine word for each truth set


@dataclass(frozen=True)
class Vocabulary:
    """Hold an environment of `states` states and a set of programs over it.

    states: |Φ|, at least 1. programs: one bitmask of states each, all different (a vocabulary is
    a set). program_names, state_names: labels; numbers are used when they are left out.
    Raises UserError for an empty environment, a program outside it, a program given twice or a
    wrong number of names.
    """

    states: int
    programs: tuple[int, ...]
    program_names: tuple[str, ...] = ()
    state_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        programs = tuple(int(p) for p in self.programs)
        object.__setattr__(self, "programs", programs)
        if self.states < 1:
            raise UserError(f"an environment needs at least one state; got {self.states}")
        for i, program in enumerate(programs):
            if not 0 <= program <= self.full:
                raise UserError(
                    f"program {i} is {program}; expected a bitmask of the {self.states} states, "
                    f"from 0 to {self.full}"
                )
            if program in programs[:i]:
                raise UserError(
                    f"programs {programs.index(program)} and {i} are the same set of states; "
                    "a vocabulary is a set, so drop one of them"
                )
        for kind, names, count in (
            ("program", self.program_names, len(programs)),
            ("state", self.state_names, self.states),
        ):
            if names and len(names) != count:
                raise UserError(f"{len(names)} {kind} names for {count} {kind}s; expected one each")
            if len(set(names)) < len(names):
                raise UserError(f"two {kind}s share a name in {names}; expected different names")

    def __len__(self) -> int:
        """Return the number of programs, |v|."""
        return len(self.programs)

    @property
    def full(self) -> int:
        """Return the whole environment Φ as a bitmask of states."""
        return (1 << self.states) - 1

    @classmethod
    def from_sets(
        cls,
        states: Sequence[Hashable],
        programs: Mapping[str, Iterable[Hashable]],
    ) -> Vocabulary:
        """Build a vocabulary from named states and from programs written as sets of those names.

        Raises UserError where a program names a state that the environment lacks.
        """
        index = {state: i for i, state in enumerate(states)}
        masks = []
        for name, content in programs.items():
            chosen = set(content)
            unknown = [s for s in chosen if s not in index]
            if unknown:
                raise UserError(
                    f"program '{name}' names the state {unknown[0]!r}; "
                    f"expected one of {list(states)}"
                )
            masks.append(sum(1 << index[s] for s in chosen))
        return cls(len(states), tuple(masks), tuple(programs), tuple(str(s) for s in states))

    def statement(self, *names: str) -> int:
        """Return the statement that holds the named programs; no name gives the empty statement."""
        return sum(1 << self._index(name) for name in set(names))

    def names(self, statement: int) -> tuple[str, ...]:
        """Return the names of the programs in a statement, in the vocabulary's order."""
        labels = self.program_names or tuple(f"p{i}" for i in range(len(self)))
        return tuple(labels[i] for i in members(check_statement(self, statement)))

    def text(self, statement: int) -> str:
        """Return a statement as text, such as "{up, open}"; the empty one is "{}"."""
        return "{" + ", ".join(self.names(statement)) + "}"

    def _index(self, name: str) -> int:
        labels = self.program_names or tuple(f"p{i}" for i in range(len(self)))
        if name not in labels:
            raise UserError(f"no program is called '{name}'; expected one of {', '.join(labels)}")
        return labels.index(name)


def members(mask: int) -> tuple[int, ...]:
    """Return the positions of the set bits of a bitmask, ascending."""
    mask = int(mask)
    return tuple(i for i in range(mask.bit_length()) if mask >> i & 1)


def check_statement(vocabulary: Vocabulary, statement: int) -> int:
    """Return `statement` as an int if it is a subset of the vocabulary.

    Raises UserError otherwise. Consistency is not asked for: see `is_statement`.
    """
    if not 0 <= statement < 1 << len(vocabulary):
        raise UserError(
            f"{statement} is no subset of a vocabulary of {len(vocabulary)} programs; "
            f"expected a bitmask from 0 to {(1 << len(vocabulary)) - 1}"
        )
    return int(statement)


def truth_set(vocabulary: Vocabulary, statement: int) -> int:
    """Return T(l), the states in which every program of `statement` holds, as a bitmask of states.

    The empty statement asks for nothing: its truth set is the whole environment.
    """
    result = vocabulary.full
    for i in members(check_statement(vocabulary, statement)):
        result &= vocabulary.programs[i]
    return result


def is_statement(vocabulary: Vocabulary, subset: int) -> bool:
    """Say whether a subset of the vocabulary is consistent, that is, belongs to L_v."""
    return truth_set(vocabulary, subset) != 0


def truth_sets(vocabulary: Vocabulary) -> NDArray[np.uint64]:
    """Return T(l) for every subset l of the vocabulary: shape (2**|v|,), bitmasks of states.

    Raises UserError beyond 24 programs or 64 states; count instead of listing there (`counting`).
    """
    if len(vocabulary) > MAX_LISTED_PROGRAMS or vocabulary.states > MAX_LISTED_STATES:
        raise UserError(
            f"{len(vocabulary)} programs over {vocabulary.states} states are too many to list; "
            f"expected at most {MAX_LISTED_PROGRAMS} and {MAX_LISTED_STATES}; "
            "use helpers.theory.counting"
        )
    table = np.array([vocabulary.full], dtype=np.uint64)
    for program in vocabulary.programs:  # doubling: first without this program, then with it
        table = np.concatenate([table, table & np.uint64(program)])
    return table


def embodied_language(vocabulary: Vocabulary) -> StatementSet:
    """Return L_v, the consistent subsets of the vocabulary, as a set of statements."""
    return truth_sets(vocabulary) != 0


def statements(vocabulary: Vocabulary) -> NDArray[np.int64]:
    """List L_v: its statements as bitmasks of programs, ascending."""
    return np.flatnonzero(embodied_language(vocabulary))


def extension(vocabulary: Vocabulary, what: int | Iterable[int]) -> StatementSet:
    """Return Ext(x), all completions of a statement, or Ext(X) = ∪ Ext(x) for several, as a set.

    The extension of an inconsistent subset, and of no statement at all, is empty.
    """
    chosen = [what] if isinstance(what, int | np.integer) else list(what)
    above = np.zeros(1 << len(vocabulary), dtype=np.bool_)
    above[[check_statement(vocabulary, x) for x in chosen]] = True
    for i in range(len(vocabulary)):  # whatever lies above x also does with program i added
        pairs = above.reshape(-1, 2, 1 << i)
        pairs[:, 1] |= pairs[:, 0]
    return above & embodied_language(vocabulary)


def completions(vocabulary: Vocabulary, what: int | Iterable[int]) -> NDArray[np.int64]:
    """List Ext(x), or Ext(X): the completions as bitmasks of programs, ascending."""
    return np.flatnonzero(extension(vocabulary, what))


def weakness(vocabulary: Vocabulary, statement: int) -> int:
    """Return w(x) = |Ext(x)|, by listing. See `weaknesses` for all at once."""
    return int(extension(vocabulary, statement).sum())


def superset_sums(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each subset x of m things, the sum of `values` over all y ⊇ x (a zeta transform).

    values: shape (2**m,), indexed by bitmask. Costs m·2**m additions instead of 4**m.
    """
    sums = np.array(values, dtype=np.int64)
    for i in range(len(sums).bit_length() - 1):
        pairs = sums.reshape(-1, 2, 1 << i)  # pairs[:, 0] lacks element i, pairs[:, 1] has it
        pairs[:, 0] += pairs[:, 1]
    return sums


def weaknesses(vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return w(x) for every subset x of the vocabulary: shape (2**|v|,), zero outside L_v."""
    return superset_sums(embodied_language(vocabulary).astype(np.int64))


def all_vocabularies(states: int, max_programs: int) -> Iterator[Vocabulary]:
    """Yield every vocabulary of at most `max_programs` programs over `states` states."""
    for size in range(max_programs + 1):
        for programs in combinations(range(1 << states), size):
            yield Vocabulary(states, programs)


def random_vocabulary(
    states: int, programs: int, rng: np.random.Generator, density: float = 0.5
) -> Vocabulary:
    """Draw distinct programs, each state in each program with probability `density`.

    Raises UserError where there are fewer than `programs` different subsets of the states, or where
    1,000 draws a program do not find that many.
    """
    found: dict[int, None] = {}
    if programs <= 1 << states:
        for _ in range(1000 * programs):
            if len(found) == programs:
                break
            bits = rng.random(states) < density
            found[sum(1 << int(s) for s in np.flatnonzero(bits))] = None
    if len(found) < programs:
        raise UserError(
            f"could not draw {programs} different programs over {states} states at density "
            f"{density}; ask for fewer programs, or a density nearer one half"
        )
    return Vocabulary(states, tuple(found))
