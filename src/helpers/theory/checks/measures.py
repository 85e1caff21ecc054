"""Checks of the theorems on invariance and on PAC-Bayes, with the cases that they do not cover.

As in `checks`, a failure is a counterexample to the statement in the first line of the check; the
statements marked (False) are checked so that their counterexamples are counted.
"""

from __future__ import annotations

from itertools import product
from math import isclose, log

import numpy as np
import torch
from scipy.stats import entropy

from helpers.measures.pac_bayes import uniform_kl_ratio
from helpers.measures.regions import activation_patterns, count_patterns
from helpers.networks import Stack, initialise, logits
from helpers.networks.reparameterise import permute_units, rewrite_dead_units, scale_layers
from helpers.theory.checks.bets import small_families
from helpers.theory.checks.finite import Finding
from helpers.theory.counting import count_completions, count_language
from helpers.theory.languages import Vocabulary, members, statements

WIDTHS = (6, 8, 5, 4)


def _networks(count: int, points: int) -> tuple[Stack, torch.Tensor]:
    generator = torch.Generator().manual_seed(6)
    x = torch.randn(points, WIDTHS[0], generator=generator, dtype=torch.float64)
    return initialise(WIDTHS, range(count), dtype=torch.float64), x


def theorem_6(small: bool = False) -> Finding:
    """Rescaled and permuted networks answer alike, so a vocabulary of answers sees no change."""
    count = 10 if small else 200
    stack, x = _networks(count, 200)
    answers = logits(stack, x).argmax(dim=-1)
    cases = failures = 0
    for layer in (0, 1):
        units = WIDTHS[layer + 1]
        maps = [scale_layers(stack, layer, factor) for factor in (0.25, 2.0, 64.0)]
        maps.append(permute_units(stack, layer, torch.arange(units).flip(0)))
        for changed in maps:
            cases += count
            failures += int((logits(changed, x).argmax(dim=-1) != answers).any(dim=1).sum())
    return Finding("theorem-6", cases, failures, f"random networks {WIDTHS}, 200 points each")


def hidden_counts_are_invariant(small: bool = False) -> Finding:
    """Networks that answer alike have equally many patterns. (False: rewritten dead units.)"""
    count = 10 if small else 200
    stack, x = _networks(count, 200)
    bias = stack.biases[1].clone()
    bias[:, 0] = -100.0  # the first unit of the second layer is off at every point
    dead = Stack(stack.weights, (stack.biases[0], bias, stack.biases[2]))
    revived = rewrite_dead_units(dead, 1, x, seed=0)
    same = (logits(dead, x) == logits(revived, x)).flatten(1).all(dim=1).numpy()
    before = count_patterns(activation_patterns(dead, x, 2))
    after = count_patterns(activation_patterns(revived, x, 2))
    differ = same & (before != after)
    first = int(np.flatnonzero(differ)[0]) if differ.any() else 0
    detail = f"logits equal to the last bit, patterns {before[first]} and {after[first]}"
    return Finding("hidden-counts-invariant", int(same.sum()), int(differ.sum()), detail)


def theorem_7(small: bool = False) -> Finding:
    """KL(uniform on the buffer ‖ uniform on L_v), summed over the listed language, is ln(|L|/b)."""
    cases = failures = 0
    for family in small_families(small):
        language = len(statements(family.vocabulary))
        prior = np.full(language, 1 / language)
        for buffer in family.buffers:
            if not buffer:
                continue
            inside = np.array([buffer >> j & 1 for j in range(language)], dtype=float)
            divergence = entropy(inside / inside.sum(), prior)
            ratio = uniform_kl_ratio(buffer.bit_count(), language)
            cases += 1
            failures += not isclose(float(divergence), log(ratio), abs_tol=1e-12)
    return Finding("theorem-7", cases, failures, "the nonempty buffers of every small task")


def buffer_is_correct(small: bool = False) -> Finding:
    """The statements in a correct policy's buffer are correct policies too. (False.)"""
    cases = failures = 0
    for family in small_families(True):
        listed = [int(x) for x in statements(family.vocabulary)]
        good = set(family.policies)
        for buffer in family.buffers:
            inside = [listed[j] for j in members(buffer)]
            cases += len(inside)
            failures += sum(y not in good for y in inside)
    return Finding("buffer-is-correct", cases, failures, "statements in buffers of small tasks")


def region_class_vocabulary(regions: int, classes: int) -> Vocabulary:
    """Return the vocabulary "region r is class c" over all assignments of classes to regions.

    Program r·K + c holds in the assignments that give region r the class c.
    """
    states = list(product(range(classes), repeat=regions))
    programs = [
        sum(1 << i for i, state in enumerate(states) if state[r] == c)
        for r in range(regions)
        for c in range(classes)
    ]
    return Vocabulary(len(states), tuple(programs))


def free_regions_cancel(small: bool = False) -> Finding:
    """With T of R regions fixed, |L| is (K+1)^T times |Ext(π)|: the free ones cancel."""
    cases = failures = 0
    for classes, most in ((2, 3), (3, 2)) if small else ((2, 5), (3, 4)):
        for regions in range(1, most + 1):
            vocabulary = region_class_vocabulary(regions, classes)
            language = count_language(vocabulary)
            for training in range(regions + 1):
                policy = sum(1 << (r * classes) for r in range(training))
                cases += 1
                expected = (classes + 1) ** training * count_completions(vocabulary, policy)
                failures += language != expected
    return Finding("free-regions-cancel", cases, failures, "languages of up to five regions")


MEASURE_CHECKS = {
    "theorem-6": theorem_6,
    "hidden-counts-invariant": hidden_counts_are_invariant,
    "theorem-7": theorem_7,
    "buffer-is-correct": buffer_is_correct,
    "free-regions-cancel": free_regions_cancel,
}
"""Every check of the chapter on measures, by name; each takes `small`."""
