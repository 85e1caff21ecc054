"""Pictures: lattices of statements, the bodies of the example, and policies of arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Circle, Rectangle

from helpers.page.plots import COLOURS, INK
from helpers.theory.arithmetic import ROWS, Examples
from helpers.theory.languages import StatementSet, Vocabulary, embodied_language, members


def gestures() -> Vocabulary:
    """Return the running example: five moments of a body, four things that can be said of it."""
    return Vocabulary.from_sets(
        ["rest", "wave", "hail", "reach", "stretch"],
        {
            "up": ["wave", "hail", "reach", "stretch"],
            "open": ["rest", "wave", "hail", "reach"],
            "tiptoe": ["reach", "stretch"],
            "moving": ["wave"],
        },
    )


def gestures_with_nap() -> Vocabulary:
    """Return the running example with a sixth moment, a nap, and a word that is true only of it."""
    return Vocabulary.from_sets(
        ["rest", "wave", "hail", "reach", "stretch", "nap"],
        {
            "up": ["wave", "hail", "reach", "stretch"],
            "open": ["rest", "wave", "hail", "reach"],
            "tiptoe": ["reach", "stretch"],
            "moving": ["wave"],
            "lying": ["nap"],
        },
    )


def draw_gestures(ax: Axes, vocabulary: Vocabulary) -> None:
    """Draw a stick figure for each state, and beneath it which programs hold there."""
    count = vocabulary.states
    for s, state in enumerate(vocabulary.state_names):
        holds = {
            name: bool(p >> s & 1)
            for name, p in zip(vocabulary.program_names, vocabulary.programs, strict=True)
        }
        _stick_figure(ax, float(s), holds)
        ax.text(s, 2.3, state, ha="center", va="bottom", fontsize=11, style="italic")
        for i, name in enumerate(vocabulary.program_names):
            y = -0.55 - 0.42 * i
            ax.text(-0.75, y, name, ha="right", va="center", fontsize=11)
            if holds[name]:
                ax.plot(s, y, "o", color=COLOURS["blue"], markersize=9)
            else:
                ax.plot(s, y, "o", markeredgecolor=INK, markerfacecolor="none", markersize=5)
    ax.set_xlim(-1.9, count - 0.4)
    ax.set_ylim(-0.8 - 0.42 * (len(vocabulary) - 1), 2.7)
    ax.set_aspect("equal")
    ax.axis("off")


def _stick_figure(ax: Axes, x: float, holds: Mapping[str, bool]) -> None:
    ink: dict[str, Any] = {"color": INK, "linewidth": 2.2, "solid_capstyle": "round"}
    arm: dict[str, Any] = {"color": COLOURS["blue"], "linewidth": 2.6, "solid_capstyle": "round"}
    lift = 0.22 if holds.get("tiptoe", False) else 0.0
    hip, neck, head = 0.75 + lift, 1.4 + lift, 1.55 + lift
    ax.add_patch(Circle((x, head), 0.14, fill=False, edgecolor=INK, linewidth=2.2))
    ax.plot([x, x], [hip, neck], **ink)
    for side in (-1, 1):
        foot = x + side * 0.2
        ax.plot([x, foot], [hip, lift], **ink)
        ax.plot([foot, foot + (0.06 if lift else 0.13)], [lift, 0.0], **ink)
    ax.plot([x, x - 0.22], [neck - 0.1, neck - 0.6], **ink)
    up = holds.get("up", False)
    hand = (x + 0.28, neck + 0.5) if up else (x + 0.22, neck - 0.6)
    ax.plot([x, hand[0]], [neck - 0.1, hand[1]], **arm)
    tip = hand[1] + (0.15 if up else -0.15)
    if holds.get("open", False):
        for spread in (-0.09, 0.0, 0.09):
            ax.plot([hand[0], hand[0] + 0.03 + spread], [hand[1], tip], **arm | {"linewidth": 1.6})
    else:
        ax.plot(*hand, "o", color=COLOURS["blue"], markersize=7)
    if holds.get("moving", False):
        angle = np.linspace(-0.7, 0.7, 12)
        for radius in (0.2, 0.29):
            x_arc, y_arc = hand[0] + radius * np.cos(angle), hand[1] + radius * np.sin(angle)
            ax.plot(x_arc, y_arc, **arm | {"linewidth": 1.3})


def draw_policy(ax: Axes, examples: Examples, ones: int, zeros: int, title: str) -> None:
    """Draw what a policy says in each of the 16 rows: a grid of a against b.

    Seen rows are boxed. A digit is what the policy forces, struck out if wrong; a dot is a row
    that it leaves open, a cross one where it contradicts itself.
    """
    for row in range(ROWS):
        a, b = divmod(row, 4)
        one, zero, right = (mask >> row & 1 for mask in (ones, zeros, examples.table))
        said = "×" if one and zero else "1" if one else "0" if zero else "·"
        wrong = bool(one ^ zero) and bool(one) != bool(right)
        colour = COLOURS["orange"] if wrong or said == "×" else COLOURS["blue"]
        ax.text(b, a, said, ha="center", va="center", fontsize=14, color=colour, weight="bold")
        if wrong:
            ax.plot([b - 0.22, b + 0.22], [a + 0.24, a - 0.24], color=colour, linewidth=1.6)
        if examples.rows >> row & 1:
            ax.add_patch(Rectangle((b - 0.4, a - 0.4), 0.8, 0.8, fill=False, edgecolor=INK))
    ticks = ["00", "01", "10", "11"]
    ax.set_xticks(range(4), ticks)
    ax.set_yticks(range(4), ticks)
    ax.set_xlim(-0.6, 3.6)
    ax.set_ylim(3.6, -0.6)
    ax.set_aspect("equal")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.set(xlabel="$b$", ylabel="$a$", title=title)
    for spine in ax.spines.values():
        spine.set_visible(False)


def draw_lattice(
    ax: Axes,
    vocabulary: Vocabulary,
    lit: Mapping[str, StatementSet] | None = None,
    *,
    ghosts: bool = False,
) -> None:
    """Draw the language as a Hasse diagram: a statement above each statement it adds a program to.

    lit: up to three named sets of statements to light up, each in its own colour and edge style;
    they should not overlap. ghosts: draw the inconsistent subsets too, crossed out.
    """
    language = embodied_language(vocabulary)
    names = vocabulary.program_names
    shown = np.ones_like(language) if ghosts else language
    place = _positions(np.flatnonzero(shown).tolist())
    _frame(ax, place)
    for x, y in ((x, x | 1 << i) for x in place for i in range(len(vocabulary)) if not x >> i & 1):
        if y in place:
            _edge(ax, place, x, y, solid=bool(language[x] and language[y]))
    for x in place:
        owner = next((i for i, chosen in enumerate((lit or {}).values()) if chosen[x]), None)
        text = "\n".join(names[i] for i in members(x)) or "∅"
        _node(ax, place[x], text, owner, consistent=bool(language[x]))
    for name, (colour, line) in zip(lit or {}, STYLES, strict=False):
        ax.plot([], [], color=COLOURS[colour], linestyle=line, linewidth=2.4, label=name)
    if lit:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=len(lit), handlelength=2.6)


STYLES = (("blue", "-"), ("orange", "--"), ("teal", (0, (1, 1))))


def _node(
    ax: Axes, where: tuple[float, float], text: str, owner: int | None, *, consistent: bool
) -> None:
    box: dict[str, Any] = {"boxstyle": "round,pad=0.35", "facecolor": "none", "edgecolor": INK}
    box |= {"linewidth": 0.9}
    weight = "normal"
    if owner is not None:
        colour, line = STYLES[owner]
        box |= {"facecolor": to_rgba(COLOURS[colour], 0.25), "edgecolor": COLOURS[colour]}
        box |= {"linewidth": 2.0, "linestyle": line}
        weight = "bold"
    if not consistent:
        box |= {"linestyle": (0, (1, 3))}
        ax.plot(*where, marker="x", markersize=30, color=INK, alpha=0.4, zorder=2)
    ax.text(
        *where,
        text,
        ha="center",
        va="center",
        fontsize=9,
        weight=weight,
        alpha=1.0 if consistent else 0.75,
        bbox=box,
        zorder=3,
    )


def _edge(
    ax: Axes, place: Mapping[int, tuple[float, float]], low: int, high: int, *, solid: bool
) -> None:
    # Nodes have no ground of their own (it would be a card on a dark page), so edges stop short.
    bottom, top = ax.get_ylim()
    points = ax.figure.get_window_extent().height / ax.figure.dpi * 72 / (top - bottom)
    near, far = ((6.5 * max(1, s.bit_count()) + 3) / points for s in (low, high))
    (x, y), (above, up) = place[low], place[high]
    style: dict[str, Any] = {"linewidth": 1.0, "linestyle": "-", "alpha": 0.6}
    if not solid:
        style = {"linewidth": 0.8, "linestyle": (0, (1, 3)), "alpha": 0.5}
    ax.plot([x, above], [y + near, up - far], color=INK, zorder=1, **style)


def _positions(shown: Sequence[int]) -> dict[int, tuple[float, float]]:
    levels: dict[int, list[int]] = {}
    for x in shown:
        levels.setdefault(x.bit_count(), []).append(x)
    place = {}
    for level, items in levels.items():
        ordered = sorted(items, key=members)
        for i, x in enumerate(ordered):
            place[x] = (i - (len(ordered) - 1) / 2, float(level))
    return place


def _frame(ax: Axes, place: Mapping[int, tuple[float, float]]) -> None:
    across, up = zip(*place.values(), strict=True)
    ax.set_xlim(min(across) - 0.6, max(across) + 0.6)
    ax.set_ylim(min(up) - 0.4, max(up) + 0.5)
    ax.axis("off")
