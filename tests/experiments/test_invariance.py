"""The invariance matrix: theory's table against what a run measures."""

from __future__ import annotations

import pytest

from helpers.experiments.invariance import EXPECTED, MEASURES, TRANSFORMATIONS, Invariance, matrix
from helpers.sweeps.sweep import run


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    small = Invariance().smoke()
    return run(small, folder=tmp_path_factory.mktemp("tables"), progress=False).frame


def test_every_change_keeps_every_logit(measured):
    largest = measured.groupby("transformation")["logit_change"].max()
    assert set(largest.index) == set(TRANSFORMATIONS)
    assert largest["dead unit rewritten"] == 0.0
    assert largest["layers × power of two"] == 0.0
    assert largest.max() < 1e-9


def test_measures_move_exactly_where_theory_lets_them(measured):
    table = matrix(measured)
    assert len(table) == len(MEASURES) * len(TRANSFORMATIONS)
    for row in table.itertuples():
        if row.expected is None:
            assert row.networks == 0
        elif not row.expected:
            assert row.moved == 0, (row.measure, row.transformation, row.largest_change)
        elif row.transformation != "dead unit rewritten":
            assert row.moved == 1, (row.measure, row.transformation)


def test_functions_of_the_function_never_move():
    for transformation in TRANSFORMATIONS:
        assert EXPECTED["margin", transformation] is False
        assert EXPECTED["errors_on_unseen", transformation] is False
