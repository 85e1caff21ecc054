"""The dual active-set method of `active_set`, one step for many pairs of many networks at a time.

A single pair keeps orthogonal factors of its active rows A (q, m), whose update after a row leaves
is a sequence of rotations: hundreds of tiny kernels on a GPU. Here each pair keeps the dual basis
N instead, the rows in the span of A with N Aᵀ = I, so that

* row·Nᵀ are the coefficients of a row in the active rows, and what they leave is the rest, which is
  split off twice (iterative refinement: the coefficients stay accurate while N is roughly right);
* adding or dropping a row changes N by one outer product.

All of it is batched products of matrices, in float64. Rows are kept in the coordinates of
`active_set`, where the metric is Euclidean; networks of smaller rank or fewer points are padded
with zeros. Nothing decided here is believed: `batched` checks every witness and certificate.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple

import torch
from torch import Tensor

from .active_set import PUSH, SLIM
from .kernels import FAR

NOBODY = 2**62  # the owner of a pair without a witness
SHARED = 32  # witnesses of one network that label all its probes, in one round
DRIFT = 1e-12  # see _split
REFITS = 3  # corrections of the weights of a certificate
RIDGE = 1e-13  # added to the unit diagonal of their normal equations, which are then solvable
FIRST_ROWS = 16  # room for active rows to begin with; doubled when full


@dataclass(frozen=True)
class Cones:
    """Hold the training cones of M networks with K classes, padded to common n, p, r, m = (K−1)r.

    Rows as in `active_set.solve_pair`: weights are 1/slack at the centre; barred is FAR for rows
    that do not exist (k = y, or padding) and 0 elsewhere.
    """

    points: Tensor  # (M, n, r)
    labels: Tensor  # (M, n)
    weights: Tensor  # (M, K, n)
    barred: Tensor  # (M, K, n)
    inverse: Tensor  # (M, m, m), rows of L⁻ᵀ
    middle: Tensor  # (M, m), Lᵀ centre
    targets: Tensor  # (M, p, r)
    rows: Tensor  # (M, n, d + 1) the points as given, columns scaled, over their whitened lengths
    asked: Tensor  # (M, p, d + 1) the probes, likewise
    unknowns: Tensor  # (M,), (K−1) × the rank before padding
    rounding: Tensor  # (M,), below which share of its terms a rest is nothing

    @property
    def classes(self) -> int:
        """Return K."""
        return self.weights.shape[1]


@dataclass
class Board:
    """Collect what is found; every entry is valid by itself, so a chunk can be begun again."""

    owner: Tensor  # (M, p, K): number of the witness, NOBODY without one
    witnesses: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # net (w,), U (w, K−1, r)
    proofs: list[Proofs] = field(default_factory=list)
    found: int = 0
    rounds: int = 0
    pair_rounds: int = 0  # rounds × the pairs in them

    def add(self, net: Tensor, points: Tensor) -> Tensor:
        """Take in witnesses, return their numbers."""
        self.witnesses.append((net, points))
        numbers = torch.arange(self.found, self.found + len(net), device=net.device)
        self.found += len(net)
        return numbers


class Proofs(NamedTuple):
    """List vanishing combinations: rows (q, C, 3) as (plus, minus, index), weights (q, C) ≥ 0."""

    net: Tensor
    probe: Tensor
    wanted: Tensor
    rows: Tensor
    weights: Tensor


@dataclass
class _Pairs:
    """Hold the state of B pairs, sorted by network; first axis B everywhere."""

    net: Tensor
    probe: Tensor
    wanted: Tensor
    base: Tensor  # (B, K) values of the target rows at the centre
    lengths: Tensor  # (B, K) of the target rows
    v: Tensor  # (B, m) the iterate
    active: Tensor  # (B, C, m) rows A, zero beyond count
    dual: Tensor  # (B, C, m) rows N
    multipliers: Tensor  # (B, C)
    sizes: Tensor  # (B, C)
    names: Tensor  # (B, C, 3) plus, minus, index (−1: the probe)
    count: Tensor
    row: Tensor  # (B, m) the row about to be added, and its
    name: Tensor  # (B, 3),
    size: Tensor
    violation: Tensor
    weight: Tensor  # multiplier so far
    fresh: Tensor  # needs a row
    first: Tensor  # has not moved yet

    def __getitem__(self, which: Tensor) -> _Pairs:
        return _Pairs(*(getattr(self, item.name)[which] for item in fields(self)))

    def wider(self) -> _Pairs:
        """Return a copy with room for twice as many active rows."""
        padded = {
            name: torch.cat([value, torch.zeros_like(value)], dim=1)
            for name in ("active", "dual", "multipliers", "sizes", "names")
            for value in [getattr(self, name)]
        }
        return replace(self, **padded)


class _Grid:
    """Lay out items sorted by network as (networks present, slots), for one product a network."""

    def __init__(self, net: Tensor) -> None:
        self.which, counts = torch.unique_consecutive(net, return_counts=True)
        starts = counts.cumsum(0) - counts
        self.group = torch.repeat_interleave(torch.arange(len(counts), device=net.device), counts)
        self.slot = torch.arange(len(net), device=net.device) - starts[self.group]
        self.slots = int(counts.max())

    def put(self, items: Tensor) -> Tensor:
        """Spread (B, …) to (networks, slots, …), zero where there is nothing."""
        out = items.new_zeros(len(self.which), self.slots, *items.shape[1:])
        out[self.group, self.slot] = items
        return out

    def take(self, laid: Tensor) -> Tensor:
        """Gather (networks, slots, …) back to (B, …)."""
        return laid[self.group, self.slot]

    def times(self, items: Tensor, matrices: Tensor) -> Tensor:
        """Multiply each row vector (B, a) by its network's matrix, of matrices (M, a, b)."""
        return self.take(torch.bmm(self.put(items), matrices[self.which]))


def decide(
    cones: Cones, board: Board, net: Tensor, probe: Tensor, wanted: Tensor, max_rounds: int
) -> None:
    """Run the pairs named by net, probe, wanted (B,) until each is decided or max_rounds are over.

    Witnesses and proofs go to the board; a pair that gets neither is left undecided.
    """
    order = torch.argsort(net, stable=True)
    pairs = _begin(cones, net[order], probe[order], wanted[order])
    for _ in range(max_rounds):
        board.rounds += 1
        board.pair_rounds += len(pairs.net)
        gone = torch.zeros_like(pairs.fresh)
        at = pairs.fresh.nonzero()[:, 0]
        if len(at):
            won, lost, points = _look(cones, pairs, at)
            _record(cones, board, pairs, at[won], points[won])
            gone[at[lost]] = True
        owned = board.owner[pairs.net, pairs.probe, pairs.wanted] != NOBODY
        pairs = _keep(pairs, ~(gone | owned))
        if not len(pairs.net):
            return
        if int(pairs.count.max()) == pairs.active.shape[1]:
            pairs = pairs.wider()
        pairs = _move(cones, board, pairs)
        if not len(pairs.net):
            return


def share(cones: Cones, board: Board, net: Tensor, points: Tensor, numbers: Tensor) -> None:
    """Label every probe of a network with its witnesses (w, K−1, r), sorted by network.

    A pair goes to the witness with the lowest number. A narrow win is left to its own solve.
    """
    grid = _Grid(net)
    few = grid.slot < SHARED
    if not bool(few.all()):
        net, points, numbers = net[few], points[few], numbers[few]
        grid = _Grid(net)
    laid = grid.put(_with_last(points))  # (G, S, K, r)
    probes = cones.targets[grid.which]
    scores = torch.matmul(laid, probes.mT[:, None])  # (G, S, K, p)
    top = scores.topk(2, dim=2)
    clear = top.values[:, :, 0] - top.values[:, :, 1] > 1e-7 * scores.abs().amax(dim=2)
    number = grid.put(numbers - NOBODY) + NOBODY  # NOBODY in empty slots
    number = torch.where(clear, number[..., None], NOBODY)
    count, slots, _, p = scores.shape
    place = torch.arange(p, device=net.device) * cones.classes + top.indices[:, :, 0]
    owner = board.owner[grid.which].reshape(count, -1)
    owner.scatter_reduce_(1, place.reshape(count, -1), number.reshape(count, slots * p), "amin")
    board.owner[grid.which] = owner.reshape(count, p, cones.classes)


def _record(cones: Cones, board: Board, pairs: _Pairs, at: Tensor, points: Tensor) -> None:
    if not len(at):
        return
    net = pairs.net[at]
    numbers = board.add(net, points)
    board.owner[net, pairs.probe[at], pairs.wanted[at]] = numbers
    share(cones, board, net, points, numbers)


def _begin(cones: Cones, net: Tensor, probe: Tensor, wanted: Tensor) -> _Pairs:
    count, m, classes = len(net), cones.middle.shape[1], cones.classes
    grid, x = _Grid(net), cones.targets[net, probe]
    v = cones.middle[net]
    centre = grid.times(v, cones.inverse.mT)
    rivals = torch.arange(classes, device=net.device)
    lengths = torch.stack(
        [
            grid.times(_kronecker(wanted, k.expand(count), x, classes), cones.inverse).norm(dim=1)
            for k in rivals
        ],
        dim=1,
    )
    zeros, none = v.new_zeros(count), torch.zeros_like(net)
    room = min(m, FIRST_ROWS)
    return _Pairs(
        net=net,
        probe=probe,
        wanted=wanted,
        base=_ahead(centre.reshape(count, classes - 1, -1), x, wanted),
        lengths=torch.where(lengths > 0, lengths, 1.0),
        v=v,
        active=v.new_zeros(count, room, m),
        dual=v.new_zeros(count, room, m),
        multipliers=v.new_zeros(count, room),
        sizes=v.new_zeros(count, room),
        names=none.new_zeros(count, room, 3),
        count=none,
        row=torch.zeros_like(v),
        name=none.new_zeros(count, 3),
        size=zeros,
        violation=zeros.clone(),
        weight=zeros.clone(),
        fresh=torch.ones_like(net, dtype=torch.bool),
        first=torch.ones_like(net, dtype=torch.bool),
    )


def _look(cones: Cones, pairs: _Pairs, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Follow the ray from the centre; if it meets no witness, choose the row to add.

    Returns for the pairs named by at: won (b,), lost (b,), and the witnesses U (b, K−1, r) of
    those that won. The chosen rows are written into pairs.
    """
    net, wanted, base = pairs.net[at], pairs.wanted[at], pairs.base[at]
    grid, classes, index = _Grid(net), cones.classes, torch.arange(len(at), device=net.device)
    x = cones.targets[net, pairs.probe[at]]
    start = grid.times(cones.middle[net], cones.inverse.mT).reshape(len(at), classes - 1, -1)
    current = grid.times(pairs.v[at], cones.inverse.mT).reshape(start.shape)
    lowest, low_class, low_point = _price(cones, grid, current)
    first = pairs.first[at]
    lowest = torch.where(first, 1.0, lowest)

    values = _ahead(current, x, wanted)
    gain = values - base
    rival = torch.arange(classes, device=net.device) != wanted[:, None]
    behind = rival & (base <= 0)
    enter = torch.where(gain > 0, -base / torch.where(gain > 0, gain, 1.0), FAR)
    enter = torch.where(behind, enter, 0.0).amax(dim=1).clamp(min=0.0)
    falls = rival & (base > 0) & (gain < 0)
    leave = torch.where(falls, base / torch.where(falls, -gain, 1.0), FAR).amin(dim=1)
    inside = torch.where(lowest < 1.0, 1.0 / torch.where(lowest < 1.0, 1.0 - lowest, 1.0), FAR)
    leave = torch.minimum(leave, inside)
    excess = torch.where(rival, values / pairs.lengths[at] - PUSH, FAR)
    worst, goal = excess.min(dim=1)

    satisfied = (worst >= -1e-9 * PUSH) & (lowest >= -1e-9)
    won = (enter < leave * (1.0 - SLIM)) | (satisfied & (enter < leave))
    t = torch.where(leave < FAR, 0.5 * (enter + leave), 2.0 * enter + 1.0)
    t = torch.where(won, t, 0.0)[:, None, None]
    points = start + t * (current - start)

    own = worst <= lowest  # the row to add is one of the probe's
    label = cones.labels[net, low_point]
    plus, minus = torch.where(own, wanted, label), torch.where(own, goal, low_class)
    z = torch.where(own[:, None], x, cones.points[net, low_point])
    row = grid.times(_kronecker(plus, minus, z, classes), cones.inverse)
    size = row.norm(dim=1)
    violation = (row * pairs.v[at]).sum(dim=1)
    pairs.row[at], pairs.size[at] = row, size
    pairs.violation[at] = violation - torch.where(own, PUSH * pairs.lengths[at][index, goal], 0.0)
    pairs.weight[at] = 0.0
    name = torch.stack([plus, minus, torch.where(own, -1, low_point)], dim=1)
    pairs.name[at] = name
    pairs.fresh[at] = False
    pairs.first[at] = False
    return won, satisfied & ~won, points


def _price(cones: Cones, grid: _Grid, current: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find the smallest a_ik·U × weight_ik of each pair: its value, k and i."""
    laid = grid.put(_with_last(current))
    groups, slots = laid.shape[:2]
    scores = torch.matmul(laid, cones.points[grid.which].mT[:, None])  # (G, S, K, n)
    told = cones.labels[grid.which][:, None, None].expand(groups, slots, 1, scores.shape[-1])
    own = scores.gather(2, told)
    scores.neg_().add_(own).mul_(cones.weights[grid.which][:, None])
    scores.add_(cones.barred[grid.which][:, None])
    value, place = grid.take(scores.reshape(groups, slots, -1)).min(dim=1)
    return value, place // scores.shape[-1], place % scores.shape[-1]


def _move(cones: Cones, board: Board, pairs: _Pairs) -> _Pairs:
    """Take one step of every pair towards its row; return the pairs that are still open."""
    index = torch.arange(len(pairs.net), device=pairs.net.device)
    change, rest = _split(pairs)
    length = rest.norm(dim=1)
    rounding = cones.rounding[pairs.net]
    whole = pairs.size + (change.abs() * pairs.sizes).sum(dim=1)
    dependent = (pairs.count == cones.unknowns[pairs.net]) | (length <= rounding * whole)
    falling = change > (0.1 * rounding * pairs.size)[:, None]
    limit = torch.where(falling, pairs.multipliers / torch.where(falling, change, 1.0), torch.inf)
    furthest, position = limit.min(dim=1)

    proved = dependent & furthest.isinf()
    if bool(proved.any()):
        shares = change * pairs.sizes / whole[:, None]  # of noise, those below rounding
        change = torch.where(shares.abs() > rounding[:, None], change, 0.0)
        _prove(cones, board, pairs[proved], change[proved])
        open_ = ~proved
        pairs, index = pairs[open_], index[: int(open_.sum())]
        change, rest, length = change[open_], rest[open_], length[open_]
        dependent, furthest, position = dependent[open_], furthest[open_], position[open_]
        if not len(pairs.net):
            return pairs

    square = torch.where(dependent, 1.0, length * length)
    full = torch.where(dependent, FAR, -pairs.violation / square)
    add = full <= furthest
    t = torch.minimum(full, furthest)
    pairs.multipliers.sub_(t[:, None] * change)
    pairs.weight.add_(t)
    stride = torch.where(dependent, 0.0, t)
    pairs.v.add_(stride[:, None] * rest)
    pairs.violation.add_(stride * square)

    # One outer product changes N, whether the row joins or another one leaves.
    leaving = pairs.dual[index, position]
    along = torch.where(add[:, None], rest / square[:, None], leaving)
    shares = torch.bmm(pairs.dual, leaving[..., None])[..., 0]
    shares = shares / (leaving * leaving).sum(dim=1).clamp(min=1e-300)[:, None]
    shares = torch.where(add[:, None], change, shares)
    pairs.dual.baddbmm_(shares[..., None], along[:, None], alpha=-1.0)
    _join(pairs, add.nonzero()[:, 0], along)
    _leave(pairs, (~add).nonzero()[:, 0], position)
    pairs.fresh = add
    return pairs


def _split(pairs: _Pairs) -> tuple[Tensor, Tensor]:
    """Split each row into its coefficients in the active rows and the rest (twice is enough).

    A second pass that changes much says that N has drifted from the dual basis; it is then put
    right by Newton's iteration N ← N + (I − N Aᵀ) N (Schulz 1933), and the row split again.
    """
    change, rest, second = _project(pairs.active, pairs.dual, pairs.row)
    drift = second.abs().amax(dim=1) > DRIFT * change.abs().amax(dim=1)
    at = drift.nonzero()[:, 0]
    if len(at):
        active, dual, row = pairs.active[at], pairs.dual[at], pairs.row[at]
        for _ in range(2):
            # Empty rows of N stay empty, so the full identity does no harm.
            dual = 2.0 * dual - torch.bmm(torch.bmm(dual, active.mT), dual)
        pairs.dual[at] = dual
        change[at], rest[at], _ = _project(active, dual, row)
    return change, rest


def _project(active: Tensor, dual: Tensor, row: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return coefficients and rest after two passes, and what the second pass changed."""
    change = torch.bmm(dual, row[..., None])
    rest = torch.baddbmm(row[:, None], change.mT, active, alpha=-1.0)
    second = torch.bmm(dual, rest.mT)
    rest = torch.baddbmm(rest, second.mT, active, alpha=-1.0)
    return (change + second)[..., 0], rest[:, 0], second[..., 0]


def _prove(cones: Cones, board: Board, pairs: _Pairs, change: Tensor) -> None:
    """Note that minus the row is a nonnegative combination of active rows.

    Whitening has rounded the features, so the weights are fitted once more to the features as
    given, columns scaled to a common size: least squares, by iterative refinement.
    """
    names = torch.cat([pairs.names, pairs.name[:, None]], dim=1)
    plus, minus, point = names.unbind(2)
    net = pairs.net[:, None]
    probes = cones.asked[pairs.net, pairs.probe][:, None]
    rows = torch.where(point[..., None] < 0, probes, cones.rows[net, point.clamp(min=0)])
    weights = torch.cat([(-change).clamp(min=0.0), torch.ones_like(change[:, :1])], dim=1)
    used = (weights[:, :-1] > 0).to(rows.dtype)
    each = torch.arange(cones.classes, device=rows.device)[:, None]
    signs = (plus[:, None] == each).to(rows.dtype) - (minus[:, None] == each).to(rows.dtype)
    gram = torch.bmm(rows, rows.mT).mul_(torch.bmm(signs.mT, signs))[:, :-1, :-1]
    sizes = torch.where(used > 0, gram.diagonal(dim1=1, dim2=2), 1.0).clamp(min=1e-300).sqrt()
    gram = gram * (used / sizes)[:, None] * (used / sizes)[..., None]
    gram.diagonal(dim1=1, dim2=2).add_(1.0 - used + RIDGE)
    factor, _ = torch.linalg.cholesky_ex(gram)
    for _ in range(REFITS):
        left = torch.bmm(signs * weights[:, None], rows)  # (B, K, d + 1)
        slope = (torch.bmm(left, rows.mT) * signs).sum(dim=1)[:, :-1] * used / sizes
        step = torch.cholesky_solve(slope[..., None], factor)[..., 0] * used / sizes
        weights[:, :-1] -= torch.nan_to_num(step)
        weights.clamp_(min=0.0)
    board.proofs.append(Proofs(pairs.net, pairs.probe, pairs.wanted, names, weights))


def _join(pairs: _Pairs, at: Tensor, along: Tensor) -> None:
    place = pairs.count[at]
    pairs.active[at, place] = pairs.row[at]
    pairs.dual[at, place] = along[at]
    pairs.names[at, place] = pairs.name[at]
    pairs.multipliers[at, place] = pairs.weight[at]
    pairs.sizes[at, place] = pairs.size[at]
    pairs.count[at] += 1


def _leave(pairs: _Pairs, at: Tensor, position: Tensor) -> None:
    """Let the last active row take the place of the one that leaves."""
    place, last = position[at], pairs.count[at] - 1
    for held in (pairs.active, pairs.dual, pairs.names, pairs.multipliers, pairs.sizes):
        held[at, place] = held[at, last]
        held[at, last] = 0
    pairs.count[at] -= 1


def _keep(pairs: _Pairs, which: Tensor) -> _Pairs:
    return pairs if bool(which.all()) else pairs[which]


def _kronecker(plus: Tensor, minus: Tensor, z: Tensor, classes: int) -> Tensor:
    """Write out (e_plus − e_minus) ⊗ z without the last class: (B, (K−1)·r)."""
    index = torch.arange(len(z), device=z.device)
    out = z.new_zeros(len(z), classes, z.shape[1])
    out[index, plus] += z
    out[index, minus] -= z
    return out[:, :-1].reshape(len(z), -1)


def _ahead(points: Tensor, x: Tensor, wanted: Tensor) -> Tensor:
    """Return (u_c − u_k)·x for every class k, (B, K)."""
    scores = torch.bmm(_with_last(points), x[..., None])[..., 0]
    return scores.gather(1, wanted[:, None]) - scores


def _with_last(points: Tensor) -> Tensor:
    """Append the last class, held at zero: (…, K−1, r) -> (…, K, r)."""
    return torch.cat([points, torch.zeros_like(points[..., :1, :])], dim=-2)
