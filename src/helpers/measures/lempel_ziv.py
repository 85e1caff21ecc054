"""Count the phrases into which Lempel and Ziv's two parsings cut a sequence of labels."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np

from helpers.errors import UserError


def lempel_ziv_76(labels: Sequence[int] | np.ndarray) -> int:
    """Count the phrases of the exhaustive parsing of Lempel and Ziv (1976).

    Each phrase is the shortest stretch that does not occur earlier, where "earlier" may overlap the
    phrase itself; the last may be cut short. Linear time: a suffix automaton of the whole sequence
    knows where each stretch ends first. `labels` are integers ≥ 0, (n,).
    """
    return int(_count_76(*_symbols(labels)))


def lempel_ziv_78(labels: Sequence[int] | np.ndarray) -> int:
    """Count the phrases of the incremental parsing of Ziv and Lempel (1978).

    Each phrase is the shortest stretch that is not an earlier phrase; the last may repeat one.
    `labels` are integers ≥ 0, (n,).
    """
    return int(_count_78(*_symbols(labels)))


def _symbols(labels: Sequence[int] | np.ndarray) -> tuple[np.ndarray, int]:
    sequence = np.asarray(labels)
    if sequence.ndim != 1 or not len(sequence) or not np.issubdtype(sequence.dtype, np.integer):
        raise UserError(
            f"labels have shape {sequence.shape} and type {sequence.dtype}; "
            "expected a sequence of integers"
        )
    used, codes = np.unique(sequence, return_inverse=True)
    return codes.astype(np.int32), len(used)


@numba.njit(cache=True)
def _count_76(s, alphabet):  # type: ignore[no-untyped-def]
    n = len(s)
    # The suffix automaton (Blumer et al., 1985), with the first end of each state's stretches.
    follow = np.full((2 * n, alphabet), -1, dtype=np.int32)
    link = np.full(2 * n, -1, dtype=np.int32)
    longest = np.zeros(2 * n, dtype=np.int32)
    first_end = np.zeros(2 * n, dtype=np.int32)
    states, last = 1, 0
    for i in range(n):
        symbol = s[i]
        new = states
        states += 1
        longest[new] = longest[last] + 1
        first_end[new] = i
        p = last
        while p != -1 and follow[p, symbol] == -1:
            follow[p, symbol] = new
            p = link[p]
        if p == -1:
            link[new] = 0
        else:
            q = follow[p, symbol]
            if longest[p] + 1 == longest[q]:
                link[new] = q
            else:
                clone = states
                states += 1
                longest[clone] = longest[p] + 1
                follow[clone] = follow[q]
                link[clone] = link[q]
                first_end[clone] = first_end[q]
                while p != -1 and follow[p, symbol] == q:
                    follow[p, symbol] = clone
                    p = link[p]
                link[q] = clone
                link[new] = clone
        last = new
    phrases, state = 0, 0
    for i in range(n):
        state = follow[state, s[i]]
        if first_end[state] == i:  # the stretch so far was never seen before: a phrase ends
            phrases += 1
            state = 0
    return phrases + (1 if state != 0 else 0)


@numba.njit(cache=True)
def _count_78(s, alphabet):  # type: ignore[no-untyped-def]
    follow = np.full((len(s) + 1, alphabet), -1, dtype=np.int32)
    phrases, node = 0, 0
    for symbol in s:
        if follow[node, symbol] == -1:
            phrases += 1
            follow[node, symbol] = phrases
            node = 0
        else:
            node = follow[node, symbol]
    return phrases + (1 if node != 0 else 0)
