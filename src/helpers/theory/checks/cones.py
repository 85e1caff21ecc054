"""Checks of Proposition 14 and Theorem 15, and of what the pair proxy does not tell.

As in `checks`, a failure is a counterexample to the statement in the first line of the check; the
statement marked (False) is checked so that its counterexamples are counted.

The oracle for one feature needs no linear program. Last layers with K outputs are K straight lines
over the feature axis; the class on top changes from left to right as slopes grow, each class owns
one interval, and every order of disjoint intervals occurs. So a labelling is possible exactly if no
two classes overlap: of any two, one lies wholly to the left of the other.
"""

from __future__ import annotations

from itertools import combinations, product
from math import prod

import numpy as np

from helpers.measures.pair_proxy import pair_proxy, pair_proxy_reference
from helpers.measures.shared_layer import Lesson, count_realisable
from helpers.theory.checks.finite import Finding


def classes_are_apart(positions: np.ndarray, labels: np.ndarray) -> bool:
    """Say whether some last layer labels points on a line, (n,), as told."""
    groups = [positions[labels == c] for c in np.unique(labels)]
    spans = [(group.min(), group.max()) for group in groups]
    return all(a[1] < b[0] or b[1] < a[0] for a, b in combinations(spans, 2))


def proposition_14(small: bool = False) -> Finding:
    """A set of programs is consistent exactly if the linear program is feasible, at any margin."""
    known = np.array([0.0, 1.0, 2.0]) if small else np.array([0.0, 1.0, 2.0, 3.0])
    asked, margins = np.array([1.0, 1.5]), (1e-2, 1.0, 1e2)
    cases = failures = 0
    for labels in product(range(3), repeat=len(known)):
        told = np.array(labels)
        expected = _possible(known, told, asked)
        for margin in margins:
            features, probes = known[:, None], asked[:, None]
            found = pair_proxy_reference(
                features, told, probes, classes=3, margin=margin, careful=False
            )
            cases += found.size
            failures += int((found != expected).sum())
    scope = f"all labellings of {len(known)} points by three classes, margins 0.01, 1 and 100"
    return Finding("proposition-14", cases, failures, scope)


def theorem_15_exact(small: bool = False) -> Finding:
    """The pair proxy counts, at each probe, the classes that some last layer gives it."""
    known = np.arange(4.0 if small else 5.0)
    asked = np.arange(-0.5, len(known), 0.5)
    cases = failures = 0
    for labels in product(range(3), repeat=len(known)):
        told = np.array(labels)
        found = pair_proxy(known[:, None], told, asked[:, None], classes=3)
        cases += found.status.size
        failures += int((found.status != _possible(known, told, asked)).sum())
    scope = f"all labellings of {len(known)} points by three classes, {len(asked)} probes each"
    return Finding("theorem-15-exact", cases, failures, scope)


def theorem_15_invariant(small: bool = False) -> Finding:
    """An invertible affine map of the features changes no answer."""
    draws, conditions = (4, (1e2,)) if small else (30, (1.0, 1e2, 1e4))
    cases = failures = 0
    for seed in range(draws):
        random = np.random.default_rng(seed)
        d, classes = int(random.integers(2, 7)), int(random.integers(2, 6))
        points = np.maximum(random.normal(size=(60, d)), 0.0)
        head = random.normal(size=(d, classes))
        told = (points[:40] @ head).argmax(axis=1)
        plain = pair_proxy(points[:40], told, points[40:], classes=classes).status
        for condition in conditions:
            left, right = (np.linalg.qr(random.normal(size=(d, d)))[0] for _ in range(2))
            stretch = left * np.geomspace(1.0, condition, d) @ right
            moved = points @ stretch + random.normal(size=d)
            # Rounding the products moves points off the faces they share, hence `within`.
            found = pair_proxy(moved[:40], told, moved[40:], classes=classes, within=1e-13)
            mapped = found.status
            cases += plain.size
            failures += int((plain != mapped).sum())
    scope = f"{draws} random feature sets, maps of condition up to {max(conditions):,.0f}"
    return Finding("theorem-15-invariant", cases, failures, scope)


def pair_proxy_bounds_the_extension(small: bool = False) -> Finding:
    """1 + Σ ext(x) ≤ |Ext(π)| ≤ Π (1 + ext(x)), over the vocabulary of the probes."""
    found = _proxies_and_extensions(small)
    failures = sum(not 1 + proxy <= joint <= most for proxy, joint, most in found)
    return Finding("pair-proxy-bounds", len(found), failures, f"{len(found)} feature sets")


def pair_proxy_orders_like_the_extension(small: bool = False) -> Finding:
    """Of two feature sets the one with the larger pair proxy has the larger |Ext(π)|. (False.)"""
    found = _proxies_and_extensions(small)
    cases = failures = 0
    for (one, joint, _), (other, rival, _) in combinations(found, 2):
        cases += one != other
        failures += (one - other) * (joint - rival) < 0
    scope = f"pairs of {len(found)} feature sets, four probes each"
    return Finding("pair-proxy-orders-extensions", cases, int(failures), scope)


def _possible(known: np.ndarray, told: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Answer every (probe, class) pair by the oracle, (p, 3)."""
    return np.array(
        [
            [classes_are_apart(np.append(known, x), np.append(told, c)) for c in range(3)]
            for x in asked
        ]
    ).astype(np.int8)


def two_feature_maps() -> tuple[Lesson, Lesson]:
    """Return two maps of the same two training points and four probes, in opposite orders.

    Under the first, all four probes lie between the training points on a line; under the second
    only three are undecided, but in a plane, where they are freer of one another.
    """
    told = np.array([0, 1])
    line = Lesson(
        np.array([[-4.0], [4.0]]), told, np.array([[-1.5], [-0.5], [0.5], [1.5]]), classes=2
    )
    plane = Lesson(
        np.array([[-4.0, 0.0], [4.0, 0.0]]),
        told,
        np.array([[0.0, 1.0], [0.0, -1.0], [0.5, 0.0], [5.0, 0.0]]),
        classes=2,
    )
    return line, plane


def single_extensions(lesson: Lesson) -> list[int]:
    """Return ext(x) for each free point of a lesson."""
    return [len(lesson.options(x)) for x in range(len(lesson.free))]


def _proxies_and_extensions(small: bool) -> list[tuple[int, int, int]]:
    """Return (pair proxy, |Ext|, product of 1 + ext) for the two maps and for random ones."""
    told, lessons = np.arange(6) % 2, list(two_feature_maps())
    for seed in range(4 if small else 40):
        random = np.random.default_rng(seed)
        points = random.normal(size=(10, 1 + seed % 2))
        points[:6, 0] = (np.abs(points[:6, 0]) + 0.3) * np.where(told == 1, 1, -1)
        lessons.append(Lesson(points[:6], told, 0.7 * points[6:], 2))
    ext = [single_extensions(lesson) for lesson in lessons]
    return [
        (sum(one), count_realisable(lesson), prod(1 + c for c in one))
        for lesson, one in zip(lessons, ext, strict=True)
    ]


CONE_CHECKS = {
    "proposition-14": proposition_14,
    "theorem-15-exact": theorem_15_exact,
    "theorem-15-invariant": theorem_15_invariant,
    "pair-proxy-bounds": pair_proxy_bounds_the_extension,
    "pair-proxy-orders-extensions": pair_proxy_orders_like_the_extension,
}
