"""The correlations of bounds with weakness, and the verdict that is read from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.chapters import Page
from helpers.chapters.counting_to_measuring import analysis, claims, tables
from helpers.claims.types import Verdict


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
    found = analysis.bound_correlations(table(tracks=True)).set_index(["n", "pair"])
    for n in (250, 2_000):
        assert found.loc[(n, "bound, test error"), "rho"].above(0)
        assert found.loc[(n, "bound, pair proxy"), "rho"].below(0)
        given = found.loc[(n, "bound, test error, given pair proxy"), "rho"]
        assert abs(given.estimate) < found.loc[(n, "bound, test error"), "rho"].estimate


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        (table(tracks=True), Verdict.REPLICATES),
        (table(tracks=False), Verdict.FAILS),
        (
            pd.concat([networks(250, 60, 1, tracks=True), networks(2_000, 60, 2, tracks=False)]),
            Verdict.PARTLY,
        ),
    ],
    ids=["tracks", "does not", "at one size"],
)
def test_verdicts_follow_the_rule(frame, verdict):
    claim = Page(claims.CLAIMS, "smoke", "cpu").claim("bounds-track-weakness")
    assert claim.read(lambda name: frame).verdict is verdict


def test_networks_that_did_not_memorise_are_left_out():
    frame = table(tracks=True)
    spoilt = frame.assign(memorised=np.arange(len(frame)) % 3 > 0)
    assert set(analysis.bound_correlations(spoilt)["networks"]) == {40}


def test_tables_print_whole_estimates():
    found = analysis.bound_correlations(table(tracks=True))
    first = found["rho"][0]
    assert f"{first:+.2f}" in repr(tables.table_of_correlations(found))


def test_sizes_with_few_networks_are_averaged_but_not_ranked():
    frame = pd.concat([networks(n, count, 1, tracks=True) for n, count in ((250, 60), (9, 4))])
    errors = {"kl": 10.0, "sampled_risk": 0.5, "posterior_test_error": frame["pair_proxy"]}
    frame = frame.assign(**errors)
    frame["kl"] += frame["pair_proxy"]
    frame["sampled_risk"] -= frame["pair_proxy"]
    ranks = analysis.ranks_of_own_error(frame)
    assert list(ranks.index) == [250]
    assert ranks.loc[250, "KL"].above(0)
    assert ranks.loc[250, "training error of Q"].below(0)
    assert analysis.mean_bounds(frame)["networks"].to_dict() == {9: 4, 250: 60}
