"""The figures of this chapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from helpers.experiments.arithmetic import VOCABULARIES, WORDS, mean_over_bits
from helpers.page.plots import COLOURS
from helpers.theory.arithmetic import Masks, Policies, cheapest_covers

STYLES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "weakest_states": {"color": COLOURS["blue"], "marker": "^", "linestyle": "-"},
        "weakest_statements": {"color": COLOURS["teal"], "marker": "D", "linestyle": ":"},
        "shortest": {"color": COLOURS["orange"], "marker": "s", "linestyle": "--"},
    }
)


def draw_by_seen(axes: Sequence[Axes], table: pd.DataFrame, column: str) -> None:
    """Draw the mean of a column against the rows seen: a panel a vocabulary, a line a criterion."""
    means = mean_over_bits(table, column, ("vocabulary", "criterion", "seen"))
    for ax, vocabulary in zip(axes, VOCABULARIES, strict=True):
        curves = means[vocabulary].unstack("seen")
        for criterion, style in STYLES.items():
            if criterion in curves.index:
                rates = curves.loc[criterion]
                ax.plot(curves.columns, rates, label=WORDS.get(criterion, criterion), **style)
        ax.set(title=WORDS.get(vocabulary, vocabulary))
        ax.set(xlabel="rows seen $k$", ylim=(-0.03, 1.03), xticks=[4, 8, 12])
    handles = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(*handles, loc="outside lower center", ncols=len(STYLES))


def draw_cloud(ax: Axes, meanings: Policies, chosen: Mapping[str, Policies], table: int) -> None:
    """Draw meanings by length and states allowed; mark what each criterion chooses, and `table`."""
    ax.scatter(*_place(meanings), s=9, color=COLOURS["grey"], alpha=0.35, rasterized=True)
    for (name, policies), style in zip(chosen.items(), STYLES.values(), strict=True):
        mark: dict[str, Any] = {"marker": style["marker"], "color": style["color"]}
        ax.plot(*_place(policies), linestyle="none", markersize=9, label=name, **mark)
    right = meanings.generalises(table)
    x, y = _place(meanings)
    ring: dict[str, Any] = {"markersize": 15, "fillstyle": "none", "color": COLOURS["pink"]}
    ax.plot(x[right], y[right], "o", label="right", **ring)
    ax.set_xlabel("length of the shortest policy with this meaning (literals)")
    ax.set_ylabel("states allowed (of 32)")
    ax.legend(loc="lower right")


def _place(policies: Policies) -> tuple[Masks, Masks]:
    literals = cheapest_covers("literals").cost
    return literals[policies.ones] + literals[policies.zeros], policies.allowed()
