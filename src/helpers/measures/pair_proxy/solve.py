"""From features to counts: which classes can each probe still take?

The answers are about the features as given, floats read as the rationals they are. Every "feasible"
leaves this module with a layer whose margins exceed their own rounding error, every "infeasible"
with weights next to which, by a bound on rounding, exact ones lie (`perturbation`). Whatever is not
proved so is settled in rational arithmetic, and counted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, optimize
from threadpoolctl import ThreadpoolController

from helpers.errors import UserError
from helpers.measures.pair_proxy import active_set, centre, exact, spanning
from helpers.measures.pair_proxy.active_set import AMBIGUOUS, FEASIBLE, INFEASIBLE, UNKNOWN
from helpers.measures.pair_proxy.certificates import (
    TOLERANCE,
    Farkas,
    Witness,
    layers_hold,
    margins_exceed_rounding,
    rounding_of,
    verify,
)
from helpers.measures.pair_proxy.perturbation import prove_all
from helpers.measures.pair_proxy.problem import (
    INSIDE,
    OUTSIDE,
    Floats,
    Ints,
    Problem,
    build,
    check_inputs,
    homogenise,
)

# Multipliers (of unit rows) below this share of the largest are rounding: the rows are not needed.
NO_WEIGHT = 1e-12
MAX_STEPS = 200  # for each pair, and ten more for each unknown: several times what is needed


@dataclass(frozen=True)
class PairProxy:
    """Hold the answer for every (probe, class) pair, with a certificate for each.

    status (p, K) holds FEASIBLE (1), INFEASIBLE (0) or AMBIGUOUS (−1). With inconsistent training
    labels no layer exists: separable is False, reason says why, every pair is INFEASIBLE and
    inconsistency proves it.
    """

    status: NDArray[np.int8]
    separable: bool
    reason: str
    start: str  # where the interior point came from
    rank: int  # of the homogenised training features
    settled: int  # pairs that no rounding bound proved: rational arithmetic gave the answer
    outside: int  # probes outside the span of the training features: every class is open
    steps: int  # active-set steps taken
    loose: int = 0  # INFEASIBLE pairs whose certificates hold only to the share `within` allows
    inconsistency: Farkas | None = None
    witnesses: Sequence[Witness] = field(default=(), repr=False)
    owner: Ints = field(default_factory=lambda: np.zeros((0, 0), np.int64), repr=False)
    proofs: dict[tuple[int, int], Farkas] = field(default_factory=dict, repr=False)

    @property
    def extensions(self) -> Ints:
        """Count the classes each probe can still take, (p,): ext(x) of protocol section D."""
        return np.asarray((self.status == FEASIBLE).sum(axis=1), dtype=np.int64)

    @property
    def pair_proxy(self) -> int:
        """Count the feasible pairs: the sum of ext(x) over the probes."""
        return int((self.status == FEASIBLE).sum())

    @property
    def ambiguous(self) -> int:
        """Count the pairs left undecided (none, unless settling was turned off or gave up)."""
        return int((self.status == AMBIGUOUS).sum())

    def certificate(self, probe: int, wanted: int) -> Witness | Farkas | None:
        """Return the certificate for one pair (None if it is ambiguous); see verify."""
        answer = self.status[probe, wanted]
        if answer == FEASIBLE:
            return self.witnesses[self.owner[probe, wanted]]
        if answer == AMBIGUOUS:
            return None
        return self.inconsistency or self.proofs[probe, wanted]


def pair_proxy(
    features: ArrayLike,
    labels: ArrayLike,
    probes: ArrayLike,
    *,
    classes: int | None = None,
    last_layer: tuple[ArrayLike, ArrayLike] | None = None,
    settle: bool = True,
    within: float = 0.0,
) -> PairProxy:
    """Decide which classes each probe can take while every training point keeps its label.

    features (n, d) and probes (p, d) come from one frozen feature layer, labels (n,) lie in
    0…K−1; classes = K if some are missing from training. last_layer = (W (K, d), b (K,)) is a
    trained head, used as the starting point if it labels all training points rightly; otherwise
    (and without one) a max-margin linear program supplies a start or shows that there is none.
    settle=False leaves doubtful pairs AMBIGUOUS instead of using rational arithmetic. Floats are
    read as the rationals they are; within > 0 says that the features are known to this share of
    their size only (they went through a linear map in floats, say). A combination of rows that
    vanishes to this share of their size then passes for INFEASIBLE, and `loose` counts it.

    Raises UserError for shapes that disagree, values that are not finite, labels outside 0…K−1,
    and for no points or no probes. Source: arXiv:2605.05209, Theorem 15 (Σ_x ext(x)).
    """
    phi, y, x, k = check_inputs(features, labels, probes, classes)
    layer = None if last_layer is None else _check_layer(last_layer, k, phi.shape[1])
    # One thread: several would only wait for each other on products this small.
    with _libraries().limit(limits=1, user_api="blas"):
        return _answer(build(phi, y, x, k), layer, settle, within)


@cache
def _libraries() -> ThreadpoolController:
    """Look for the BLAS libraries once a process: a look takes milliseconds."""
    return ThreadpoolController()


def _answer(
    problem: Problem, layer: tuple[Floats, Floats] | None, settle: bool, within: float = 0.0
) -> PairProxy:
    if problem.classes == 1:
        return _single_class(problem)
    if layer is not None:
        start = centre.from_layer(problem, *layer)
        if start is not None:
            with contextlib.suppress(centre.NoCentreError):  # too near the boundary: start afresh
                middle = centre.analytic_centre(problem, start)
                return _Run(problem, middle, within).answer("the trained last layer", settle)
    source = "a max-margin linear program"
    start, margin, multipliers = centre.max_margin(problem)
    if margin <= max(1e-9, 100 * problem.noise):
        found = _doubtful_start(problem, multipliers, settle)
        if not isinstance(found, np.ndarray):
            return found
        start, source = found, "rational arithmetic"
    try:
        middle = centre.analytic_centre(problem, start)
    except centre.NoCentreError:
        return _pair_by_pair(
            problem,
            "the training labels are separable, but by a margin too close to rounding to find the "
            "centre of the layers that separate them",
            settle,
        )
    return _Run(problem, middle, within).answer(source, settle)


class _Run:
    """Keep the growing lists of witnesses and proofs of one problem."""

    def __init__(self, problem: Problem, middle: centre.Centre, within: float = 0.0) -> None:
        self.problem, self.within = problem, within
        self.middle = middle
        self.rows = homogenise(np.vstack([problem.features, problem.probes]))
        shape = (len(problem.probes), problem.classes)
        self.status = np.full(shape, UNKNOWN, dtype=np.int64)
        self.owner = np.full(shape, -1, dtype=np.int64)
        self.work = exact.Work()  # one allowance for all pairs
        self.everything: tuple[Floats, Ints] | None = None  # training rows, and those that span
        self.points: list[Floats] = [self.middle.point[None]]
        self.proofs: dict[tuple[int, int], Farkas] = {}
        self.hints: dict[tuple[int, int], list[exact.Row]] = {}
        self.steps = self.loose = 0

    def answer(self, source: str, settle: bool) -> PairProxy:
        """Solve every pair, check every certificate, settle what is doubtful."""
        problem = self.problem
        escaping = problem.outside > OUTSIDE
        doubtful = (problem.outside > INSIDE) & ~escaping
        self.status[escaping | doubtful] = AMBIGUOUS
        self._solve(np.flatnonzero(~(escaping | doubtful)))
        layers = list(self._check_witnesses(problem.layer(np.concatenate(self.points))))
        self._check_proofs()
        for at in np.flatnonzero(escaping):
            self._escape(int(at), layers)
        witnesses = [Witness(rows[:, :-1], rows[:, -1]) for rows in layers]
        unsettled = np.argwhere(self.status == AMBIGUOUS) if settle else np.zeros((0, 2), int)
        settled = sum(self._settle(int(probe), int(c), witnesses) for probe, c in unsettled)
        return PairProxy(
            status=self.status.astype(np.int8),
            separable=True,
            reason="",
            start=source,
            rank=problem.rank,
            settled=settled,
            outside=int(escaping.sum()),
            steps=self.steps,
            loose=self.loose,
            witnesses=witnesses,
            owner=self.owner,
            proofs=self.proofs,
        )

    def _solve(self, inside: Ints) -> None:
        problem, point = self.problem, self.middle.point
        slack = centre.slacks(problem, point)
        weights = np.ascontiguousarray((1.0 / np.where(np.isinf(slack), 1.0, slack)).T)
        inverse = linalg.solve_triangular(
            self.middle.factor, np.eye(point.size), lower=True, check_finite=False
        )
        cone = (
            problem.points,
            np.ascontiguousarray(problem.points.T),
            problem.labels,
            weights,
            np.ascontiguousarray(inverse.T),
            self.middle.factor.T @ point.ravel(),
            problem.noise,
        )
        active_set.share(point, problem.targets, self.status, self.owner, 0, UNKNOWN)
        found, limit = 1, MAX_STEPS + 10 * point.size
        for probe in inside:
            if (self.status[probe] != UNKNOWN).all():
                continue
            fresh, rows, multipliers, ends, proved, steps = active_set.solve_probe(
                cone, problem.targets, probe, self.status, self.owner, found, limit
            )
            self.points.append(fresh)
            found += len(fresh)
            self.steps += steps
            for at, c in enumerate(proved):
                part = slice(ends[at], ends[at + 1])
                self._record(int(probe), int(c), rows[part], multipliers[part])

    def _record(self, probe: int, c: int, rows: Ints, multipliers: Floats) -> None:
        """Keep a proof in terms of the original, unscaled rows."""
        if self.status[probe, c] == AMBIGUOUS:
            self.hints[probe, c] = [(int(a), int(b), int(i)) for a, b, i in rows]
            return
        used = multipliers > NO_WEIGHT * multipliers.max()
        rows, multipliers = rows[used], multipliers[used]
        train = rows[:, 2] >= 0
        points = rows[train, 2]
        self.proofs[probe, c] = Farkas(
            points=points,
            classes=rows[train, 1],
            weights=multipliers[train] / self.problem.point_lengths[points],
            probe_classes=rows[~train, 1],
            probe_weights=multipliers[~train] / self.problem.target_lengths[probe],
        )

    def _check_witnesses(self, layers: Floats) -> Floats:
        """Demote every pair whose witness does not provably label all its points."""
        problem = self.problem
        train = homogenise(problem.features)
        good = layers_hold(layers, train, problem.labels)
        probes, wanted = np.nonzero(self.status == FEASIBLE)
        owner = self.owner[probes, wanted]
        rows = homogenise(problem.probes[probes])
        scores = np.einsum("jkd,jd->jk", layers[owner], rows)
        sizes = np.einsum("jd,jd->j", np.abs(layers).max(axis=1)[owner], np.abs(rows))
        own = scores[np.arange(len(owner)), wanted].copy()
        scores[np.arange(len(owner)), wanted] = -np.inf
        bound = rounding_of(rows.shape[1], sizes)
        bad = ~(good[owner] & (own - scores.max(axis=1) > bound))
        self.status[probes[bad], wanted[bad]] = AMBIGUOUS
        return layers

    def _check_proofs(self) -> None:
        """Keep the proofs next to which exact ones lie, if need be with better weights."""
        good = self._hold_together()
        for (probe, c), proof in [
            item for item, fine in zip(self.proofs.items(), good, strict=True) if not fine
        ]:
            self.hints[probe, c] = self._rows_of(c, proof)
            better = (
                self._passable(probe, c, proof)
                or self._combine(probe, c, self.hints[probe, c])
                or self._complete(probe, c)
            )
            if better is None:
                del self.proofs[probe, c]
                self.status[probe, c] = AMBIGUOUS
            else:
                self.proofs[probe, c] = better

    def _passable(self, probe: int, c: int, proof: Farkas) -> Farkas | None:
        """Accept a certificate, and count it, if it vanishes to what is known of the features."""
        problem, within = self.problem, self.within
        if not within > 0 or not verify(
            proof, problem.features, problem.labels, problem.probes[probe], c, within=within
        ):
            return None
        self.loose += 1
        return proof

    def _hold_together(self) -> NDArray[np.bool_]:
        """Prove all at once, as `verify` does one; improve the weights of those that hold."""
        proofs = self.proofs
        if not proofs:
            return np.zeros(0, dtype=bool)
        keys, parts = list(proofs), list(proofs.values())
        held, better = self._prove(keys, parts)
        for key, part, fine, weights in zip(keys, parts, held, better, strict=True):
            if fine:
                proofs[key] = _with_weights(part, weights)
        return held

    def _prove(
        self, keys: Sequence[tuple[int, int]], parts: Sequence[Farkas]
    ) -> tuple[NDArray[np.bool_], list[Floats]]:
        """Return which certificates are proved, and their weights, improved where proved."""
        own = [self.problem.labels[part.points] for part in parts]
        asked = [
            np.full(len(part.probe_classes), c) for part, (_, c) in zip(parts, keys, strict=True)
        ]
        count = len(self.problem.labels)
        place = [
            np.full(len(part.probe_classes), count + probe)
            for part, (probe, _) in zip(parts, keys, strict=True)
        ]
        plus = _alternate(own, asked)
        minus = _alternate([p.classes for p in parts], [p.probe_classes for p in parts])
        at = _alternate([p.points for p in parts], place)
        weights = _alternate([p.weights for p in parts], [p.probe_weights for p in parts])
        ends = np.cumsum([0, *(len(p.points) + len(p.probe_classes) for p in parts)])
        held, better = prove_all(self.rows, plus, minus, at, weights, ends, TOLERANCE)
        return held, np.split(better, ends[1:-1])

    def _combine(self, probe: int, c: int, rows: list[exact.Row]) -> Farkas | None:
        """Find weights for rows (point −1: the probe) by nonnegative least squares, and prove."""
        points = self._rows_with(probe)
        scale = np.abs(points[:-1]).max(axis=0)
        points = points / np.where(scale > 0, scale, 1.0)
        plus, minus, point = np.array(rows).T
        system = np.zeros((len(rows), self.problem.classes, points.shape[1]))
        every = np.arange(len(rows))
        system[every, plus] = points[point]
        system[every, minus] = -points[point]
        flat = system.reshape(len(rows), -1)
        lengths = np.linalg.norm(flat, axis=1)
        matrix = np.vstack([(flat / lengths[:, None]).T, np.ones(len(rows))])
        try:
            weights, _ = optimize.nnls(matrix, np.r_[np.zeros(len(matrix) - 1), 1.0])
        except RuntimeError:  # did not converge
            return None
        needed = weights > NO_WEIGHT * weights.max()
        weights, train = weights / lengths, point >= 0
        used, asked = train & needed, ~train & needed
        proof = Farkas(point[used], minus[used], weights[used], minus[asked], weights[asked])
        (held,), (better,) = self._prove([(probe, c)], [proof])
        return _with_weights(proof, better) if held else self._passable(probe, c, proof)

    def _complete(self, probe: int, c: int) -> Farkas | None:
        """Find a certificate whose rows span (see `spanning`), and prove it."""
        problem = self.problem
        if self.everything is None:
            rows = centre.training_rows(problem).toarray()
            self.everything = rows, spanning.spanning_rows(rows)
        known, spread = self.everything
        asked = centre.asked_rows(problem, probe, c)
        weights = spanning.complete(np.vstack([known, asked]), spread)
        if weights is None:
            return None
        i, k = centre.training_pairs(problem)
        rivals = np.delete(np.arange(problem.classes), c)
        scale = np.append(
            problem.point_lengths[i], np.full(len(rivals), problem.target_lengths[probe])
        )
        used = np.flatnonzero(weights > 0)
        raw = weights[used] / scale[used]
        own = used < len(i)
        proof = Farkas(i[used[own]], k[used[own]], raw[own], rivals[used[~own] - len(i)], raw[~own])
        (held,), (better,) = self._prove([(probe, c)], [proof])
        return _with_weights(proof, better) if held else None

    def _rows_with(self, probe: int) -> Floats:
        """Give the training rows and, as the last one, the probe's: (n + 1, d + 1)."""
        count = len(self.problem.labels)
        return self.rows[[*range(count), count + probe]]

    def _rows_of(self, c: int, proof: Farkas) -> list[exact.Row]:
        labels = self.problem.labels
        return [(c, int(k), -1) for k in proof.probe_classes] + [
            (int(labels[i]), int(k), int(i))
            for i, k in zip(proof.points, proof.classes, strict=True)
        ]

    def _escape(self, probe: int, layers: list[Floats]) -> None:
        """Give a probe outside the span every class, by a direction no training row sees."""
        problem = self.problem
        base = problem.layer(self.middle.point)
        row = homogenise(problem.probes[probe : probe + 1])
        scores = base @ row[0]
        needed = 2.0 * (scores.max() - scores) + np.abs(scores).max() + 1e-3
        trial = np.repeat(base[None], problem.classes, axis=0)
        every = np.arange(problem.classes)
        trial[every, every] += needed[:, None] * problem.escapes[probe]
        points = homogenise(problem.features)
        good = margins_exceed_rounding(trial, points, problem.labels).all(axis=1)
        for c in every[good]:
            if margins_exceed_rounding(trial[c : c + 1], row, np.array([c])).all():
                self.status[probe, c] = FEASIBLE
                self.owner[probe, c] = len(layers)
                layers.append(trial[c])

    def _settle(self, probe: int, c: int, witnesses: list[Witness]) -> bool:
        """Decide a doubtful pair; return whether that took rational arithmetic, and succeeded."""
        problem = self.problem
        count = len(problem.labels)
        points, told = self._rows_with(probe), np.append(problem.labels, c)
        found = self.owner[probe, c]
        if found >= 0:  # a witness with margins too narrow for the float check
            known = witnesses[found]
            layer = np.concatenate([known.weights, known.bias[:, None]], axis=1)
            if exact.labels_strictly(layer, points, told):
                self._keep_witness(probe, c, _as_fractions(layer), witnesses)
                return True
        support = self.hints.get((probe, c), [])
        weights = exact.vanishing_weights(points, support, self.work) if support else None
        if weights is not None:
            self.status[probe, c] = INFEASIBLE
            self.proofs[probe, c] = _weighted(support, weights)
            return True
        hint = [*support, *centre.tight_rows(problem, probe, c)]
        near = list(dict.fromkeys(hint))[: 3 * (self.middle.point.size + problem.classes)]
        proof = self._combine(probe, c, near) if near else None
        if proof is not None:
            self.status[probe, c], self.proofs[probe, c] = INFEASIBLE, proof
            return False
        decided = exact.decide(
            points,
            told,
            problem.classes,
            [(a, b, count if i < 0 else i) for a, b, i in hint],
            np.append(problem.point_lengths, problem.target_lengths[probe]),
            self.work,
        )
        if decided is None:
            return False
        if decided.witness is not None:
            self._keep_witness(probe, c, _rounded(decided.witness, points, told), witnesses)
        else:
            self.status[probe, c] = INFEASIBLE
            self.proofs[probe, c] = _exact_proof(decided, points, count)
        return True

    def _keep_witness(self, probe: int, c: int, layer: Witness, witnesses: list[Witness]) -> None:
        self.status[probe, c], self.owner[probe, c] = FEASIBLE, len(witnesses)
        witnesses.append(layer)


def _doubtful_start(problem: Problem, multipliers: Floats, settle: bool) -> Floats | PairProxy:
    """Find an interior point exactly, or return the answer for inconsistent (or unknown) labels."""
    points, told = homogenise(problem.features), problem.labels
    order = np.argsort(-multipliers, axis=None)
    order = order[multipliers.ravel()[order] > 0]
    i, k = np.divmod(order, problem.classes)
    hint = [(int(told[a]), int(b), int(a)) for a, b in zip(i, k, strict=True)]
    hint += centre.tight_rows(problem)
    lengths = problem.point_lengths
    decided = exact.decide(points, told, problem.classes, hint, lengths) if settle else None
    shape = (len(problem.probes), problem.classes)
    if decided is None:
        return _no_layer(
            np.full(shape, AMBIGUOUS, np.int8),
            problem,
            "the margin of the training labels is below rounding; whether they are separable was "
            "not settled",
            None,
        )
    if decided.witness is None:
        proof = _exact_proof(decided, points, -1)
        return _no_layer(np.full(shape, INFEASIBLE, np.int8), problem, _why(problem, proof), proof)
    rows = decided.witness / np.abs(decided.witness).max()
    start = centre.from_layer(problem, *_split(rows.astype(float)))
    if start is None:
        return _pair_by_pair(
            problem,
            "the training labels are separable, but only by a margin below rounding",
            settle,
        )
    return start


def _pair_by_pair(problem: Problem, reason: str, settle: bool) -> PairProxy:
    """Decide every pair in rational arithmetic, where floats know no interior point to start from.

    Pairs stay AMBIGUOUS if settling is off or the work allowed is used up; `separable` is then
    known only once some pair is feasible.
    """
    count, shape = len(problem.labels), (len(problem.probes), problem.classes)
    rows = homogenise(np.vstack([problem.features, problem.probes]))
    status, owner = np.full(shape, AMBIGUOUS, np.int8), np.full(shape, -1, np.int64)
    witnesses: list[Witness] = []
    proofs: dict[tuple[int, int], Farkas] = {}
    work = exact.Work()
    for probe, c in np.ndindex(shape) if settle else ():
        points, told = rows[[*range(count), count + probe]], np.append(problem.labels, c)
        decided = exact.decide(
            points,
            told,
            problem.classes,
            [(a, b, count if i < 0 else i) for a, b, i in centre.tight_rows(problem, probe, c)],
            np.append(problem.point_lengths, problem.target_lengths[probe]),
            work,
        )
        if decided is None:
            break
        if decided.witness is None:
            status[probe, c], proofs[probe, c] = INFEASIBLE, _exact_proof(decided, points, count)
        else:
            status[probe, c], owner[probe, c] = FEASIBLE, len(witnesses)
            witnesses.append(_rounded(decided.witness, points, told))
    return PairProxy(
        status=status,
        separable=bool(witnesses),
        reason=reason,
        start="none",
        rank=problem.rank,
        settled=int((status != AMBIGUOUS).sum()),
        outside=int((problem.outside > OUTSIDE).sum()),
        steps=0,
        witnesses=witnesses,
        owner=owner,
        proofs=proofs,
    )


def _no_layer(
    status: NDArray[np.int8], problem: Problem, reason: str, proof: Farkas | None
) -> PairProxy:
    return PairProxy(
        status=status,
        separable=False,
        reason=reason,
        start="none",
        rank=problem.rank,
        settled=0,
        outside=0,
        steps=0,
        inconsistency=proof,
    )


def _why(problem: Problem, proof: Farkas) -> str:
    involved = sorted({int(i) for i in proof.points})
    shown = ", ".join(map(str, involved[:6])) + (" …" if len(involved) > 6 else "")
    named = sorted({int(problem.labels[i]) for i in involved})
    return (
        "no last layer labels all training points as told: a positive combination of the "
        f"inequalities of {len(involved)} of them (points {shown}; classes "
        f"{', '.join(map(str, named))}) is zero"
    )


def _alternate(first: Sequence[Any], second: Sequence[Any]) -> NDArray[Any]:
    """Join first[0], second[0], first[1], second[1], …"""
    return np.concatenate([part for pair in zip(first, second, strict=True) for part in pair])


def _with_weights(proof: Farkas, weights: Floats) -> Farkas:
    count = len(proof.points)
    return replace(proof, weights=weights[:count], probe_weights=weights[count:])


def _exact_proof(decided: exact.Alternative, points: Floats, probe: int) -> Farkas:
    """Turn weights on integer rows into weights on the rows as given."""
    whole = exact.integers(points)
    # The last entry of a homogenised row is 1, so its integer is the factor it was scaled by.
    weights = [
        w * int(whole[i, -1]) for (*_, i), w in zip(decided.rows, decided.weights, strict=True)
    ]
    return _weighted([(a, b, -1 if i == probe else i) for a, b, i in decided.rows], weights)


def _weighted(rows: list[exact.Row], weights: list[exact.Fraction]) -> Farkas:
    """Make a certificate of rows (point −1: the probe) and exact weights; zeros are left out."""
    terms = [(row, w) for row, w in zip(rows, weights, strict=True) if w]
    training = [(i, k, w) for (_, k, i), w in terms if i >= 0]
    asked = [(k, w) for (_, k, i), w in terms if i < 0]
    return Farkas(
        points=np.array([i for i, _, _ in training], dtype=np.int64),
        classes=np.array([k for _, k, _ in training], dtype=np.int64),
        weights=np.array([w for *_, w in training], dtype=object),
        probe_classes=np.array([k for k, _ in asked], dtype=np.int64),
        probe_weights=np.array([w for _, w in asked], dtype=object),
    )


def _rounded(layer: NDArray[np.object_], points: Floats, told: Ints) -> Witness:
    """Round an integer witness to float64 if the floats still do the work, provably."""
    top = max(abs(value) for value in layer.ravel()) or 1
    floats = np.array([[float(exact.Fraction(v, top)) for v in row] for row in layer])
    if margins_exceed_rounding(floats[None], points, told).all():
        return Witness(*_split(floats))
    return _as_fractions([[exact.Fraction(v, top) for v in row] for row in layer])


def _as_fractions(layer: Any) -> Witness:
    exactly = np.array([[exact.Fraction(v) for v in row] for row in layer], dtype=object)
    return Witness(exactly[:, :-1], exactly[:, -1])


def _split(rows: Floats) -> tuple[Floats, Floats]:
    return rows[:, :-1], rows[:, -1]


def _check_layer(
    last_layer: tuple[ArrayLike, ArrayLike], classes: int, width: int
) -> tuple[Floats, Floats]:
    parts = [np.asarray(getattr(part, "detach", lambda part=part: part)()) for part in last_layer]
    weights, bias = (np.asarray(part, dtype=np.float64) for part in parts)
    if weights.shape != (classes, width) or bias.shape != (classes,):
        raise UserError(
            f"the last layer has weights {weights.shape} and bias {bias.shape}; expected "
            f"({classes}, {width}) and ({classes},): one row for each class; pass classes=K"
        )
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        raise UserError("the last layer holds NaN or infinity; expected finite numbers")
    return weights, bias


def _single_class(problem: Problem) -> PairProxy:
    """One class only: there is nothing to beat, so every pair is feasible under any layer."""
    shape = (len(problem.probes), 1)
    return PairProxy(
        status=np.full(shape, FEASIBLE, np.int8),
        separable=True,
        reason="",
        start="one class",
        rank=problem.rank,
        settled=0,
        outside=int((problem.outside > OUTSIDE).sum()),
        steps=0,
        witnesses=[Witness(np.zeros((1, problem.features.shape[1])), np.zeros(1))],
        owner=np.zeros(shape, np.int64),
    )
