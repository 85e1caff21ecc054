"""All pairs of many networks as one batch, for a GPU; what it cannot prove the CPU solver decides.

Each network is prepared as in `solve`: whitened, free of the gauge, with the centre of its cone.
The pairs of all networks then go through the dual active-set method together (`batched_steps`).
Every witness and certificate so found must pass the checks of `solve`, at its tolerances, in
numpy on the CPU and for the features as given; a pair that has none, or one that fails, is
undecided, and `solve` answers it as if there had been no batch.

The arithmetic is float64 on any device, and no operation depends on the order in which threads
finish: the same call on the same device gives the same answers and certificates. Another device,
or another chunk, may find other witnesses and certificates for the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import linalg
from threadpoolctl import threadpool_limits
from torch import Tensor

from helpers.device import choose_device
from helpers.errors import UserError

from . import centre
from .active_set import AMBIGUOUS, DEPENDENT, FEASIBLE, INFEASIBLE, UNKNOWN
from .batched_steps import FIRST_ROWS, NOBODY, Board, Cones, decide, share
from .certificates import Farkas
from .kernels import FAR
from .problem import INSIDE, Floats, Ints, Problem, build, check_inputs, homogenise
from .solve import PairProxy, _answer, _check_layer, _Run

MAX_ROUNDS = 300  # a pair that is still open then is one for the CPU
CPU_BYTES = 2**28  # working memory of a chunk where nobody says how much there is
Layer = tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True)
class BatchedPairProxy:
    """Hold one `PairProxy` for each network, and how much of it the batch did.

    undecided (M,) counts the pairs that went to the CPU solver: no answer from the batch, or one
    whose witness or certificate failed its check; all pairs of a network without a known interior
    point are among them.
    """

    answers: tuple[PairProxy, ...]
    undecided: Ints
    device: str
    chunk: int  # pairs at a time, in the end
    rounds: int  # of the batched method, over all chunks
    pair_rounds: int  # the same, times the pairs that took part

    @property
    def pair_proxy(self) -> Ints:
        """Count the feasible pairs of each network, (M,)."""
        return np.array([answer.pair_proxy for answer in self.answers], dtype=np.int64)

    @property
    def pairs(self) -> int:
        """Count all pairs of all networks."""
        return sum(answer.status.size for answer in self.answers)


def pair_proxy_batched(
    features: ArrayLike | Sequence[ArrayLike],
    labels: ArrayLike | Sequence[ArrayLike],
    probes: ArrayLike | Sequence[ArrayLike],
    *,
    classes: int | None = None,
    last_layers: Layer | Sequence[Layer | None] | None = None,
    settle: bool = True,
    device: str = "auto",
    chunk: int | None = None,
) -> BatchedPairProxy:
    """Answer `pair_proxy` for M networks at once: every probe, every class, on one device.

    features (M, n, d) and probes (M, p, d) are stacked, or lists of M matrices that may differ in
    shape; labels are (n,) for all, or one row or list entry for each network. last_layers are
    stacked (W (M, K, d), b (M, K)) or a list of M pairs (W, b) or None. classes and settle are
    those of `pair_proxy`. device is a name for `choose_device`; chunk is the number of pairs to
    begin with at a time (by default what the memory should hold): out of memory, it is halved and
    the chunk begun again.

    Raises UserError for what `pair_proxy` refuses, for lists of different lengths, for a chunk
    below 1, and for mps, which has no float64. Source: arXiv:2605.05209, Theorem 15.
    """
    if device == "mps":
        raise UserError(
            "device 'mps' has no float64, which the pair proxy needs; use DEVICE=cpu, or "
            "pair_proxy for one network at a time"
        )
    where = choose_device(device)
    if chunk is not None and (isinstance(chunk, bool) or int(chunk) != chunk or chunk < 1):
        raise UserError(f"chunk is {chunk!r}; expected a whole number of pairs, at least 1")
    given = _networks(features, labels, probes, last_layers)
    with threadpool_limits(1, user_api="blas"):
        networks = [_prepare(*one, classes) for one in given]
    runs = [(at, net.run) for at, net in enumerate(networks) if net.run is not None]
    boards = [
        _Batch([(at, run) for at, run in runs if run.problem.classes == k], where, chunk)
        for k in sorted({run.problem.classes for _, run in runs})
    ]
    for batch in boards:
        batch.solve()
        batch.hand_over()
    with threadpool_limits(1, user_api="blas"):
        answers = [net.answer(settle) for net in networks]
    return BatchedPairProxy(
        answers=tuple(answers),
        undecided=np.array(
            [
                net.run.undecided if net.run else answer.status.size * (net.problem.classes > 1)
                for net, answer in zip(networks, answers, strict=True)
            ],
            dtype=np.int64,
        ),
        device=str(where),
        chunk=min((batch.size for batch in boards), default=0),
        rounds=sum(batch.board.rounds for batch in boards),
        pair_rounds=sum(batch.board.pair_rounds for batch in boards),
    )


class _Checked(_Run):
    """A run of the CPU solver that starts from the answers of the batch, once they pass."""

    def __init__(self, problem: Problem, middle: centre.Centre) -> None:
        super().__init__(problem, middle)
        shape = self.status.shape
        self.given_owner: Ints = np.full(shape, -1, np.int64)  # positions in given_points
        self.given_points: Floats = np.zeros((0, *middle.point.shape))
        self.given_proofs: dict[tuple[int, int], Farkas] = {}
        self.undecided = self.taken = 0
        self.passed: NDArray[np.bool_] = np.zeros(shape, bool)

    def _solve(self, inside: Ints) -> None:
        """Take over what passes its check; let the CPU solver decide the other pairs."""
        mine = np.zeros(len(self.status), dtype=bool)
        mine[inside] = True
        feasible = (self.given_owner >= 0) & mine[:, None]
        kept, place = np.unique(self.given_owner[feasible], return_inverse=True)
        self.status[feasible], self.owner[feasible] = FEASIBLE, place
        given = self.given_points[kept]
        super()._check_witnesses(self.problem.layer(given))
        self.proofs = {key: proof for key, proof in self.given_proofs.items() if mine[key[0]]}
        held = self._hold_together()
        self.proofs = {
            key: proof
            for (key, proof), holds in zip(self.proofs.items(), held, strict=True)
            if holds and self.status[key] == UNKNOWN
        }
        for key in self.proofs:
            self.status[key] = INFEASIBLE
        failed = (self.status == AMBIGUOUS) & mine[:, None]
        self.status[failed], self.owner[failed] = UNKNOWN, -1
        self.passed = (self.status == FEASIBLE) & mine[:, None]
        self.undecided = int((self.status == UNKNOWN).sum())
        super()._solve(inside)
        self.owner[self.passed] += sum(len(points) for points in self.points)
        self.points.append(given)
        self.taken = len(given)

    def _check_witnesses(self, layers: Floats) -> Floats:
        """Check those of the CPU solver; the others have passed."""
        self.status[self.passed] = UNKNOWN
        super()._check_witnesses(layers[: len(layers) - self.taken])
        self.status[self.passed] = FEASIBLE
        return layers


@dataclass(frozen=True)
class _Network:
    problem: Problem
    layer: tuple[Floats, Floats] | None
    run: _Checked | None  # None: no interior point that a float could find, or one class
    source: str

    def answer(self, settle: bool) -> PairProxy:
        if self.run is None:
            return _answer(self.problem, self.layer, settle)
        return self.run.answer(self.source, settle)


def _networks(
    features: Any, labels: Any, probes: Any, last_layers: Any
) -> Iterable[tuple[Any, Any, Any, Any]]:
    """Pair up the inputs of each network, or raise UserError."""
    if isinstance(features, Sequence) and not features:
        raise UserError("no networks; expected features of shape (M, n, d) with M >= 1")
    if _depth(features) < 3:
        raise UserError(
            "features are those of one network; expected shape (M, n, d), or a list of M matrices; "
            "use pair_proxy for one network, or put it in a list"
        )
    count = len(features)
    told = list(labels) if _depth(labels) > 1 else [labels] * count
    if last_layers is None:
        layers: list[Any] = [None] * count
    elif isinstance(last_layers, tuple) and getattr(last_layers[0], "ndim", 0) == 3:
        layers = list(zip(*last_layers, strict=True))
    else:
        layers = list(last_layers)
    for name, items in (("probes", probes), ("labels", told), ("last layers", layers)):
        if len(items) != count:
            raise UserError(
                f"features of {count} networks but {name} of {len(items)}; expected one for each "
                "network, in the same order"
            )
    return zip(features, told, probes, layers, strict=True)


def _depth(values: Any) -> int:
    """Count the axes of an array, or of nested sequences of them."""
    own = getattr(values, "ndim", None)
    if own is not None:
        return int(own)
    return 1 + _depth(values[0]) if isinstance(values, Sequence) and len(values) else 0


def _prepare(features: Any, labels: Any, probes: Any, layer: Any, classes: int | None) -> _Network:
    """Whiten one network and find the centre of its cone, as `solve` does."""
    phi, y, x, k = check_inputs(features, labels, probes, classes)
    given = None if layer is None else _check_layer(layer, k, phi.shape[1])
    problem = build(phi, y, x, k)
    if k > 1:
        for source, start in _starts(problem, given):
            try:
                run = _Checked(problem, centre.analytic_centre(problem, start()))
            except centre.NoCentreError:
                continue
            return _Network(problem, given, run, source)
    return _Network(problem, given, None, "")


def _starts(
    problem: Problem, layer: tuple[Floats, Floats] | None
) -> Iterable[tuple[str, Callable[[], Floats]]]:
    trained = None if layer is None else centre.from_layer(problem, *layer)
    if trained is not None:
        yield "the trained last layer", lambda: trained

    def widest() -> Floats:
        start, margin, _ = centre.max_margin(problem)
        if margin <= max(1e-9, 100 * problem.noise):
            raise centre.NoCentreError("the margin of the training labels is below rounding")
        return start

    yield "a max-margin linear program", widest


class _Batch:
    """The pairs of networks with the same number of classes, on one device."""

    def __init__(
        self, runs: Sequence[tuple[int, _Checked]], device: torch.device, chunk: int | None
    ) -> None:
        self.runs = [run for _, run in runs]
        self.cones = stack_cones([(run.problem, run.middle) for run in self.runs], device)
        shape = (*self.cones.targets.shape[:2], self.cones.classes)
        self.board = Board(torch.full(shape, NOBODY, dtype=torch.int64, device=device))
        self.size = chunk or _fitting(self.cones, device)

    def solve(self) -> None:
        """Decide chunk after chunk, each of probes of all networks; halve it if memory runs out."""
        cones, board = self.cones, self.board
        device = board.owner.device
        middle = torch.from_numpy(self._padded_centres()).to(device)
        net = torch.arange(len(self.runs), device=device)
        share(cones, board, net, middle, board.add(net, middle))
        asked = np.zeros(board.owner.shape, dtype=bool)
        for at, run in enumerate(self.runs):
            asked[at, : len(run.status)] = (run.problem.outside <= INSIDE)[:, None]
        # The first probes of all networks come first: their witnesses serve the later ones.
        order = torch.from_numpy(np.argwhere(asked.transpose(1, 0, 2))).to(device)
        probe, net, wanted = order.unbind(1)
        while len(net):
            unknown = (board.owner[net, probe, wanted] == NOBODY).nonzero()[:, 0]
            net, probe, wanted = net[unknown], probe[unknown], wanted[unknown]
            now = slice(0, self.size)
            if len(net) and self._attempt(net[now], probe[now], wanted[now]):
                net, probe, wanted = (part[self.size :] for part in (net, probe, wanted))

    def _attempt(self, net: Tensor, probe: Tensor, wanted: Tensor) -> bool:
        """Run one chunk; return False, with half the size, if it did not fit."""
        proofs = len(self.board.proofs)
        try:
            decide(self.cones, self.board, net, probe, wanted, MAX_ROUNDS)
        except torch.OutOfMemoryError:
            if len(net) == 1:
                raise
            del self.board.proofs[proofs:]
            self.size = (len(net) + 1) // 2
        else:
            return True
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return False

    def hand_over(self) -> None:
        """Bring witnesses and certificates to the host, each to its network."""
        owner = self.board.owner.cpu().numpy()
        nets = torch.cat([net for net, _ in self.board.witnesses]).cpu().numpy()
        points = torch.cat([points for _, points in self.board.witnesses]).cpu().numpy()
        for at, run in enumerate(self.runs):
            mine = np.flatnonzero(nets == at)
            place = np.full(len(nets), -1, np.int64)
            place[mine] = np.arange(len(mine))
            numbers = owner[at, : len(run.status)]
            known = numbers != NOBODY
            run.given_owner[known] = place[numbers[known]]
            run.given_points = points[mine][..., : run.problem.rank]
        for proofs in self.board.proofs:
            arrays = [part.cpu().numpy() for part in proofs]
            for net, probe, c, rows, weights in zip(*arrays, strict=True):
                run = self.runs[net]
                run.given_proofs[int(probe), int(c)] = _proof(run.problem, probe, rows, weights)

    def _padded_centres(self) -> Floats:
        _, _, r = self.cones.points.shape
        out = np.zeros((len(self.runs), self.cones.classes - 1, r))
        for at, run in enumerate(self.runs):
            out[at, :, : run.problem.rank] = run.middle.point
        return out


def _proof(problem: Problem, probe: int, rows: Ints, weights: Floats) -> Farkas:
    """Turn weights on unit rows in whitened coordinates into weights on the rows as given."""
    rows, weights = rows[weights > 0], weights[weights > 0]
    train = rows[:, 2] >= 0
    points = rows[train, 2]
    return Farkas(
        points=points,
        classes=rows[train, 1],
        weights=weights[train] / problem.point_lengths[points],
        probe_classes=rows[~train, 1],
        probe_weights=weights[~train] / problem.target_lengths[probe],
    )


def stack_cones(networks: Sequence[tuple[Problem, centre.Centre]], device: torch.device) -> Cones:
    """Pad the cones of M networks with K classes each to common shapes, on a device."""
    count, classes = len(networks), networks[0][0].classes
    n = max(len(problem.points) for problem, _ in networks)
    p = max(len(problem.targets) for problem, _ in networks)
    r = max(problem.rank for problem, _ in networks)
    m = (classes - 1) * r
    points, targets = np.zeros((count, n, r)), np.zeros((count, p, r))
    d = max(len(problem.to_whitened) for problem, _ in networks)
    rows, asked = np.zeros((count, n, d)), np.zeros((count, p, d))
    labels = np.zeros((count, n), np.int64)
    weights, barred = np.zeros((count, classes, n)), np.full((count, classes, n), FAR)
    inverse, middle = np.zeros((count, m, m)), np.zeros((count, m))
    for at, (problem, deep) in enumerate(networks):
        points[at, : len(problem.points), : problem.rank] = problem.points
        targets[at, : len(problem.targets), : problem.rank] = problem.targets
        labels[at, : len(problem.labels)] = problem.labels
        columns = np.abs(homogenise(problem.features)).max(axis=0)
        columns[columns == 0] = 1.0
        for held, given, lengths in (
            (rows, problem.features, problem.point_lengths),
            (asked, problem.probes, problem.target_lengths),
        ):
            whole = homogenise(given) / columns / np.where(lengths > 0, lengths, 1.0)[:, None]
            held[at, : len(whole), : whole.shape[1]] = whole
        slack = centre.slacks(problem, deep.point).T
        real = np.isfinite(slack)
        weights[at, :, : slack.shape[1]][real] = 1.0 / slack[real]
        barred[at, :, : slack.shape[1]][real] = 0.0
        factor = deep.factor
        upper = linalg.solve_triangular(factor, np.eye(len(factor)), lower=True, check_finite=False)
        used = (r * np.arange(classes - 1)[:, None] + np.arange(problem.rank)).ravel()
        inverse[at][np.ix_(used, used)] = upper.T
        middle[at, used] = factor.T @ deep.point.ravel()
    rounding = [max(DEPENDENT, 10.0 * problem.noise) for problem, _ in networks]
    unknowns = [(classes - 1) * problem.rank for problem, _ in networks]
    return Cones(
        points=torch.from_numpy(points).to(device),
        labels=torch.from_numpy(labels).to(device),
        weights=torch.from_numpy(weights).to(device),
        barred=torch.from_numpy(barred).to(device),
        inverse=torch.from_numpy(inverse).to(device),
        middle=torch.from_numpy(middle).to(device),
        targets=torch.from_numpy(targets).to(device),
        rows=torch.from_numpy(rows).to(device),
        asked=torch.from_numpy(asked).to(device),
        unknowns=torch.tensor(unknowns, device=device),
        rounding=torch.tensor(rounding, dtype=torch.float64, device=device),
    )


def _fitting(cones: Cones, device: torch.device) -> int:
    """Estimate how many pairs fit: half of a GPU's free memory, CPU_BYTES elsewhere."""
    m, (_, classes, n) = cones.middle.shape[1], cones.weights.shape
    each = 8 * (8 * min(m, FIRST_ROWS) * m + 3 * classes * n + 16 * m)
    room = CPU_BYTES if device.type == "cpu" else torch.cuda.mem_get_info(device)[0] // 2
    return max(1, room // each)
