"""Draw the cone of last layers where it can be seen: one feature, two classes, the (w, b) plane.

A last layer for two classes is, up to the gauge, one line w·φ + b: class 1 where it is positive,
class 0 where it is negative. A layer is then a point (w, b); each labelled point is a half-plane
through the origin, and each probe a line that cuts what they leave.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Ellipse, Polygon
from numpy.typing import NDArray

from helpers.measures.pair_proxy import Farkas, pair_proxy
from helpers.measures.pair_proxy.centre import analytic_centre, max_margin
from helpers.measures.pair_proxy.problem import build
from helpers.page.plots import COLOURS, INK

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLASS_STYLES = (("blue", "o"), ("orange", "s"))
TINTS = ("teal", "purple", "ochre", "pink")
ROUNDING = 1e-9
PUSH = 0.05  # how far past the boundary a witness is drawn


@dataclass(frozen=True, eq=False)
class Line:
    """Hold points on a line with classes 0 and 1, features (n,), labels (n,), and probes (p,)."""

    features: Floats
    labels: Ints
    probes: Floats

    @property
    def rows(self) -> Floats:
        """Give the n half-planes: row · (w, b) > 0 when point i is labelled as told, (n, 2)."""
        signs = np.where(self.labels == 1, 1.0, -1.0)
        return signs[:, None] * np.column_stack([self.features, np.ones(len(self.features))])

    @property
    def names(self) -> tuple[str, ...]:
        """Name the probes a, b, c, …"""
        return tuple(ascii_lowercase[: len(self.probes)])


@dataclass(frozen=True)
class Cell:
    """A piece of the cone in which no probe changes its class: directions between two angles."""

    start: float
    end: float
    labels: tuple[int, ...]


def example_line() -> Line:
    """Return six labelled points with a gap between the classes, and four probes, two in the gap.

    It is the running example of the chapter.
    """
    return Line(
        features=np.array([-2.2, -1.3, -0.5, 0.9, 1.5, 2.3]),
        labels=np.array([0, 0, 0, 1, 1, 1]),
        probes=np.array([-1.7, -0.1, 0.5, 1.9]),
    )


def cells(line: Line) -> list[Cell]:
    """List the cells into which the probes cut the training cone, by angle; none if it is empty.

    All boundaries are lines through the origin, so between two neighbouring boundary directions
    nothing changes and one direction speaks for all.
    """
    feature = np.append(line.features, line.probes)
    angle = np.arctan2(-feature, 1.0)  # the direction (1, −φ) lies on the line w·φ + b = 0
    bounds = np.unique(np.mod(np.append(angle, angle + np.pi), 2 * np.pi))
    found: list[Cell] = []
    for start, end in zip(bounds, np.append(bounds[1:], bounds[0] + 2 * np.pi), strict=True):
        middle = (start + end) / 2
        w, b = np.cos(middle), np.sin(middle)
        if end - start > ROUNDING and (line.rows @ (w, b) > 0).all():
            labels = tuple((line.probes * w + b > 0).astype(int).tolist())
            found.append(Cell(float(start), float(end), labels))
    return found


def draw_points(ax: Axes, line: Line) -> None:
    """Draw the points and probes on the line of their one feature, the gap between classes lit."""
    low, high = line.features[line.labels == 0].max(), line.features[line.labels == 1].min()
    ax.axvspan(low, high, color=COLOURS["teal"], alpha=0.18, linewidth=0)
    ax.axhline(0, color=INK, linewidth=0.8)
    for label, (colour, marker) in enumerate(CLASS_STYLES):
        own = line.features[line.labels == label]
        ax.plot(own, 0 * own, marker, color=COLOURS[colour], markersize=8, label=f"class {label}")
    for name, probe in zip(line.names, line.probes, strict=True):
        ax.plot(probe, 0, "x", color=COLOURS["purple"], markersize=8, markeredgewidth=2)
        ax.annotate(name, (probe, 0), (0, 10), textcoords="offset points", ha="center")
    ax.set(ylim=(-1, 1), yticks=[], xlabel="feature $\\varphi$")
    ax.spines["left"].set_visible(False)
    ax.grid(visible=False)
    ax.legend(loc="upper center", ncols=2)


def draw_cone(ax: Axes, line: Line, reach: float = 2.0) -> None:
    """Draw the (w, b) plane on [−reach/3, reach] × [−reach, reach]: cone, cells, boundaries.

    Each labelled point gives a line, in the colour of its class; each probe a dashed one. Cells are
    tinted and say which classes the probes take in them.
    """
    ax.set(xlim=(-reach / 3, reach), ylim=(-reach, reach), xlabel="weight $w$", ylabel="bias $b$")
    ax.grid(visible=False)
    open_probes = _open_probes(line)
    for at, cell in enumerate(cells(line)):
        corners = 3 * reach * np.array([_direction(cell.start), _direction(cell.end)])
        tint = to_rgba(COLOURS[TINTS[at % len(TINTS)]], 0.3)
        ax.add_patch(Polygon([(0, 0), *corners], closed=True, facecolor=tint))
        middle = 0.78 * reach * _direction((cell.start + cell.end) / 2)
        words = "  ".join(f"{line.names[p]}:{cell.labels[p]}" for p in open_probes)
        ax.text(*_pair(middle), words, ha="center", va="center", fontsize=9.5)
    for feature, label in zip(line.features, line.labels, strict=True):
        _through_origin(ax, feature, reach, color=COLOURS[CLASS_STYLES[label][0]], linewidth=1.1)
    for name, probe in zip(line.names, line.probes, strict=True):
        style = {"color": COLOURS["purple"], "linewidth": 1.6, "linestyle": (0, (4, 3))}
        _through_origin(ax, probe, reach, **style)
        edge = _on_the_edge(probe, reach)
        ax.annotate(name, edge, (3, 3), textcoords="offset points", color=COLOURS["purple"])
    ax.plot(0, 0, "o", color=INK, markersize=4)


def centre_and_metric(line: Line) -> tuple[Floats, Floats]:
    """Return the analytic centre of the training cone, (2,), and the barrier's Hessian, (2, 2).

    The solver works in whitened coordinates U, in which class 1 is held at zero; (w, b) is minus
    the layer that U stands for.
    """
    problem = build(line.features[:, None], line.labels, line.probes[:, None], 2)
    centre = analytic_centre(problem, max_margin(problem)[0])
    to_plane = -problem.to_whitened
    back = np.linalg.inv(to_plane)
    hessian = centre.factor @ centre.factor.T
    return to_plane @ centre.point[0], back.T @ hessian @ back


def project(line: Line, probe: int, wanted: int) -> tuple[Floats, Floats]:
    """Return the centre and its projection on the side where the probe wins.

    That side is target · (w, b) ≥ PUSH · ‖target‖, and the metric is that of the
    barrier. Training rows are left out: this is the first step of the active-set
    method, and all of it while no training row gets in the way.
    """
    start, metric = centre_and_metric(line)
    sign = 1.0 if wanted else -1.0
    target = sign * np.array([line.probes[probe], 1.0])
    missing = float(PUSH * np.linalg.norm(target) - target @ start)
    step = np.linalg.solve(metric, target)
    return start, start + max(0.0, missing) * step / (target @ step)


def draw_search(ax: Axes, line: Line, probe: int, wanted: int, reach: float = 2.0) -> None:
    """Draw one feasible pair: centre, its ellipse, the ray to the target, and the witness part."""
    start, goal = project(line, probe, wanted)
    _, metric = centre_and_metric(line)
    for cell in cells(line):
        corners = 3 * reach * np.array([_direction(cell.start), _direction(cell.end)])
        wins = cell.labels[probe] == wanted
        tint = to_rgba(COLOURS["teal" if wins else "grey"], 0.35 if wins else 0.15)
        ax.add_patch(Polygon([(0, 0), *corners], closed=True, facecolor=tint))
    style = {"color": COLOURS["purple"], "linewidth": 1.6, "linestyle": (0, (4, 3))}
    _through_origin(ax, line.probes[probe], reach, **style)
    lengths, axes = np.linalg.eigh(metric)
    ax.add_patch(
        Ellipse(
            (start[0], start[1]),
            *(2 / np.sqrt(lengths)),
            angle=float(np.degrees(np.arctan2(axes[1, 0], axes[0, 0]))),
            facecolor="none",
            edgecolor=INK,
            linewidth=1.2,
        )
    )
    beyond = start + 1.15 * (goal - start)
    ax.annotate(
        "", _pair(beyond), _pair(start), arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.6}
    )
    ax.plot(*start, "o", color=INK, markersize=6)
    ax.annotate("centre", _pair(start), (8, -12), textcoords="offset points")
    ax.plot(*goal, "*", color=COLOURS["teal"], markersize=13)
    ax.annotate("witness", _pair(goal), (-8, 8), textcoords="offset points", ha="right")
    words = f"{line.names[probe]} is of class {wanted}"
    side = next(cell for cell in cells(line) if cell.labels[probe] == wanted)
    spot = 0.85 * reach * _direction((side.start + side.end) / 2)
    ax.text(*_pair(spot), words, ha="center", va="center", fontsize=9.5)
    ax.set(xlim=(-reach / 10, reach), ylim=(-reach * 0.6, reach * 0.6))
    ax.set(xlabel="weight $w$", ylabel="bias $b$", xticks=np.linspace(0, reach, 5))
    ax.grid(visible=False)


def farkas_walk(line: Line, probe: int, wanted: int) -> tuple[Floats, list[str]]:
    """Return the weighted rows of an infeasibility certificate, (q, 2), and a name for each.

    They add up to zero. Raises ValueError if the pair is feasible.
    """
    answer = pair_proxy(line.features[:, None], line.labels, line.probes[:, None], classes=2)
    proof = answer.certificate(probe, wanted)
    if not isinstance(proof, Farkas):
        raise ValueError(f"probe {probe} can take class {wanted}: there is a witness, no proof")
    steps = [weight * line.rows[i] for i, weight in zip(proof.points, proof.weights, strict=True)]
    names = [
        f"point at {line.features[i]:+.1f} as class {line.labels[i]}".replace("-", "−")
        for i in proof.points
    ]
    target = (1.0 if wanted else -1.0) * np.array([line.probes[probe], 1.0])
    steps += [weight * target for weight in proof.probe_weights]
    names += [f"probe {line.names[probe]} as class {wanted}"] * len(proof.probe_weights)
    return np.array(steps, dtype=np.float64), names


def draw_farkas(ax: Axes, line: Line, probe: int, wanted: int) -> None:
    """Draw the certificate of an infeasible pair: weighted rows, head to tail, a closed walk."""
    steps, names = farkas_walk(line, probe, wanted)
    steps = steps / np.abs(np.cumsum(steps, axis=0)).max()
    at = np.zeros(2)
    for step, name, colour in zip(steps, names, ("blue", "orange", "purple", "teal"), strict=False):
        arrow = {"arrowstyle": "-|>", "color": COLOURS[colour], "lw": 2.2}
        ax.annotate(
            "", _pair(at + step), _pair(at), arrowprops={**arrow, "shrinkA": 0, "shrinkB": 0}
        )
        ax.plot([], [], color=COLOURS[colour], label=name)
        at = at + step
    corners = np.vstack([np.zeros(2), np.cumsum(steps, axis=0)])
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = 0.12 * (high - low).max()
    ax.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin))
    ax.plot(0, 0, "o", color=INK, markersize=5)
    ax.set(xlabel="feature part of the rows", ylabel="bias part")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))
    ax.grid(visible=False)


def _pair(point: Floats) -> tuple[float, float]:
    return float(point[0]), float(point[1])


def _direction(angle: float) -> Floats:
    return np.array([np.cos(angle), np.sin(angle)])


def _open_probes(line: Line) -> list[int]:
    taken = [{cell.labels[p] for cell in cells(line)} for p in range(len(line.probes))]
    return [p for p, labels in enumerate(taken) if len(labels) > 1]


def _through_origin(ax: Axes, feature: float, reach: float, **style: object) -> None:
    """Draw the line w·φ + b = 0."""
    w = np.array([-3.0, 3.0]) * reach
    ax.plot(w, -feature * w, **style)  # type: ignore[arg-type]


def _on_the_edge(feature: float, reach: float) -> tuple[float, float]:
    """Return where the ray w > 0 of the line w·φ + b = 0 leaves the picture."""
    w = reach if abs(feature) <= 1 else reach / abs(feature)
    return w, -feature * w
