"""Decide pairs in fractions by a plain two-phase simplex: an oracle that shares no code."""

from fractions import Fraction

import numpy as np


def can_take(features, labels, probe, wanted, classes):
    """Say whether some layer labels all rows (floats as rationals) and puts `wanted` on top."""
    rows = []
    for row, told in [*zip(features, labels, strict=True), (probe, wanted)]:
        values = [Fraction(float(v)) for v in row] + [Fraction(1)]
        for k in range(classes):
            if k != told:
                blocks = [[Fraction(0)] * len(values) for _ in range(classes)]
                blocks[told] = values
                blocks[k] = [-v for v in values]
                rows.append([v for block in blocks[:-1] for v in block])  # gauge: last class is 0
    return not _some_combination_vanishes(rows)


def _some_combination_vanishes(rows):
    """Phase one, Bland's rule: is there λ ≥ 0 with Σ λ_j row_j = 0 and Σ λ_j = 1?"""
    count = len(rows)
    table = [[row[i] for row in rows] + [Fraction(0)] for i in range(len(rows[0]))]
    table.append([Fraction(1)] * (count + 1))
    basis = [None] * len(table)  # None: artificial
    while True:
        cost = [
            sum(line[j] for line, b in zip(table, basis, strict=True) if b is None)
            for j in range(count + 1)
        ]
        if cost[-1] == 0:
            return True
        enter = next((j for j in range(count) if cost[j] > 0), None)
        if enter is None:
            return False
        ratios = [
            (line[-1] / line[enter], -1 if b is None else b, i)
            for i, (line, b) in enumerate(zip(table, basis, strict=True))
            if line[enter] > 0
        ]
        _, _, leave = min(ratios)
        pivot = table[leave][enter]
        table[leave] = [v / pivot for v in table[leave]]
        for i, line in enumerate(table):
            factor = line[enter]
            if i != leave and factor:
                table[i] = [a - factor * b for a, b in zip(line, table[leave], strict=True)]
        basis[leave] = enter


KINDS = (
    "near_duplicates",
    "rank_deficient",
    "scales_apart",
    "outlier",
    "offset",
    "thin_margin",
    "probe_at_the_edge",
)


def near_degenerate(kind, seed):
    """Draw features, labels, probes, K = 3 with d in 2-4, n ≤ 12, as badly posed as `kind` says."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    d, n, classes = int(rng.integers(2, 5)), int(rng.integers(6, 12)), 3
    points = rng.normal(size=(n + 2, d))
    if seed % 3 == 0:
        points = np.maximum(points, 0.0)
    head, bias = rng.normal(size=(d, classes)), rng.normal(size=classes)
    told = (points[:n] @ head + bias).argmax(axis=1)
    features, probes = points[:n], points[n:]
    hair = 10.0 ** rng.integers(-16, -11)
    if kind == "near_duplicates":
        i = int(rng.integers(n))
        features = np.vstack([features, features[i] * (1 + hair * rng.normal(size=d))])
        told = np.append(told, (told[i] + 1) % classes)
    if kind == "rank_deficient":
        mix = rng.normal(size=(d, d)) @ np.diag([*[1.0] * (d - 1), 0.0]) @ rng.normal(size=(d, d))
        features, probes = features @ mix, probes @ mix
    if kind == "scales_apart":
        scale = 10.0 ** rng.integers(-12, 13, size=d)
        features, probes = features * scale, probes * scale
    if kind == "outlier":
        features = features.copy()
        features[0] *= 1e8
        told[0] = (features[0] @ head + bias).argmax()
    if kind == "offset":
        features, probes = features + 1e8, probes + 1e8
    if kind == "thin_margin":
        i, first, second = int(rng.integers(n)), 0, 1
        normal = head[:, first] - head[:, second]
        gap = features[i] @ normal + bias[first] - bias[second]
        features = features.copy()
        features[i] += (rng.choice([-1, 1]) * hair - gap) * normal / (normal @ normal)
        told[i] = first
    if kind == "probe_at_the_edge":
        weights = rng.dirichlet(np.ones(2), size=2)
        pairs = [rng.permutation(n)[:2] for _ in range(2)]
        probes = np.array([w @ features[pair] for w, pair in zip(weights, pairs, strict=True)])
        probes[1] += hair * rng.normal(size=d)
    return features, told, probes, classes
