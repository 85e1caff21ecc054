"""Draw the linear regions of a network with two inputs, coloured by who lives where."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch
from numpy.typing import NDArray
from torch import Tensor

from helpers.measures.regions import Regions, activation_patterns, group_rows, regions
from helpers.networks import Stack, activations
from helpers.page.plots import COLOURS, INK

CLASS_STYLES = (("blue", "o"), ("orange", "s"), ("teal", "^"))
TRAINING, FREE = to_rgba(COLOURS["grey"], 0.30), to_rgba(COLOURS["purple"], 0.38)


def blobs(points: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw points of three classes in the plane, one round heap each: (points, 2) and labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(points) % 3
    angle = 2 * np.pi * labels / 3 + np.pi / 2
    centres = np.column_stack([np.cos(angle), np.sin(angle)])
    places = centres + random.normal(scale=0.45, size=(points, 2))
    return torch.from_numpy(places.astype(np.float32)), torch.from_numpy(labels)


def regions_of(net: Stack, x: Tensor, unseen: Tensor, layer: int = 2) -> Regions:
    """Find the regions of a hidden layer that training points x and unseen points fall in."""
    known, new = (activation_patterns(net, points, layer)[0] for points in (x, unseen))
    return regions(known, new)


def representatives(net: Stack, x: Tensor, unseen: Tensor, layer: int = 2) -> NDArray[np.int64]:
    """Return, for each unseen-only region, the index of the first unseen point in it, (k,)."""
    known, new = (activation_patterns(net, points, layer)[0] for points in (x, unseen))
    _, first = group_rows(np.concatenate([known, new]))
    return first[first >= len(x)] - len(x)


def draw_regions(ax: Axes, net: Stack, x: Tensor, y: Tensor, unseen: Tensor, reach: float) -> None:
    """Draw one network's layer-2 regions on [−reach, reach]², x (n, 2), y (n,), unseen (m, 2).

    Regions with training points are grey, those with unseen points only are purple, and those that
    hold no point at all have no colour. Lines: where a layer-2 unit switches. The legend stands to
    the right.
    """
    side = np.linspace(-reach, reach, 321)
    grid = torch.from_numpy(np.stack(np.meshgrid(side, side), -1).reshape(-1, 2).astype(np.float32))
    every = torch.cat([x, unseen, grid])
    number, _ = group_rows(activation_patterns(net, every, 2)[0])
    known, new = number[: len(x)], number[len(x) : len(x) + len(unseen)]
    cells = number[len(x) + len(unseen) :].reshape(len(side), -1)
    tint = np.zeros((*cells.shape, 4))
    tint[np.isin(cells, new)] = FREE
    tint[np.isin(cells, known)] = TRAINING
    extent = (-reach, reach, -reach, reach)
    ax.imshow(tint, origin="lower", extent=extent, interpolation="nearest", zorder=0)
    hidden = activations(net, grid)[0][0]
    switches = (hidden @ net.weights[1][0].T + net.biases[1][0]).reshape(len(side), len(side), -1)
    for unit in range(switches.shape[-1]):
        line = switches[..., unit].numpy()
        ax.contour(side, side, line, levels=[0], colors=[INK], linewidths=0.9)
    ax.plot(*unseen.T.numpy(), ".", color=INK, markersize=2.5, alpha=0.7, label="unseen")
    for label, (colour, marker) in enumerate(CLASS_STYLES):
        own = x[y == label].T.numpy()
        ax.plot(*own, marker, color=COLOURS[colour], markersize=7, label=f"class {label}")
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="$x_1$")
    ax.set_ylabel("$x_2$")
    ax.grid(visible=False)
    handles = ax.get_legend_handles_labels()[0]
    handles += [Patch(color=TRAINING, label="training region"), Patch(color=FREE, label="free")]
    ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.02, 0.5))
