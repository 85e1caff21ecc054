"""The crossing of rate and batch: identities, and worlds with a known answer."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from made_up_crossings import gone_altogether, world

from helpers import experiments
from helpers.chapters.batch_or_rate import analysis
from helpers.errors import UserError
from helpers.experiments.batch_or_rate import SIZES, protocol_of
from helpers.experiments.vanishing import paper_protocol
from helpers.statistics import holm
from helpers.sweeps import results


def test_the_regression_is_the_mean_of_the_seeds_own_regressions():
    """In a balanced crossing blocking by seed changes intercepts alone: least squares by hand."""
    frame = world(6_000, rate=1.5, batch=-0.4, both=0.3, noise=0.3)
    own = analysis.under(frame, "memorised")
    slopes = []
    for _, one in own.groupby("seed"):
        code = [
            2 * (np.log(x) - np.log(x.min())) / np.log(x.max() / x.min()) - 1
            for x in (one["learning_rate"], one["batch_size"])
        ]
        design = np.column_stack([np.ones(len(one)), *code, code[0] * code[1]])
        fit = np.linalg.lstsq(design, 100 * one["test_accuracy"], rcond=None)[0]
        slopes.append(fit[1:] * [2, 2, 4])
    found = analysis.effects(frame, "accuracy")
    changes = [found[term].estimate for term in ("rate", "batch", "rate × batch")]
    np.testing.assert_allclose(changes, np.mean(slopes, axis=0), rtol=1e-9)


def test_intervals_of_the_regression_cover_the_truth_about_as_often_as_they_say():
    hits = []
    for seed in range(60):
        frame = world(500, rate=1.0, noise=0.0)
        noise = np.random.default_rng(seed).normal(scale=0.004, size=len(frame))
        frame["test_accuracy"] += noise
        hits.append(analysis.effects(frame, "accuracy")["rate"].covers(1.0))
    assert np.mean(hits) >= 0.85


def test_both_ways_round_the_square_add_up():
    frame = world(2_000, rate=1.2, batch=-0.5, both=0.7, noise=0.1)
    for outcome in analysis.OUTCOMES:
        step = {k: one.estimate for k, one in analysis.two_ways(frame, outcome).items()}
        first = step["rate, batch small"], step["batch, rate high"]
        second = step["batch, rate low"], step["rate, batch large"]
        assert sum(first) == pytest.approx(step["both"], rel=1e-9)
        assert sum(second) == pytest.approx(step["both"], rel=1e-9)
        rate, batch = (one.estimate for one in analysis.shares(frame, outcome))
        assert rate == pytest.approx((first[0] + second[1]) / 2, rel=1e-9)
        assert batch == pytest.approx((first[1] + second[0]) / 2, rel=1e-9)


def test_the_parts_say_which_factor_brings_the_difference():
    """1.5 points with the rate and −.2 with the batch; a point is 1.5 nats of trace."""
    frame = world(500, rate=1.5, batch=-0.2)
    rate, batch = analysis.shares(frame, "accuracy")
    assert rate.estimate == pytest.approx(1.5, abs=0.03)
    assert batch.estimate == pytest.approx(-0.2, abs=0.03)
    assert rate.above(1.4)
    assert batch.below(0)
    rate, batch = analysis.shares(frame, "log_trace")
    assert rate.estimate == pytest.approx(-2.25, abs=0.05)
    assert batch.above(0)


def test_only_the_ratio_matters_where_only_the_ratio_matters():
    """Accuracy as a straight line in log(rate / batch): a sum of slopes of zero."""
    n = 2_000
    protocol = protocol_of(n)
    spans = [np.log(v[-1] / v[0]) for v in (protocol.learning_rates, protocol.batch_sizes)]
    ratio = world(n, rate=spans[0], batch=-spans[1])
    found = analysis.effects(ratio, "accuracy")["ratio"]
    assert abs(found.estimate) < 0.02
    rate = analysis.effects(world(n, rate=spans[0]), "accuracy")["ratio"]
    assert rate.above(0.9)
    assert analysis.captured(ratio, "accuracy") > 0.999


def test_no_network_is_dropped_in_silence():
    frame = world(500, rate=1.5, batch=-0.2)
    first = (frame["stop"] == "memorised") & (frame["seed"] == 3)
    at = first & (frame["batch_size"] == 64)
    gone = at & (frame["learning_rate"] == 0.5)
    late = at & (frame["learning_rate"] == 0.05)
    frame.loc[gone, ["diverged", "stopped"]] = [True, False]
    frame.loc[gone, ["test_accuracy", "hessian_trace"]] = np.nan
    frame.loc[late, "stopped"] = False
    listed = analysis.stragglers({500: frame})
    assert listed["diverged"].sum() == 1
    assert listed["not_stopped"].sum() == 1
    assert analysis.never_stopped(frame, "memorised").to_numpy().sum() == 2
    table = analysis.summary(frame, "memorised")
    assert (table["networks"] == 10).all()
    assert np.isfinite(table).all().all()
    left = analysis.by_seed(frame, "accuracy", "memorised").count()
    assert left.loc[64, 0.5] == 9
    assert left.sum() == 89
    assert analysis.regimes_apart(frame, "accuracy").n == 10
    assert analysis.batch_at_equal_rate(frame, "accuracy").n == 9


def test_a_combination_that_diverged_altogether_has_no_steps_and_is_counted():
    frame = gone_altogether(world(500, rate=1.5, batch=-0.2))
    assert np.isnan(analysis.two_ways(frame, "accuracy")["rate, batch small"].estimate)
    assert analysis.summary(frame, "memorised").loc[(64, 0.5), "diverged"] == 10


def test_batches_drawn_without_replacement_are_as_noisy_as_the_formula_says():
    """Against epochs cut into batches by permutation, the short last batch included."""
    rng = np.random.default_rng(0)
    n, batch = 60, 25
    gradients = rng.normal(size=n)
    squares = []
    for _ in range(4_000):
        order = rng.permutation(n)
        parts = [gradients[order[i : i + batch]] for i in range(0, n, batch)]
        squares.append(np.mean([(part.mean() - gradients.mean()) ** 2 for part in parts]))
    expected = analysis.noise_level(2.0, batch, n) / 2.0 * gradients.var(ddof=1)
    assert np.mean(squares) == pytest.approx(expected, rel=0.05)
    assert analysis.noise_level(0.5, 500, 500) == 0
    assert analysis.noise_level(0.5, 4096, 500) == 0


def test_the_clocks_share_is_what_the_second_stop_takes():
    """The made-up traces keep a third of every effect under equal loss: two thirds are clock."""
    frame = world(500, rate=1.5, batch=-0.6, noise=0.001)
    for measure in (analysis.rate_at_equal_batch, analysis.batch_at_equal_rate):
        assert analysis.clock_share(frame, measure) == pytest.approx(2 / 3, abs=0.02)


def test_a_rate_that_only_trains_further_is_told_from_one_that_does_more():
    frame = world(500, rate=1.5, noise=0.001)
    frame.loc[frame["stop"] == "matched_loss", "epochs"] *= 3
    found = analysis.trained_further(frame)
    assert found.times == pytest.approx(3)
    assert found.gain == pytest.approx(0, abs=0.01)
    assert found.lead.estimate == pytest.approx(1.5, abs=0.01)
    distance = analysis.summary(frame, "memorised")["distance"]
    assert distance.loc[64, 0.5] == pytest.approx(0.5 * 40 * 8)
    # All at one accuracy once they have gone as far: the low rate catches up.
    late = (frame["stop"] == "matched_loss") & (frame["learning_rate"] == 0.05)
    frame.loc[late, "test_accuracy"] += 0.014
    caught_up = analysis.trained_further(frame)
    assert caught_up.gain == pytest.approx(1.4, abs=0.02)
    assert caught_up.lead.estimate == pytest.approx(0.1, abs=0.02)


def test_distances_are_those_of_the_combinations_means():
    frame = world(500, rate=1.5, noise=0.001)
    rho, low, high = analysis.distances(frame, "memorised")
    # 40 epochs: of 8 updates at rate .5 and batch 64, of one at rate .05 and batch 500
    assert (low, high) == (pytest.approx(0.05 * 40), pytest.approx(0.5 * 40 * 8))
    assert rho > 0.5


def test_pairing_saves_the_seeds_that_share_their_luck():
    paired, apart = analysis.seeds_needed(world(500, rate=1.5, batch=-0.2, noise=0.05))
    assert paired < apart / 5  # the luck of a start is worth .3 points, the rest .05
    few, many = (analysis.seeds_needed(world(500), width)[1] for width in (0.1, 0.01))
    assert 100 * (few - 1) < many <= 100 * few  # a tenth of the width, a hundred times the seeds


@pytest.mark.parametrize("n", SIZES)
def test_the_papers_regimes_are_opposite_corners(n):
    """Against the protocol of Tables 1 and 2, which is written down elsewhere."""
    protocol, paper = protocol_of(n), paper_protocol("mnist", n)
    every = pd.DataFrame(
        itertools.product(protocol.batch_sizes, protocol.learning_rates),
        columns=["batch_size", "learning_rate"],
    )
    at = analysis.corners(every)
    for name in ("small_batch", "large_batch"):
        regime = getattr(paper, name)
        assert at[name] == (regime.batch_size, regime.learning_rate)


@pytest.mark.parametrize("n", SIZES)
def test_the_small_corner_holds_networks_of_the_other_table(n):
    """Same seeds, same rate, same batch: the published tables must agree network by network."""
    ours, paper = (results.read(f"{name}_mnist_{n}") for name in ("batch_or_rate", "vanishing"))
    batch, rate = analysis.corners(ours.frame)["small_batch"]
    own = analysis.under(ours.frame, "memorised")
    own = own[(own["batch_size"] == batch) & (own["learning_rate"] == rate)].set_index("seed")
    small = paper.frame[paper.frame["regime"] == "small_batch"].set_index("seed").loc[own.index]
    early = own["epochs"] < 500  # the other protocol ends there
    assert early.any()
    gap = (own["test_accuracy"] - small["test_accuracy"])[early].abs()
    assert gap.median() < 1e-3


def test_corner_networks_are_those_of_the_protocol():
    protocol = experiments.protocol("batch_or_rate_mnist_500", "smoke")
    again = analysis.corner_networks(protocol, 0, "cpu")
    where = {"stop": "memorised", "seed": 0}
    found = {
        (cell.batch_size, cell.learning_rate): protocol.run_cell(cell, "cpu").rows[0]
        for cell in protocol.cells()
        if {"stop": cell.stop, "seed": cell.seed} == where
    }
    for _, row in again.iterrows():
        same = found[row["batch_size"], row["learning_rate"]]
        for column in ("epochs", "test_accuracy", "hessian_trace", "stopped"):
            assert row[column] == same[column]


def test_a_cell_trained_anew_is_found_in_its_table():
    frame = world(500)
    some = frame.sample(4, random_state=0).set_axis(["a", "b", "c", "d"])
    found = analysis.known_accuracy(frame, some)
    pd.testing.assert_series_equal(found, some["test_accuracy"], check_names=False)


def test_trace_and_loss_go_together_because_of_the_settings_alone():
    """Under (a) loss and trace follow the made-up gain; within a combination the trace is noise."""
    frame = world(500, rate=1.5, batch=-0.5)
    frame["train_loss"] *= np.exp(np.random.default_rng(0).normal(scale=0.01, size=len(frame)))
    every, within = analysis.loss_and_trace(frame, "memorised")
    assert every.above(0.9)
    assert abs(within.estimate) < 0.4


def test_every_test_of_an_outcome_is_corrected_for():
    frames = {n: world(n, rate=1.0) for n in SIZES}
    table = analysis.all_effects(frames, "accuracy")
    assert len(table) == len(SIZES) * 2 * 4
    assert table.index.names == ["n", "stop", "term"]
    np.testing.assert_allclose(table["p_holm"], holm([one.p for one in table["change"]]))


def test_one_level_of_a_factor_is_too_few_for_a_regression():
    frame = world(500)
    with pytest.raises(UserError, match="1 rates"):
        analysis.effects(frame[frame["learning_rate"] == 0.5], "accuracy")
