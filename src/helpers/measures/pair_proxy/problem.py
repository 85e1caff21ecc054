"""The question in good coordinates: homogenised, whitened, and free of the gauge.

A last layer (W, b) labels a point φ as class c when (w_c − w_k)·φ + b_c − b_k > 0 for every k ≠ c.
With φ̃ = (φ, 1) and the rows of (W, b) stacked into U these are homogeneous linear inequalities, so
the layers that label all training points rightly form an open convex cone: no margin parameter is
needed, and every positive margin asks the same question (protocol section D, Theorem 15).

Three changes of coordinates keep the answers and make the arithmetic well behaved:

* gauge: adding one vector to every class changes no inequality, so the last class is held at zero
  and (K−1)·r unknowns remain;
* whitening: an orthonormal basis of the span of the training rows φ̃ (of numerical rank r);
* row scaling: an inequality may be multiplied by any positive number, so rows have unit length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.errors import UserError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A probe whose component outside the span of the training rows, as a share of its length, is above
# the first figure is outside; below the second it is inside; in between, exact arithmetic says.
OUTSIDE, INSIDE = 1e-9, 1e-13


@dataclass(frozen=True)
class Problem:
    """Hold the inputs as given and the whitened rows derived from them.

    Shapes: n training points, p probes, d features, K classes, rank r ≤ d + 1.
    """

    features: Floats  # (n, d), as given
    labels: Ints  # (n,)
    probes: Floats  # (p, d), as given
    classes: int  # K
    to_whitened: Floats  # (d + 1, r): φ̃ @ to_whitened are the whitened coordinates
    points: Floats  # (n, r) unit rows
    point_lengths: Floats  # (n,) lengths the unit rows had
    targets: Floats  # (p, r) unit rows (zero for a probe that has no part in the span)
    target_lengths: Floats  # (p,)
    outside: Floats  # (p,) share of the probe outside the span
    escapes: Floats  # (p, d + 1): directions that no training row sees, φ̃·escape = 1 at the probe
    noise: float  # relative error that rounding leaves in the whitened coordinates

    @property
    def rank(self) -> int:
        """Give the numerical rank of the homogenised training features."""
        return self.to_whitened.shape[1]

    def layer(self, whitened: Floats) -> Floats:
        """Map gauge-fixed whitened weights (…, K−1, r) to layers [W | b] of shape (…, K, d+1)."""
        rows = whitened @ self.to_whitened.T
        zero = np.zeros((*rows.shape[:-2], 1, rows.shape[-1]))
        return np.concatenate([rows, zero], axis=-2)


def homogenise(features: Floats) -> Floats:
    """Append the constant 1 that carries the bias: (n, d) -> (n, d + 1)."""
    return np.hstack([features, np.ones((len(features), 1))])


def check_inputs(
    features: ArrayLike, labels: ArrayLike, probes: ArrayLike, classes: int | None
) -> tuple[Floats, Ints, Floats, int]:
    """Return float64 features, int64 labels, float64 probes and K, or raise UserError."""
    phi, x = _matrix("features", features), _matrix("probes", probes)
    if phi.shape[1] != x.shape[1]:
        raise UserError(
            f"features have {phi.shape[1]} columns and probes {x.shape[1]}; expected the same "
            "feature layer for both; compute them with the same frozen network"
        )
    if len(phi) == 0:
        raise UserError("no training points; expected features of shape (n, d) with n >= 1")
    if len(x) == 0:
        raise UserError("no probes; expected probes of shape (p, d) with p >= 1")
    given = _array(labels)
    if given.shape != (len(phi),):
        raise UserError(
            f"labels have shape {given.shape}; expected ({len(phi)},), one for each row of features"
        )
    y = _whole_numbers(given)
    if classes is None:
        classes = int(y.max()) + 1
    if isinstance(classes, bool) or int(classes) != classes or classes < 1:
        raise UserError(f"classes is {classes!r}; expected a whole number of at least 1")
    if y.min() < 0 or y.max() >= classes:
        raise UserError(
            f"labels run from {y.min()} to {y.max()}; expected values in 0…{int(classes) - 1}; "
            "pass classes=K if some classes are missing from training"
        )
    return phi, y, x, int(classes)


def build(features: Floats, labels: Ints, probes: Floats, classes: int) -> Problem:
    """Whiten checked inputs by a singular value decomposition of the training rows."""
    rows, queries = homogenise(features), homogenise(probes)
    # Powers of two: scaling columns and rows is then exact, and units of any size are alike.
    columns = _power_of_two(np.abs(rows).max(axis=0))
    scaled = rows / columns
    scaled /= _power_of_two(np.abs(scaled).max(axis=1))[:, None]
    _, singular, basis = np.linalg.svd(scaled, full_matrices=False)
    floor = singular[0] * max(scaled.shape) * np.finfo(float).eps
    rank = int((singular > floor).sum())
    stretch = basis[:rank].T / (singular[:rank] / np.sqrt(len(rows)))
    to_whitened = stretch / columns[:, None]
    points, point_lengths = _unit(rows @ to_whitened)
    targets, target_lengths = _unit(queries @ to_whitened)
    outside, escapes = _escapes(queries / columns, basis[:rank])
    spread = np.abs(rows) @ np.linalg.norm(to_whitened, axis=1)
    noise = float(np.finfo(float).eps * (spread / point_lengths).max() * np.sqrt(rows.shape[1]))
    return Problem(
        features=features,
        labels=labels,
        probes=probes,
        classes=classes,
        to_whitened=to_whitened,
        points=points,
        point_lengths=point_lengths,
        targets=targets,
        target_lengths=target_lengths,
        outside=outside,
        escapes=escapes / columns,
        noise=noise,
    )


def _escapes(scaled: Floats, basis: Floats) -> tuple[Floats, Floats]:
    """Split each probe into its part in the span and the rest, e; return |e|/|x| and e/(e·x)."""
    rest = scaled - (scaled @ basis.T) @ basis
    rest -= (rest @ basis.T) @ basis
    size = np.linalg.norm(rest, axis=1)
    share = size / np.linalg.norm(scaled, axis=1)
    if len(basis) == scaled.shape[1]:
        return np.zeros(len(scaled)), np.zeros_like(scaled)
    return share, rest / np.where(size > 1e-100, size, 1.0)[:, None] ** 2


def _unit(rows: Floats) -> tuple[Floats, Floats]:
    lengths = np.linalg.norm(rows, axis=1)
    return rows / np.where(lengths > 0, lengths, 1.0)[:, None], lengths


def _power_of_two(sizes: Floats) -> Floats:
    return np.ldexp(1.0, np.frexp(np.where(sizes > 0, sizes, 1.0))[1])


def _array(values: ArrayLike) -> NDArray[Any]:
    detach = getattr(values, "detach", None)  # a torch tensor, perhaps on another device
    return np.asarray(values if detach is None else detach().cpu().numpy())


def _matrix(name: str, values: ArrayLike) -> Floats:
    given = _array(values)
    if given.ndim != 2 or given.dtype.kind not in "fiub":
        raise UserError(
            f"{name} have shape {given.shape} and type {given.dtype}; expected real numbers of "
            "shape (points, d)"
        )
    matrix = np.ascontiguousarray(given, dtype=np.float64)
    if not np.isfinite(matrix).all():
        row = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
        raise UserError(
            f"{name} hold NaN or infinity (first in row {row}); expected finite numbers"
        )
    return matrix


def _whole_numbers(given: NDArray[Any]) -> Ints:
    if given.dtype.kind not in "iub" and not (
        given.dtype.kind == "f" and np.isfinite(given).all() and (given == np.round(given)).all()
    ):
        raise UserError(f"labels have type {given.dtype}; expected whole numbers 0…K−1")
    return given.astype(np.int64)
