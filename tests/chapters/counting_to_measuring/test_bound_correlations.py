"""The correlations of bounds with weakness, and the verdict that is read from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.chapters.counting_to_measuring.bound_correlations import bound_correlations
from helpers.claims.types import Verdict
from helpers.ledger import find


def networks(n, count, seed, *, tracks):
    """Make up networks whose bound follows a hidden weakness, or nothing at all."""
    rng = np.random.default_rng(seed)
    weakness = rng.normal(size=count)
    bound = -weakness if tracks else rng.normal(size=count)
    noise = rng.normal(size=(3, count)) * 0.2
    return pd.DataFrame(
        {
            "n": n,
            "memorised": True,
            "diverged": False,
            "test_accuracy": 0.8 + 0.01 * (weakness + noise[0]),
            "maurer_bound": bound + noise[1],
            "pair_proxy": weakness + noise[2],
            "unseen_only_regions": rng.permutation(count),
            "training_regions": rng.permutation(count),
        }
    )


def table(*, tracks):
    return pd.concat([networks(n, 60, n, tracks=tracks) for n in (250, 2_000)])


def test_a_true_relation_is_found_and_its_sign_reported():
    found = bound_correlations(table(tracks=True)).set_index(["n", "pair"])
    for n in (250, 2_000):
        assert found.loc[(n, "bound, test error"), "low"] > 0
        assert found.loc[(n, "bound, pair proxy"), "high"] < 0
        given = found.loc[(n, "bound, test error, given pair proxy"), "rho"]
        assert abs(given) < found.loc[(n, "bound, test error"), "rho"]


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        (table(tracks=True), Verdict.REPLICATES),
        (table(tracks=False), Verdict.FAILS),
        (
            pd.concat([networks(250, 60, 1, tracks=True), networks(2_000, 60, 2, tracks=False)]),
            Verdict.PARTLY,
        ),
        (networks(250, 60, 1, tracks=True), Verdict.OPEN),
    ],
    ids=["tracks", "does not", "at one size", "one size only"],
)
def test_verdicts_follow_the_rule(frame, verdict):
    assert find("bounds-track-weakness").read(lambda name: frame).verdict is verdict


def test_networks_that_did_not_memorise_are_left_out():
    frame = table(tracks=True)
    spoilt = frame.assign(memorised=np.arange(len(frame)) % 3 > 0)
    assert set(bound_correlations(spoilt)["networks"]) == {40}


def theory(**failures):
    names = {
        "exchangeable-only": 0,
        "robustness": 0,
        "weakest-contains-rivals": 5,
        "unequal-atoms": 3,
    } | {key.replace("_", "-"): value for key, value in failures.items()}
    return pd.DataFrame([{"check": k, "cases": 9, "failures": v} for k, v in names.items()])


def test_the_thesis_is_judged_by_its_checks():
    def verdict(**failures):
        frame = theory(**failures)
        return find("exchangeability-needed").read(lambda name: frame).verdict

    assert verdict() is Verdict.CONDITIONAL
    assert verdict(robustness=1) is Verdict.REFUTED  # our own theorem would be wrong
    assert verdict(unequal_atoms=0) is Verdict.OPEN  # no counterexample, no condition
