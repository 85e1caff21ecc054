"""Pictures say what the definitions say: one box a statement, one digit a forced row."""

from __future__ import annotations

from collections import Counter

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from helpers.theory import pictures
from helpers.theory.arithmetic import Examples, truth_table
from helpers.theory.languages import extension, statements


@pytest.fixture(autouse=True)
def _no_window():
    mpl.use("Agg")
    yield
    plt.close("all")


def test_every_statement_has_its_box_and_completions_are_lit():
    v = pictures.gestures()
    _, ax = plt.subplots()
    pictures.draw_lattice(ax, v, {"Ext": extension(v, v.statement("up"))})
    words = {t.get_text(): t for t in ax.texts}
    assert set(words) == {"\n".join(v.names(x)) or "∅" for x in statements(v)}
    bold = {text for text, t in words.items() if t.get_weight() == "bold"}
    assert bold == {text for text in words if "up" in text.split("\n")}


def test_ghosts_are_the_sets_that_no_state_satisfies():
    v = pictures.gestures()
    _, ax = plt.subplots()
    pictures.draw_lattice(ax, v, ghosts=True)
    assert len(ax.texts) == 16
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert len(crosses) == 16 - len(statements(v))


def test_edges_join_statements_that_differ_by_one_program():
    v = pictures.gestures_with_nap()
    _, ax = plt.subplots()
    pictures.draw_lattice(ax, v)
    assert len(ax.lines) == sum(int(x).bit_count() for x in statements(v))


def test_gestures_show_a_filled_dot_for_each_program_that_holds():
    v = pictures.gestures()
    _, ax = plt.subplots()
    pictures.draw_gestures(ax, v)
    filled = [n for n in ax.lines if n.get_marker() == "o" and n.get_markersize() == 9]
    assert len(filled) == sum(p.bit_count() for p in v.programs)


def test_policy_grid_shows_forced_open_and_wrong_rows():
    table = truth_table("addition", 0)
    examples = Examples(table, rows=0b11)
    _, ax = plt.subplots()
    pictures.draw_policy(ax, examples, ones=table | 1, zeros=1 | 2, title="x")
    shown = Counter(t.get_text() for t in ax.texts)
    assert shown["×"] == 2  # rows 0 and 1 are forced both ways
    assert shown["1"] == table.bit_count() - 1
    assert shown["·"] == 16 - table.bit_count() - 1
    boxes = [p for p in ax.patches if isinstance(p, Rectangle)]
    assert len(boxes) == 2
    assert np.isclose(boxes[1].get_x(), 0.6)
