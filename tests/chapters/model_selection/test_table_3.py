"""The claims of Table 3, read from made-up tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from helpers.chapters.model_selection.claims import CLAIMS, NOT_INVARIANT, TABLE_3
from helpers.claims.types import Verdict
from helpers.experiments.model_selection import FAMILY

READ = {claim.id: claim.read for claim in CLAIMS}


@pytest.fixture
def strong():
    """120 networks whose accuracy follows the free regions about as the paper says."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({name: random.normal(size=120) for name in FAMILY})
    noise = random.normal(size=120)
    return frame.assign(test_accuracy=rankdata(0.117 * frame["unseen_only_regions"] + noise))


def test_ranks_turned_round_turn_the_sign_and_the_verdict(strong):
    opposed = strong.assign(test_accuracy=-strong["test_accuracy"])
    read = READ["regions-predict"]
    one, other = read(lambda name: strong), read(lambda name: opposed)
    assert one.estimate.estimate == pytest.approx(-other.estimate.estimate)
    assert other.verdict is Verdict.FAILS


def test_the_closest_rival_decides_whether_invariant_beats_the_rest(strong):
    def load(name):
        return strong

    gaps = [
        TABLE_3.family.compare(load, "unseen_only_regions", rival).bootstrap.estimate
        for rival in NOT_INVARIANT
    ]
    beats = READ["invariant-beats-the-rest"](load)
    assert beats.estimate.estimate == pytest.approx(min(gaps))


def test_the_worse_of_the_two_norms_decides(strong):
    follows = strong.assign(weight_l1_norm=strong["test_accuracy"])
    assert READ["norms-do-not-select"](lambda name: follows).verdict is Verdict.FAILS
