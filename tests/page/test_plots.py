"""Figures: colours that everybody can tell apart, on both grounds, and the same bytes each run."""

import io
import itertools
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from helpers.page import plots

WHITE, DARK = "#ffffff", "#16191e"

# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB.
COLOUR_BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
}  # fmt: skip


def linear(colour: str) -> np.ndarray:
    rgb = np.asarray(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(one: str, two: str) -> float:
    first, second = (float(linear(c) @ [0.2126, 0.7152, 0.0722]) + 0.05 for c in (one, two))
    return max(first, second) / min(first, second)


def lab(rgb_linear: np.ndarray) -> np.ndarray:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    white = np.array([0.9505, 1.0, 1.089])
    t = np.clip(xyz @ np.clip(rgb_linear, 0, 1) / white, 0, None)
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.fixture(autouse=True)
def theme():
    plots.use_theme()
    yield
    plt.close("all")


def svg(figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


@pytest.mark.parametrize("ground", [WHITE, DARK])
@pytest.mark.parametrize("name", plots.COLOURS)
def test_colours_stand_out_on_both_grounds(name, ground):
    assert contrast(plots.COLOURS[name], ground) >= 3


def test_ink_is_readable_in_a_notebook_of_either_theme():
    assert contrast(plots.INK, WHITE) >= 4.5
    assert contrast(plots.INK, "#111111") >= 3


@pytest.mark.parametrize("kind", COLOUR_BLINDNESS)
def test_first_colours_differ_for_colour_blind_readers(kind):
    first = list(plots.COLOURS.values())[:3]
    seen = [lab(np.asarray(COLOUR_BLINDNESS[kind]) @ linear(colour)) for colour in first]
    for one, two in itertools.combinations(seen, 2):
        assert np.linalg.norm(one - two) > 15  # CIE76 distance; about 2.3 is just noticeable


def test_ink_is_no_other_colour():
    assert plots.INK not in plots.COLOURS.values()


def test_the_same_figure_gives_the_same_bytes():
    def draw() -> str:
        fig, ax = plt.subplots()
        plots.curve(ax, [1, 10, 100], [1, 2, 4], [1, 1, 3], [2, 3, 5], log="xy", label="a")
        return svg(fig)

    first = draw()
    assert first == draw()
    assert "<text" not in first  # outlined: looks the same whatever fonts the reader has


def test_no_ground_is_painted():
    fig, _ax = plt.subplots()
    patch = re.search(r'<g id="patch_1">(.*?)</g>', svg(fig), re.DOTALL)
    assert patch is None or "fill: none" in patch.group(1)


def test_rank_trend_is_exact_on_monotone_data_and_falls_when_the_ranks_fall():
    x = np.array([3.0, 1.0, np.nan, 2.0])
    _fig, ax = plt.subplots()
    plots.rank_scatter(ax, x, -(x**3))
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(line.get_ydata(), [-1, -8, -27])


def test_regimes_differ_in_marker_as_well_as_colour():
    styles = list(plots.REGIMES.values())
    assert len({style["marker"] for style in styles}) == len(styles)
    _fig, ax = plt.subplots()
    plots.rank_scatter(
        ax, [1, 2, 3], [1, 2, 3], regime=["small_batch", "large_batch"] * 1 + ["small_batch"]
    )
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "small batch",
        "large batch",
    ]


def test_large_scatters_are_rasterised_and_small_ones_are_not():
    random = np.random.default_rng(0)
    for count, image in ((50, False), (5_000, True)):
        fig, ax = plt.subplots()
        plots.rank_scatter(ax, random.normal(size=count), random.normal(size=count), trend=False)
        assert ("<image" in svg(fig)) is image


def test_forest_puts_the_first_row_on_top_and_keeps_rows_with_missing_numbers():
    _fig, ax = plt.subplots()
    plots.forest(
        ax, ["first", "second"], [0.1, 0.2], [0.0, 0.1], [0.2, 0.3], reported=[0.5, np.nan]
    )
    heights = dict(zip((t.get_text() for t in ax.get_yticklabels()), ax.get_yticks(), strict=True))
    assert heights["first"] > heights["second"]
    measured = next(line for line in ax.lines if line.get_label() == "measured")
    assert dict(zip(measured.get_xdata(), measured.get_ydata(), strict=True)) == {0.1: 1, 0.2: 0}


def test_heatmap_writes_each_number_in_its_own_cell():
    _fig, ax = plt.subplots()
    plots.heatmap(ax, [[1.0, -0.5, 0], [np.nan, 0.25, 2]], ["r0", "r1"], ["a", "b", "c"])
    written = {t.get_position(): t.get_text() for t in ax.texts}
    assert written[(1.5, 0.5)] == "−0.50"
    assert written[(0.5, 1.5)] == "–"
    tops = ax.get_ylim()
    assert tops[0] > tops[1]  # first row on top


@pytest.mark.parametrize("bad", [np.zeros((2, 2)), np.zeros(3)])
def test_heatmap_refuses_a_shape_that_does_not_fit_its_labels(bad):
    _fig, ax = plt.subplots()
    with pytest.raises(ValueError, match="labels"):
        plots.heatmap(ax, bad, ["r"], ["a", "b"])


@pytest.mark.parametrize("regime", [None, ["small_batch"]])
def test_scatter_refuses_lengths_that_differ(regime):
    _fig, ax = plt.subplots()
    with pytest.raises(ValueError, match="expected one length"):
        plots.rank_scatter(ax, [1, 2], [1, 2, 3] if regime is None else [1, 2], regime=regime)
