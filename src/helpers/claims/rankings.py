"""Show how well measures rank networks: one table and one figure for every family of measures."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from helpers.claims.correlations import Family
from helpers.claims.types import Load
from helpers.page.plots import forest
from helpers.page.tables import Table, readable, show, word
from helpers.statistics import Estimate

_NAMES = {"rho": "ρ", "p_holm": "p (Holm)", "p_bh": "p (BH)"}


def estimates(table: pd.DataFrame) -> dict[str, Estimate]:
    """Return the rows of a `correlation_family` or `partial_family` as estimates, by name."""
    networks = table.get("n", pd.Series(0, index=table.index))
    parts = zip(table["rho"], table["low"], table["high"], table["p"], networks, strict=True)
    return {
        str(name): Estimate(
            float(rho), float(low), float(high), float(p), int(n), "Spearman, BCa bootstrap"
        )
        for name, (rho, low, high, p, n) in zip(table.index, parts, strict=True)
    }


def show_family(
    table: pd.DataFrame, caption: str, paper: pd.DataFrame | None = None, digits: int = 3
) -> Table:
    """Show a `correlation_family` or `partial_family`, after the columns of `paper` if given."""
    frame = table.assign(rho=pd.Series(estimates(table)))
    frame = frame.drop(columns=["low", "high", "n"], errors="ignore").rename(columns=_NAMES)
    if paper is not None:
        frame = paper.join(frame)
    frame.index = pd.Index(readable(list(frame.index)), name=table.index.name)
    names = [str(name) for name in frame.columns]
    formats = {name: "+.3f" if "ρ" in name else f".{digits}f" for name in names}
    return show(frame, caption=caption, formats=formats, align={"ρ": "right"})


def draw_family(ax: Axes, table: pd.DataFrame, reported: ArrayLike | None = None) -> None:
    """Draw a family as a forest: ρ with its interval, and the paper's ρ where there is one."""
    values = (table[column] for column in ("rho", "low", "high"))
    forest(ax, readable(list(table.index)), *values, reported=reported, reference=0)
    ax.set_xlabel("Spearman's ρ with test accuracy")


def comparisons(family: Family, load: Load, first: str, rivals: Sequence[str]) -> pd.DataFrame:
    """Compare |ρ| of a measure with that of each rival on the same networks, a row a rival.

    Columns: its |ρ|; the difference, an Estimate with its bootstrap interval; Steiger's and
    Williams' p.
    """
    found = {rival: family.compare(load, first, rival) for rival in rivals}
    rows = {
        rival: [one.second, one.bootstrap, one.steiger.p, one.williams.p]
        for rival, one in found.items()
    }
    columns = ["its |ρ|", "difference", "Steiger p", "Williams p"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.rename_axis(f"{word(first)} against")


def show_comparisons(table: pd.DataFrame, caption: str) -> Table:
    """Show `comparisons`, and whatever p values were added to them."""
    formats = dict.fromkeys(map(str, table), ".3f") | {"difference": "+.3f"}
    align = {"difference": "right"}
    return show(table.rename(index=word), caption=caption, formats=formats, align=align)
