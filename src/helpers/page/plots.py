"""One look for every figure: readable in light and dark, and to colour-blind readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import seaborn as sns
from IPython.core.getipython import get_ipython
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import ArrayLike
from scipy.stats import spearmanr
from sklearn.isotonic import IsotonicRegression

# Text, axes and ticks. The site replaces this one colour by the page's text colour; in JupyterLab,
# where nothing replaces it, it is dark enough for white and light enough for near-black.
INK = "#6a727e"

# Every colour has a contrast of at least 3:1 on white and on the dark page.
COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "blue": "#2f7fd0",
        "orange": "#d2691a",
        "teal": "#0f9b8a",
        "pink": "#d0528f",
        "purple": "#7b68c8",
        "ochre": "#a6842a",
        "grey": "#858c96",
    }
)

# Colour and marker together, so that no figure depends on colour alone.
REGIMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "small_batch": {"label": "small batch", "color": COLOURS["blue"], "marker": "o"},
        "large_batch": {"label": "large batch", "color": COLOURS["orange"], "marker": "s"},
    }
)

_RASTERISE_ABOVE = 2_000  # points: from here on an SVG of circles is heavier than an image


def use_theme() -> None:
    """Set the book's figure theme, and SVG on a transparent ground in notebooks."""
    sns.set_theme(
        context="notebook",
        style="ticks",
        palette=list(COLOURS.values()),
        rc={
            "figure.figsize": (6.2, 3.7),
            "figure.dpi": 100,
            "figure.facecolor": "none",
            "figure.constrained_layout.use": True,
            "axes.facecolor": "none",
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "axes.titlecolor": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.8,
            "axes.titlesize": 10.5,
            "axes.titlelocation": "left",
            "axes.labelsize": 10.5,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.unicode_minus": True,
            "grid.color": INK,
            "grid.alpha": 0.16,
            "grid.linewidth": 0.8,
            "xtick.color": INK,
            "ytick.color": INK,
            "xtick.labelsize": 9.5,
            "ytick.labelsize": 9.5,
            "xtick.major.width": 0.8,
            "ytick.major.width": 0.8,
            "xtick.major.size": 4,
            "ytick.major.size": 4,
            "xtick.minor.size": 0,
            "ytick.minor.size": 0,
            "text.color": INK,
            "font.size": 10,
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: same paths everywhere
            "mathtext.fontset": "dejavusans",
            "lines.linewidth": 1.8,
            "patch.edgecolor": "none",
            "lines.markersize": 5,
            "legend.frameon": False,
            "legend.fontsize": 9.5,
            "savefig.facecolor": "none",
            "savefig.dpi": 160,
            "image.interpolation": "none",  # an SVG then holds an image's own pixels, no more
            # Outlined text: log ticks and symbols sit right whatever fonts the reader has.
            "svg.fonttype": "path",
            "svg.hashsalt": "flat-minima",  # same figure, same bytes
        },
    )
    shell = get_ipython()
    if shell is not None and hasattr(shell, "kernel"):
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats(
            "svg", bbox_inches="tight", facecolor="none", metadata={"Date": None}
        )


def plain_log_axis(
    ax: Axes,
    which: Literal["x", "y"],
    ticks: Sequence[float],
    name: Callable[[float], str] = "{:,.4g}".format,
) -> None:
    """Make an axis logarithmic, with a plain number at each of the given ticks and nowhere else."""
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_locator(FixedLocator(list(ticks)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: name(value)))


def rank_scatter(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    *,
    regime: Sequence[str] | None = None,
    trend: bool = True,
) -> None:
    """Draw points, one style per regime, with the best monotone curve through all of them.

    x, y: (M,); pairs with a missing value are left out. regime: (M,) names out of `REGIMES`. The
    curve is the isotonic regression of y on x, rising or falling as the rank correlation does: it
    is to Spearman's coefficient what a straight line is to Pearson's.
    Raises ValueError when lengths differ or a regime has no style.
    """
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    names = np.full(xs.shape, "", dtype=object) if regime is None else np.asarray(regime, object)
    if not xs.shape == ys.shape == names.shape or xs.ndim != 1:
        raise ValueError(f"x {xs.shape}, y {ys.shape}, regime {names.shape}: expected one length")
    if strange := set(names) - {"", *REGIMES}:
        raise ValueError(f"unknown regime {sorted(strange)}; expected {', '.join(REGIMES)}")
    kept = np.isfinite(xs) & np.isfinite(ys)
    xs, ys, names = xs[kept], ys[kept], names[kept]
    plain = {"color": COLOURS["blue"], "marker": "o"}
    for name in (known for known in ("", *REGIMES) if known in names):
        chosen = names == name
        style: dict[str, Any] = dict(REGIMES[name]) if name else plain
        ax.scatter(
            xs[chosen],
            ys[chosen],
            s=22,
            alpha=0.75,
            linewidths=0,
            rasterized=xs.size > _RASTERISE_ABOVE,
            **style,
        )
    if trend and xs.size > 2:
        order = np.argsort(xs, kind="stable")
        rising = bool(spearmanr(xs, ys).statistic >= 0)
        fitted = IsotonicRegression(increasing=rising).fit_transform(xs, ys)
        ax.plot(xs[order], np.asarray(fitted)[order], color=INK, linewidth=1.4, zorder=3)
    if regime is not None:
        ax.legend()


def curve(
    ax: Axes,
    x: ArrayLike,
    centre: ArrayLike,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    *,
    label: str | None = None,
    colour: str = "blue",
    marker: str = "o",
    log: str = "",
) -> None:
    """Draw a curve with its band.

    x, centre, low, high: (k,). colour: a name in `COLOURS`. log: the axes that are logarithmic, as
    "", "x", "y" or "xy".
    """
    ax.plot(x, centre, color=COLOURS[colour], marker=marker, label=label)
    if low is not None and high is not None:
        ax.fill_between(x, low, high, color=COLOURS[colour], alpha=0.18, linewidth=0)
    if "x" in log:
        ax.set_xscale("log")
    if "y" in log:
        ax.set_yscale("log")
    if label is not None:
        ax.legend()


def forest(
    ax: Axes,
    labels: Sequence[str],
    estimate: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    reported: ArrayLike | None = None,
    reference: float | None = None,
    colour: str = "blue",
) -> None:
    """Draw one row per label: our estimate with its interval and, if given, the paper's number.

    estimate, low, high, reported: (k,), first row on top; a missing number draws nothing.
    reference: where to draw an upright line, such as no correlation at 0.
    """
    rows = np.arange(len(labels))[::-1]
    centre, lower, upper = (np.asarray(v, dtype=float) for v in (estimate, low, high))
    if reference is not None:
        ax.axvline(reference, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    ax.hlines(rows, lower, upper, color=COLOURS[colour], linewidth=2)
    ax.plot(centre, rows, "o", color=COLOURS[colour], markersize=6.5, label="measured")
    if reported is not None:
        style: dict[str, Any] = {"markersize": 7, "markerfacecolor": "none", "markeredgewidth": 1.6}
        printed = np.asarray(reported, dtype=float)
        ax.plot(printed, rows, "D", color=COLOURS["orange"], label="paper", **style)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    ax.set_yticks(rows, labels)
    ax.set_ylim(-0.6, len(labels) - 0.4)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)


def heatmap(
    ax: Axes,
    values: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    fmt: str = ".2f",
    limit: float | None = None,
    annotations: Sequence[Sequence[str]] | None = None,
) -> None:
    """Draw a matrix of numbers with each number written in its cell.

    values: (len(rows), len(columns)); blue above zero, orange below, full strength at ±limit (the
    largest magnitude by default). A missing value stays empty with a dash. annotations: what to
    write instead of the numbers. Cells are tints, so the text is readable on either ground.
    Raises ValueError when the shape does not fit the labels.
    """
    matrix = np.asarray(values, dtype=float)
    if matrix.shape != (len(rows), len(columns)):
        raise ValueError(f"values {matrix.shape}, labels ({len(rows)}, {len(columns)})")
    strength = limit if limit is not None else float(np.nanmax(np.abs(matrix))) or 1.0
    below, above = to_rgba(COLOURS["orange"], 0.5), to_rgba(COLOURS["blue"], 0.5)
    # Fade by opacity alone: the middle shows the page, not white.
    stops = [below, (*below[:3], 0.0), (*above[:3], 0.0), above]
    tint = LinearSegmentedColormap.from_list(
        "tint", list(zip([0, 0.5, 0.5, 1], stops, strict=True))
    )
    ax.pcolormesh(
        np.ma.masked_invalid(matrix),
        cmap=tint,
        vmin=-strength,
        vmax=strength,
        edgecolors=to_rgba(INK, 0.18),
        linewidth=0.8,
    )
    for row, column in np.ndindex(*matrix.shape):
        number = matrix[row, column]
        if annotations is not None:
            text = annotations[row][column]
        else:
            text = format(number, fmt).replace("-", "−") if np.isfinite(number) else "–"
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=9.5)
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    ax.invert_yaxis()
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
