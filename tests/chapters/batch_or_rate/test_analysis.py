"""The crossing of rate and batch: identities, worlds with a known answer, and what is missing."""

from __future__ import annotations

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers import claims, experiments
from helpers.analysis import large_n as crossing_large_n
from helpers.chapters.batch_or_rate import analysis as crossing
from helpers.chapters.batch_or_rate import claims as factorial
from helpers.chapters.batch_or_rate import figures as pictures
from helpers.chapters.batch_or_rate import words
from helpers.chapters.batch_or_rate.analysis import SINGLE, SIZES
from helpers.claims import Verdict
from helpers.claims.predictions import Outcome
from helpers.errors import MissingTableError, UserError
from helpers.experiments.vanishing import paper_protocol
from helpers.page.tables import show
from helpers.sweeps import results


def world(n: int, rate=0.0, batch=0.0, both=0.0, noise=0.02) -> pd.DataFrame:
    """Make up a crossing: points of accuracy and nats of trace change over the ranges as given.

    A point gained is 1.5 nats of trace lost; under the second stop traces keep a third of theirs.
    """
    protocol = crossing.protocol_of(n)
    rng = np.random.default_rng(n)
    rows = []
    for cell in protocol.cells():
        r, b = (
            np.interp(np.log(value), np.log([levels[0], levels[-1]]), [-1, 1])
            for value, levels in (
                (cell.learning_rate, protocol.learning_rates),
                (cell.batch_size, protocol.batch_sizes),
            )
        )
        gain = (rate * r + batch * b + both / 2 * r * b) / 2
        own = rng.normal(scale=noise)
        left = 1 if cell.stop == "memorised" else 1 / 3
        rows.append(
            {
                "dataset": "mnist",
                "n": n,
                "learning_rate": cell.learning_rate,
                "batch_size": cell.batch_size,
                "stop": cell.stop,
                "seed": cell.seed,
                "epochs": 40,
                "train_loss": 0.02 * np.exp(-gain) if left == 1 else 0.01,
                "diverged": False,
                "stopped": True,
                "test_accuracy": (90 + gain + 0.1 * (cell.seed % 10) + own) / 100,
                "hessian_trace": float(np.exp(3 - 1.5 * left * gain + own)),
            }
        )
    return pd.DataFrame(rows)


def large_n(gain: float, advantage: float) -> dict[str, pd.DataFrame]:
    """Make up both tables at n = 24,000: what .5 gains over .3, and .3 over the small batch."""
    noise = np.random.default_rng(0).normal(scale=0.02, size=50) / 100
    at_5, at_3 = 0.97 + (advantage + gain) / 100, 0.97 + advantage / 100
    ours = pd.DataFrame(
        {
            "seed": list(range(100, 110)) * 2,
            "learning_rate": [0.3] * 10 + [0.5] * 10,
            "batch_size": 4096,
            "memorised": [False] * 9 + [True] * 11,
            "epochs": [500] * 10 + [300] * 10,
            "train_loss": 0.005,
            "hessian_trace": [40.0] * 10 + [20.0] * 10,
            "test_accuracy": np.repeat([at_3, at_5], 10) + noise[:20],
            "stopped": True,
            "diverged": False,
        }
    )
    regime = np.repeat(["small_batch", "large_batch"], 25)
    paper = pd.DataFrame(
        {
            "regime": regime,
            "seed": np.arange(50),
            "diverged": False,
            "memorised": True,
            "learning_rate": np.repeat([0.01, 0.3], 25),
            "batch_size": np.repeat([64, 4096], 25),
            "epochs": 250,
            "train_loss": 0.005,
            "hessian_trace": 40.0,
        }
    )
    paper["test_accuracy"] = np.repeat([0.97, at_3], 25) + noise
    before = paper.assign(
        learning_rate=np.repeat([0.01, 0.5], 25),
        hessian_trace=np.repeat([40.0, 20.0], 25),
        test_accuracy=np.repeat([0.96, 0.965], 25) + noise,
    )
    return {
        f"batch_or_rate_mnist_{SINGLE}": ours,
        f"vanishing_mnist_{SINGLE}": paper,
        f"vanishing_mnist_{crossing_large_n.BEFORE}": before,
    }


def loader(tables):
    def load(name: str) -> pd.DataFrame:
        if name not in tables:
            raise MissingTableError(f"table '{name}' is not there")
        return tables[name]

    return load


def everywhere(**changes):
    return {f"batch_or_rate_mnist_{n}": world(n, **changes) for n in SIZES}


def outcomes(load):
    return factorial.predictions(load).frame["outcome"].to_dict()


def verdicts(load):
    return [claims.read_claim(one.id, load).verdict for one in factorial.CLAIMS[:2]]


def test_the_regression_is_the_mean_of_the_seeds_own_regressions():
    """In a balanced crossing blocking by seed changes intercepts alone: least squares by hand."""
    frame = world(6_000, rate=1.5, batch=-0.4, both=0.3, noise=0.3)
    own = crossing.under(frame, "memorised")
    slopes = []
    for _, one in own.groupby("seed"):
        code = [
            2 * (np.log(x) - np.log(x.min())) / np.log(x.max() / x.min()) - 1
            for x in (one["learning_rate"], one["batch_size"])
        ]
        design = np.column_stack([np.ones(len(one)), *code, code[0] * code[1]])
        fit = np.linalg.lstsq(design, 100 * one["test_accuracy"], rcond=None)[0]
        slopes.append(fit[1:] * [2, 2, 4])
    found = crossing.effects(frame, "accuracy")["change"]
    np.testing.assert_allclose(found.iloc[:3], np.mean(slopes, axis=0), rtol=1e-9)


def test_intervals_of_the_regression_cover_the_truth_about_as_often_as_they_say():
    hits = []
    for seed in range(60):
        frame = world(500, rate=1.0, noise=0.0)
        noise = np.random.default_rng(seed).normal(scale=0.004, size=len(frame))
        frame["test_accuracy"] += noise
        row = crossing.effects(frame, "accuracy").loc["rate"]
        hits.append(row["low"] <= 1.0 <= row["high"])
    assert np.mean(hits) >= 0.85


def test_both_ways_round_the_square_add_up():
    frame = world(2_000, rate=1.2, batch=-0.5, both=0.7, noise=0.1)
    for outcome in crossing.OUTCOMES:
        step = crossing.two_ways(frame, outcome)["estimate"]
        first = step["rate, batch small"] + step["batch, rate high"]
        second = step["batch, rate low"] + step["rate, batch large"]
        assert first == pytest.approx(step["both"], rel=1e-9)
        assert second == pytest.approx(step["both"], rel=1e-9)
        assert sum(crossing.shares(frame, outcome)) == pytest.approx(step["both"], rel=1e-9)


def test_only_the_ratio_matters_where_only_the_ratio_matters():
    """Accuracy as a straight line in log(rate / batch): a sum of slopes of zero."""
    n = 2_000
    protocol = crossing.protocol_of(n)
    spans = [np.log(v[-1] / v[0]) for v in (protocol.learning_rates, protocol.batch_sizes)]
    ratio = world(n, rate=spans[0], batch=-spans[1])
    found = crossing.effects(ratio, "accuracy").loc["ratio"]
    assert abs(found["change"]) < 0.02
    rate = crossing.effects(world(n, rate=spans[0]), "accuracy").loc["ratio"]
    assert rate["low"] > 0.9
    assert crossing.captured(ratio, "accuracy") > 0.999


def test_if_it_is_the_rate_the_predictions_hold_and_the_inference_fails():
    load = loader(everywhere(rate=1.5, batch=-0.2) | large_n(gain=0.5, advantage=0.1))
    assert outcomes(load) == dict.fromkeys(("F1", "F2", "F3", "F4", "F5", "F6"), "held")
    assert verdicts(load) == [Verdict.FAILS, Verdict.FAILS]
    assert claims.read_claim("vanishes-whatever-the-rate", load).verdict is Verdict.FAILS
    found = crossing.gather(load)
    assert crossing.carrier(found, "accuracy") == (
        "more than all of it comes with the learning rate at every size measured; the batch size "
        "works the other way"
    )


def test_if_it_is_the_batch_the_predictions_fail_and_the_inference_holds():
    load = loader(everywhere(rate=0.05, batch=1.5) | large_n(gain=0.0, advantage=0.05))
    found = outcomes(load)
    assert [found[name] for name in ("F2", "F3", "F4", "F6")] == ["failed"] * 4
    assert verdicts(load) == [Verdict.REPLICATES, Verdict.REPLICATES]
    assert claims.read_claim("vanishes-whatever-the-rate", load).verdict is Verdict.REPLICATES
    carrier = crossing.carrier(crossing.gather(load), "log_trace")
    assert carrier == "the larger part comes with the batch size at every size measured"


def test_a_failure_counts_before_everything_is_measured_and_success_does_not():
    some = {"batch_or_rate_mnist_500": world(500, rate=1.5, batch=-0.2)}
    assert outcomes(loader(some)) == dict.fromkeys(
        ("F1", "F2", "F3", "F4", "F5"), Outcome.SO_FAR
    ) | {"F6": Outcome.OPEN}
    bad = {"batch_or_rate_mnist_500": world(500, rate=-1.5)}
    assert outcomes(loader(bad))["F1"] == Outcome.FAILED
    assert verdicts(loader(some)) == [Verdict.UNFINISHED] * 2
    assert set(outcomes(loader({})).values()) == {Outcome.OPEN}
    assert verdicts(loader({})) == [Verdict.OPEN] * 2


def test_a_damaged_table_is_not_a_missing_one():
    def load(name: str) -> pd.DataFrame:
        raise UserError(f"{name} was edited")

    with pytest.raises(UserError, match="edited"):
        crossing.gather(load)
    with pytest.raises(UserError, match="edited"):
        factorial.predictions(load)


def test_no_network_is_dropped_in_silence():
    frame = world(500, rate=1.5, batch=-0.2)
    first = (frame["stop"] == "memorised") & (frame["seed"] == 3)
    at = first & (frame["batch_size"] == 64)
    gone = at & (frame["learning_rate"] == 0.5)
    late = at & (frame["learning_rate"] == 0.05)
    frame.loc[gone, ["diverged", "stopped"]] = [True, False]
    frame.loc[gone, ["test_accuracy", "hessian_trace"]] = np.nan
    frame.loc[late, "stopped"] = False
    found = crossing.gather(loader({"batch_or_rate_mnist_500": frame}))
    listed = crossing.stragglers(found)
    assert listed["diverged"].sum() == 1
    assert listed["not_stopped"].sum() == 1
    assert crossing.never_stopped(frame, "memorised").to_numpy().sum() == 2
    table = crossing.summary(frame, "memorised")
    assert (table["networks"] == 10).all()
    assert np.isfinite(table).all().all()
    left = crossing.by_seed(frame, "accuracy", "memorised").count()
    assert left.loc[64, 0.5] == 9
    assert left.sum() == 89
    assert crossing.regimes_apart(frame, "accuracy").n == 10
    assert crossing.batch_at_equal_rate(frame, "accuracy").n == 9
    assert outcomes(loader({"batch_or_rate_mnist_500": frame}))["F1"] == Outcome.SO_FAR


def test_a_combination_that_diverged_altogether_fails_predictions_and_stops_no_page():
    frame = world(500, rate=1.5, batch=-0.2)
    gone = (frame["batch_size"] == 64) & (frame["learning_rate"] == 0.5)
    frame.loc[gone, ["diverged", "stopped"]] = [True, False]
    frame.loc[gone, ["test_accuracy", "hessian_trace", "train_loss"]] = np.nan
    load = loader({"batch_or_rate_mnist_500": frame})
    assert outcomes(load)["F4"] == Outcome.FAILED
    assert np.isnan(crossing.two_ways(frame, "accuracy").loc["rate, batch small", "estimate"])
    assert crossing.summary(frame, "memorised").loc[(64, 0.5), "diverged"] == 10


def test_an_outcome_that_hangs_on_late_networks_is_named():
    frame = world(500, rate=1.5, batch=-0.2)
    late = (frame["batch_size"] == 64) & (frame["learning_rate"] == 0.5)
    late &= frame["seed"].between(1, 8)
    frame.loc[late, "test_accuracy"] -= 0.004
    assert factorial.changed_by_stragglers(loader({"batch_or_rate_mnist_500": frame})) == []
    frame.loc[late, "stopped"] = False
    assert factorial.changed_by_stragglers(loader({"batch_or_rate_mnist_500": frame})) == ["F4"]


def test_late_networks_at_large_n_leave_nothing_to_judge_and_the_page_says_so():
    tables = everywhere(rate=1.5, batch=-0.2) | large_n(gain=0.5, advantage=0.1)
    ours = tables[f"batch_or_rate_mnist_{SINGLE}"]
    ours.loc[(ours["learning_rate"] == 0.3) & (ours["seed"] > 101), "stopped"] = False
    changed = factorial.changed_by_stragglers(loader(tables))
    assert changed == ["F6 (too few are left to judge it)"]


def test_the_minima_at_large_n_are_told_apart_by_rate():
    table = crossing_large_n.minima_at_large_n(loader(large_n(gain=0.5, advantage=0.1)))
    assert table["networks"].tolist() == [25, 10, 10]
    assert table["past_cut"].tolist() == [0, 10, 0]
    assert table["late"].tolist() == [0, 9, 0]
    assert table["trace"].tolist() == [40, 40, 20]
    late = words.counted_by_rate(table, "late")
    assert late == "9 of 10 at rate 0.3 and 0 of 10 at rate 0.5"
    both = "“.5 less .3” is also “no cut less cut” and “finished less unfinished”"
    assert words.also_split(table) == both
    assert "hardly" in words.also_split(table.assign(past_cut=0, late=0))
    assert table["accuracy"].diff().round(1).tolist()[1:] == [0.1, 0.5]
    with pytest.raises(MissingTableError):
        crossing_large_n.minima_at_large_n(loader({}))


def test_the_rates_part_of_a_fall_lies_between_none_and_all():
    """Put back, the rate undoes all of the change, none of it, or as much as it was made to."""
    part = crossing_large_n.rates_part
    assert part(before=0.5, lowered=0.1, kept=0.5) == 1
    assert part(before=0.5, lowered=0.1, kept=0.1) == 0
    tables = large_n(gain=0.1, advantage=0.1)
    table = crossing_large_n.regimes_compared(loader(tables))
    assert table["networks"].tolist() == [50, 35, 35]
    found = crossing_large_n.parts(table)
    assert found.accuracy == pytest.approx(0.1 / 0.4, abs=0.05)  # Δ: .5, then .1, and .2
    assert found.trace == pytest.approx(1)  # ratio: a half, then 1, and a half
    said = words.whose_work(found)
    assert "evidence for the paper's reading" in said
    assert "but most of the traces' equality is the work of the lowered rate" in said
    other = crossing_large_n.Parts(accuracy=0.9, trace=0.1)
    assert "evidence against the paper's reading" in words.whose_work(other)
    assert "without the lowered rate" in words.whose_work(other)
    gone = {name: frame for name, frame in tables.items() if not name.endswith("_12000")}
    with pytest.raises(MissingTableError):
        crossing_large_n.regimes_compared(loader(gone))


def test_the_trace_predicts_where_the_regimes_differ_in_it():
    """At .3 all traces are alike and a constant predicts nothing; at .5 accuracy goes with them."""
    tables = large_n(gain=0.5, advantage=0.0)
    rng = np.random.default_rng(0)
    for frame in tables.values():
        frame["hessian_trace"] *= np.exp(rng.normal(scale=0.01, size=len(frame)))
    table = crossing_large_n.regimes_compared(loader(tables))
    assert table["rho"].iloc[1] > -0.4 > table["rho"].iloc[2]
    said = words.still_predicts(table)
    assert said.startswith("With the rate left at .5")
    assert said.endswith("had stopped differing in it")
    swapped = table.iloc[[0, 2, 1]]
    assert "less at .5" in words.still_predicts(swapped)


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
    expected = crossing.noise_level(2.0, batch, n) / 2.0 * gradients.var(ddof=1)
    assert np.mean(squares) == pytest.approx(expected, rel=0.05)
    assert crossing.noise_level(0.5, 500, 500) == 0
    assert crossing.noise_level(0.5, 4096, 500) == 0


def test_noise_is_ruled_out_only_where_the_full_batch_gains_by_its_rate():
    found = crossing.gather(loader(everywhere(rate=1.5, batch=-0.2)))
    assert crossing.without_noise(found) == (500, 2_000)
    assert words.noise_needed(found).startswith("Noise cannot")
    assert "n = 2,000" in words.noiseless_steps(found)
    flat = crossing.gather(loader(everywhere(batch=1.5)))
    assert "may still be needed" in words.noise_needed(flat)


def test_the_clocks_share_is_what_the_second_stop_takes():
    """The made-up traces keep a third of every effect under equal loss: two thirds are clock."""
    frame = world(500, rate=1.5, batch=-0.6, noise=0.001)
    for measure in (crossing.rate_at_equal_batch, crossing.batch_at_equal_rate):
        assert crossing.clock_share(frame, measure) == pytest.approx(2 / 3, abs=0.02)


def test_a_rate_that_only_trains_further_is_told_from_one_that_does_more():
    frame = world(500, rate=1.5, noise=0.001)
    frame.loc[frame["stop"] == "matched_loss", "epochs"] *= 3
    found = crossing.trained_further(frame)
    assert found.times == pytest.approx(3)
    assert found.gain == pytest.approx(0, abs=0.01)
    assert found.lead == pytest.approx(1.5, abs=0.01)
    worlds = crossing.gather(loader({"batch_or_rate_mnist_500": frame}))
    assert words.further_in_words(worlds).startswith("It is not by training further")
    distance = crossing.summary(frame, "memorised")["distance"]
    assert distance.loc[64, 0.5] == pytest.approx(0.5 * 40 * 8)
    # All at one accuracy once they have gone as far: the low rate catches up.
    late = (frame["stop"] == "matched_loss") & (frame["learning_rate"] == 0.05)
    frame.loc[late, "test_accuracy"] += 0.014
    assert words.further_in_words(worlds).startswith("At least part")


def test_pairing_saves_the_seeds_that_share_their_luck():
    paired, apart = crossing.seeds_needed(world(500, rate=1.5, batch=-0.2, noise=0.05))
    assert paired < apart / 5  # the luck of a start is worth .3 points, the rest .05
    few, many = (crossing.seeds_needed(world(500), width)[1] for width in (0.1, 0.01))
    assert 100 * (few - 1) < many <= 100 * few  # a tenth of the width, a hundred times the seeds


@pytest.mark.parametrize("n", SIZES)
def test_the_papers_regimes_are_opposite_corners(n):
    """Against the protocol of Tables 1 and 2, which is written down elsewhere."""
    protocol, paper = crossing.protocol_of(n), paper_protocol("mnist", n)
    every = pd.DataFrame(
        itertools.product(protocol.batch_sizes, protocol.learning_rates),
        columns=["batch_size", "learning_rate"],
    )
    at = crossing.corners(every)
    for name in ("small_batch", "large_batch"):
        regime = getattr(paper, name)
        assert at[name] == (regime.batch_size, regime.learning_rate)


@pytest.mark.parametrize("n", SIZES)
def test_the_small_corner_holds_networks_of_the_other_table(n):
    """Same seeds, same rate, same batch: the published tables must agree network by network."""
    try:
        ours, paper = (results.read(f"{name}_mnist_{n}") for name in ("factorial", "vanishing"))
    except MissingTableError:
        pytest.skip("not published yet")
    batch, rate = crossing.corners(ours.frame)["small_batch"]
    own = crossing.under(ours.frame, "memorised")
    own = own[(own["batch_size"] == batch) & (own["learning_rate"] == rate)].set_index("seed")
    small = paper.frame[paper.frame["regime"] == "small_batch"].set_index("seed").loc[own.index]
    early = own["epochs"] < 500  # the other protocol ends there
    assert early.any()
    gap = (own["test_accuracy"] - small["test_accuracy"])[early].abs()
    assert gap.median() < 1e-3


def test_corner_networks_are_those_of_the_protocol():
    protocol = experiments.protocol("batch_or_rate_mnist_500", "smoke")
    again = crossing.corner_networks(protocol, 0, "cpu")
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


def test_every_prediction_and_its_outcome_are_on_the_page():
    view = factorial.predictions(loader(everywhere(rate=1.5, batch=-0.2)))
    page = view._repr_html_()
    for one in view.reports:
        assert f"<strong>{one.prediction.id}.</strong>" in page
        assert f">{one.outcome}</span>" in page
    assert page.count('role="rowheader"') == len(factorial.PREDICTIONS) == 6


@pytest.mark.parametrize("sizes", [(), (500,), SIZES])
def test_the_page_can_be_written_whatever_is_measured(sizes):
    """Tables, ranges and figures of the chapter for none, one and all of the sizes."""
    frames = {f"batch_or_rate_mnist_{n}": world(n, rate=1.5, batch=-0.2) for n in sizes}
    found = crossing.gather(loader(frames))
    accuracy, trace = (crossing.all_effects(found, one) for one in crossing.OUTCOMES)
    measures = {"batch": crossing.batch_at_equal_rate}
    tables = [
        words.contrast_table(found, measures),
        words.step_table(found),
        words.step_table(found, "log_trace"),
        words.contrasts_by_stop(found, measures),
        words.effect_table(accuracy, trace),
        words.stop_table(found),
        words.stops_compared(found),
        words.straggler_table(found),
    ]
    for table in tables:
        page = show(table, caption="a caption")._repr_html_()
        assert "nan" not in page
        assert sizes or "not measured yet" in page or len(table) < 2
    sentences = [
        words.map_in_words(found),
        words.map_turns(found),
        words.noiseless_steps(found),
        words.noise_needed(found),
        words.loss_range(found),
        words.further_in_words(found),
        words.seeds_in_words(found),
        words.clock_shares(found, crossing.rate_at_equal_batch),
        *words.distances(found),
        *(crossing.carrier(found, outcome) for outcome in crossing.OUTCOMES),
    ]
    for sentence in sentences:
        assert ("not measured yet" in sentence) == (not sizes)
        assert "nan" not in sentence
    spans = words.span_of(found, crossing.batch_at_equal_rate), words.span([])
    assert ("not measured yet" in spans[0]) == (not sizes)
    assert spans[1] == "not measured yet"
    for n in set(SIZES) - set(sizes):
        assert f"{n:,}" in found.state
    heights = pictures.map_heights(found)
    figure, axes = plt.subplots(len(heights), 2, squeeze=False)
    pictures.draw_maps(axes, found)
    written = " ".join(text.get_text() for ax in axes.ravel() for text in ax.texts)
    assert written.count("not measured yet") == 2 * (len(SIZES) - len(sizes))
    assert written.count("large batch") == 2 * len(sizes)
    plt.close(figure)


def test_a_range_in_words():
    assert words.span([0.1, -1.25, 0.4]) == "−1.25 to +0.40"
    assert words.span([0.301, 0.299]) == "+0.30"
