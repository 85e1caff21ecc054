"""The tables and figures of the chapter, drawn from made-up crossings."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from made_up_crossings import at_large_n, everywhere, gone_altogether, loader, world

from helpers.analysis import large_n
from helpers.chapters.batch_or_rate import analysis, figures, tables
from helpers.experiments.batch_or_rate import SIZES
from helpers.page.tables import show
from helpers.statistics import Estimate

MEASURES = {"batch": analysis.batch_at_equal_rate}


@pytest.fixture
def frames():
    return analysis.gather(loader(everywhere(rate=1.5, batch=-0.2)))


def test_an_estimate_of_log_traces_is_shown_as_a_factor():
    one = Estimate(np.log(0.5), np.log(0.4), np.log(0.6), 0.01, 10, "made up")
    assert tables.change(one, "log_trace") == "×0.50 [0.40, 0.60]"
    assert tables.change(one, "accuracy") == "−0.69 [−0.92, −0.51]"
    nothing = Estimate(*[np.nan] * 4, 0, "none")
    assert tables.change(nothing, "log_trace") == tables.change(nothing, "accuracy") == "–"


def test_every_table_can_be_shown(frames):
    accuracy, trace = (analysis.all_effects(frames, one) for one in analysis.OUTCOMES)
    made = {
        "contrasts": (tables.contrast_table(frames, MEASURES), 3),
        "stops": (tables.contrasts_by_stop(frames, MEASURES), 6),
        "steps": (tables.step_table(frames, "accuracy"), 7),
        "factors": (tables.step_table(frames, "log_trace"), 7),
        "effects": (tables.effect_table(accuracy, trace), 12),
        "loss": (tables.stops_compared(frames), 6),
        "further": (tables.further_table(frames), 3),
        "compared": (
            tables.compared_table(
                large_n.regimes_compared(loader(at_large_n(gain=0.5, advantage=0.1)))
            ),
            3,
        ),
    }
    for name, (table, rows) in made.items():
        assert len(table) == rows, name
        assert "nan" not in show(table, caption=name)._repr_html_(), name


def test_a_step_whose_corner_diverged_is_a_dash():
    frame = gone_altogether(world(500, rate=1.5))
    table = tables.step_table({500: frame}, "log_trace")["n = 500"]
    assert table["rate, batch small"] == table["rate, both ways averaged"] == "–"
    assert table["regimes apart"].startswith("×0.")


def test_every_figure_can_be_drawn(frames):
    figure, axes = plt.subplots(len(SIZES), 2, squeeze=False)
    figures.draw_maps(axes, frames)
    written = " ".join(text.get_text() for ax in axes.ravel() for text in ax.texts)
    assert written.count("large batch") == 2 * len(SIZES)
    plt.close(figure)
    figure, axes = plt.subplots(2, len(SIZES))
    figures.draw_two_ways(axes, frames)
    figures.name_the_ways(figure)
    assert len(figure.legends[0].get_texts()) == 4
    assert [ax.get_title() for ax in axes[0]] == [f"n = {n:,}" for n in SIZES]
    plt.close(figure)


def test_the_way_through_the_fast_corner_is_drawn_at_its_heights(frames):
    figure, axes = plt.subplots(2, len(SIZES))
    figures.draw_two_ways(axes, frames)
    at = analysis.corners(frames[500])
    means = analysis.by_seed(frames[500], "log_trace", "memorised").mean()
    expected = [np.exp(means[at[name]]) for name in ("small_batch", "small, fast", "large_batch")]
    np.testing.assert_allclose(axes[1, 0].lines[0].get_ydata(), expected)
    plt.close(figure)
