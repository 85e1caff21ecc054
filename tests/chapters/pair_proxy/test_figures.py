"""In the plane everything can be counted by hand: cells, classes, projections, closed walks."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import Polygon

from helpers.chapters.pair_proxy import figures as pictures
from helpers.chapters.pair_proxy.figures import Line
from helpers.measures.pair_proxy import pair_proxy


@pytest.fixture(autouse=True)
def _no_window():
    mpl.use("Agg")
    yield
    plt.close("all")


def threshold_labels(line):
    """List the joint labellings by the definition: a threshold in a gap, and a side for class 1."""
    places = np.unique(np.concatenate([line.features, line.probes]))
    cuts = np.concatenate([[places[0] - 1], (places[1:] + places[:-1]) / 2, [places[-1] + 1]])
    found = set()
    for cut in cuts:
        for right in (True, False):
            if (((line.features > cut) == right) == (line.labels == 1)).all():
                found.add(tuple(((line.probes > cut) == right).astype(int).tolist()))
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-6, 6), st.integers(0, 1)), min_size=1, max_size=5),
    st.lists(st.integers(-7, 7), min_size=1, max_size=4),
)
def test_cells_are_the_joint_labellings_and_their_marginals_the_pair_proxy(points, probes):
    features, labels = (np.array(column) for column in zip(*points, strict=True))
    line = Line(features.astype(float), labels, np.array(probes, dtype=float))
    found = pictures.cells(line)
    assert {cell.labels for cell in found} == threshold_labels(line)
    answer = pair_proxy(line.features[:, None], labels, line.probes[:, None], classes=2)
    taken = [len({cell.labels[p] for cell in found}) for p in range(len(probes))]
    assert answer.extensions.tolist() == taken


def test_the_projection_reaches_the_wanted_side_and_is_nearest_in_the_metric():
    line = pictures.example_line()
    start, goal = pictures.project(line, probe=1, wanted=1)
    _, metric = pictures.centre_and_metric(line)
    target = np.array([line.probes[1], 1.0])
    assert (line.rows @ start > 0).all()
    assert target @ goal == pytest.approx(pictures.PUSH * np.linalg.norm(target))
    along = np.array([1.0, -line.probes[1]])  # moving along the boundary only gets further away
    assert along @ metric @ (goal - start) == pytest.approx(0, abs=1e-9)


def test_the_walk_of_a_certificate_closes_and_a_feasible_pair_has_none():
    line = pictures.example_line()
    steps, names = pictures.farkas_walk(line, probe=3, wanted=0)
    assert np.abs(steps.sum(axis=0)).max() <= 1e-12 * np.abs(steps).max()
    assert len(names) == len(steps) >= 2
    assert any("probe d" in name for name in names)
    with pytest.raises(ValueError, match="can take class"):
        pictures.farkas_walk(line, probe=1, wanted=0)


def test_pictures_show_one_patch_a_cell_and_a_line_for_each_point_and_probe():
    line = pictures.example_line()
    _, (left, right) = plt.subplots(1, 2)
    pictures.draw_points(left, line)
    pictures.draw_cone(right, line)
    assert sum(isinstance(p, Polygon) for p in right.patches) == len(pictures.cells(line)) == 3
    assert len(right.lines) == len(line.features) + len(line.probes) + 1
    assert {text.get_text() for text in right.texts} >= set(line.names)
    pictures.draw_search(left, line, 1, 1)
    pictures.draw_farkas(right, line, 3, 0)
