"""The regimes at n = 24,000 in made-up tables: minima, shares, and what goes on predicting."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_crossings import at_large_n, loader

from helpers.analysis import large_n
from helpers.errors import MissingTableError


def test_the_minima_at_large_n_are_told_apart_by_rate():
    table = large_n.minima_at_large_n(loader(at_large_n(gain=0.5, advantage=0.1)))
    assert table["rate"].tolist() == [0.01, 0.3, 0.5]
    assert table["networks"].tolist() == [25, 10, 10]
    assert table["past_cut"].tolist() == [0, 10, 0]
    assert table["late"].tolist() == [0, 9, 0]
    assert table["trace"].tolist() == [40, 40, 20]
    assert table["accuracy"].diff().round(1).tolist()[1:] == [0.1, 0.5]
    with pytest.raises(MissingTableError):
        large_n.minima_at_large_n(loader({}))


def test_the_rates_part_of_a_fall_lies_between_none_and_all():
    """Put back, the rate undoes all of the change, none of it, or as much as it was made to."""
    part = large_n.rates_part
    assert part(before=0.5, lowered=0.1, kept=0.5) == 1
    assert part(before=0.5, lowered=0.1, kept=0.1) == 0
    tables = at_large_n(gain=0.1, advantage=0.1)
    table = large_n.regimes_compared(loader(tables))
    assert table["networks"].tolist() == [50, 35, 35]
    found = large_n.parts(table)
    assert found.accuracy == pytest.approx(0.1 / 0.4, abs=0.05)  # Δ: .5, then .1, and .2
    assert found.trace == pytest.approx(1)  # ratio: a half, then 1, and a half
    gone = {name: frame for name, frame in tables.items() if not name.endswith("_12000")}
    with pytest.raises(MissingTableError):
        large_n.regimes_compared(loader(gone))


def test_the_trace_predicts_where_the_regimes_differ_in_it():
    """At .3 all traces are alike and a constant predicts nothing; at .5 accuracy goes with them."""
    tables = at_large_n(gain=0.5, advantage=0.0)
    rng = np.random.default_rng(0)
    for frame in tables.values():
        frame["hessian_trace"] *= np.exp(rng.normal(scale=0.01, size=len(frame)))
    _, lowered, kept = large_n.regimes_compared(loader(tables)).itertuples()
    assert lowered.rho.covers(0)
    assert lowered.trace.covers(1)
    assert kept.rho.below(0)
    assert kept.trace.below(1)


def test_networks_of_one_seed_stand_in_one_row():
    found = large_n.at_large_n(loader(at_large_n(gain=0.5, advantage=0.1)))
    assert found.by_rate.shape == (10, 2)
    assert len(found.small) == 25
    assert (found.by_rate[0.5] - found.by_rate[0.3]).mean() == pytest.approx(0.5, abs=0.05)
