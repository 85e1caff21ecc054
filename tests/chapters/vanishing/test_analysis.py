"""The vanishing advantage across sizes: identities, a null model, and how claims are judged."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch

from helpers import experiments
from helpers.analysis import large_n
from helpers.chapters.vanishing import analysis, claims, figures, skill_model, tables
from helpers.chapters.vanishing.fading import fading
from helpers.claims.types import Reading, Verdict
from helpers.errors import UserError
from helpers.measures.agreement import ensemble_agreement
from helpers.page.reported import table_1
from helpers.statistics import noise_ceiling

PRINTED = table_1()


def made_up(n: int, *, fall: bool = True, inside: float = 0.0) -> pd.DataFrame:
    """Make up one scale whose regimes differ as Table 1 prints, and in nothing else."""
    rng = np.random.default_rng(n)
    large = np.repeat([False, True], 25)
    row = PRINTED.loc[n if fall else 2_000]
    common = rng.normal(size=50)
    noise = rng.normal(size=(5, 50))
    skill = inside * common + (1 - abs(inside)) * noise[0]
    accuracy = row.small_batch_acc_percent + large * row.delta_pp + 0.05 * skill
    trace = np.where(large, row.hessian_large, row.hessian_small) - common + 0.3 * noise[1]
    return pd.DataFrame(
        {
            "dataset": "mnist",
            "n": n,
            "regime": np.where(large, "large_batch", "small_batch"),
            "seed": np.arange(50),
            "diverged": False,
            "memorised": ~(large & (np.arange(50) == 49)),
            "test_accuracy": accuracy / 100,
            "unseen_accuracy": accuracy / 100,
            "hessian_trace": trace,
            "l1_patterns": 10_000 - (np.arange(50) % 7 if n < 1_000 else 0),
            "l2_patterns": 5_000 + 900 * large + 50 * noise[2],
            "ensemble_agreement": 0.3 - 0.05 * skill - 0.1 * row.delta_pp * large,
        }
    )


def loader(**how):
    return lambda name: made_up(int(name.rsplit("_", 1)[1]), **how)


def answers(count=12, points=400, seed=0):
    rng = np.random.default_rng(seed)
    return skill_model.draw_answers(rng.uniform(0.75, 0.9, size=count), 0.6, points, rng)


def frame_of(right):
    agreement = skill_model.agreement_of_answers(right)
    accuracy = right.mean(axis=1)
    columns = {"ensemble_agreement": agreement, "unseen_accuracy": accuracy}
    return pd.DataFrame(columns | {"test_accuracy": accuracy})


def test_agreement_tells_how_often_two_networks_disagree():
    """Against every pair of networks counted out, and the ceiling against the whole table."""
    right = answers()
    frame = frame_of(right)
    pairs = [(right[i] != right[j]).mean() for i in range(12) for j in range(i)]
    assert analysis.mean_disagreement(frame) == pytest.approx(np.mean(pairs), rel=1e-12)
    found, whole = analysis.ceiling_of(frame, right.shape[1]), noise_ceiling(right)
    assert found.spearman.estimate == pytest.approx(whole.spearman.estimate, abs=1e-10)


def test_agreement_is_a_reading_of_predictions_and_not_of_classes():
    guesses = torch.tensor([[0, 1, 2, 1], [0, 1, 1, 1], [2, 1, 2, 0]])
    labels = torch.tensor([0, 1, 2, 0])
    right = (guesses == labels).numpy()
    expected = ensemble_agreement(guesses, labels).numpy()
    np.testing.assert_allclose(skill_model.agreement_of_answers(right), expected)


@pytest.mark.parametrize(("accuracy", "rate"), [(0.85, 0.04), (0.98, 0.012), (0.7, 0.3)])
def test_the_skill_model_has_the_accuracy_and_disagreement_it_is_given(accuracy, rate):
    shared = skill_model.shared_part(accuracy, rate)
    assert skill_model.expected_disagreement(accuracy, shared) == pytest.approx(rate, rel=1e-3)
    rng = np.random.default_rng(1)
    right = skill_model.draw_answers([accuracy] * 6, shared, 200_000, rng)
    assert right.mean() == pytest.approx(accuracy, abs=0.01)
    drawn = np.mean([(right[i] != right[j]).mean() for i in range(6) for j in range(i)])
    assert drawn == pytest.approx(rate, rel=0.05)


def test_the_skill_model_refuses_what_cannot_be():
    with pytest.raises(UserError, match="independent networks"):
        skill_model.shared_part(0.9, 0.3)
    with pytest.raises(UserError, match="between 0 and 1"):
        skill_model.shared_part(1.0, 0.1)


def test_agreement_follows_accuracy_where_there_is_nothing_but_skill():
    """And more so on the test images themselves than on others, where accuracy is all noise."""
    rng = np.random.default_rng(3)
    given = {"reliability": 0.97, "disagreement": 0.04, "test_points": 4_000, "draws": 5}
    wide = np.linspace(0.82, 0.88, 20)
    rho = skill_model.agreement_by_skill_alone(wide, **given, other_points=8_000, overlap=True)
    assert rho.max() < -0.9
    equal = 0.85 + 0.001 * rng.normal(size=20)
    given |= {"reliability": 0.0, "draws": 12}
    here = skill_model.agreement_by_skill_alone(equal, **given, other_points=0, overlap=True)
    there = skill_model.agreement_by_skill_alone(equal, **given, other_points=4_000, overlap=False)
    assert here.mean() < -0.6
    assert abs(there.mean()) < 0.25


def test_networks_that_diverged_are_left_out():
    def load(name: str) -> pd.DataFrame:
        frame = made_up(500)
        return frame.assign(diverged=frame["seed"] < 3)

    found = analysis.gather(load, sizes=[500])
    assert len(found[500]) == 47
    assert [len(one) for one in analysis.by_regime(found[500], "seed")] == [22, 25]


def test_the_sizes_of_a_data_set_are_those_of_its_protocols():
    assert tuple(analysis.gather(loader())) == analysis.SIZES
    assert tuple(analysis.gather(loader(), "fashion_mnist")) == (500, 2_000, 6_000)


def test_the_advantage_is_large_batch_less_small_batch_in_points():
    gaps = analysis.advantages(analysis.gather(loader(), sizes=[500, 6_000]))
    for n, row in gaps.iterrows():
        assert row["delta"].estimate == pytest.approx(row["large"] - row["small"])
        assert row["share"].estimate == pytest.approx(row["delta"].estimate / (100 - row["small"]))
        assert row["delta"].covers(PRINTED["delta_pp"][n])
        assert (row["unfinished_small"], row["unfinished_large"]) == (0, 1)


def test_the_rate_that_was_kept_is_the_highest_of_the_crossing():
    def load(name: str) -> pd.DataFrame:
        frame = made_up(24_000)
        if name.startswith("vanishing"):
            return frame.assign(learning_rate=0.3)
        rates = np.where(frame["seed"] < 10, 0.5, 0.3)
        return frame.drop(columns="regime").assign(learning_rate=rates)

    compared = large_n.regimes_compared(load)
    assert compared.index[-1] == (24_000, 0.5)
    assert compared["networks"].iloc[-1] == 25 + 10
    small, kept = load("vanishing_mnist_24000"), load("batch_or_rate_mnist_24000")
    small, kept = small[small["regime"] == "small_batch"], kept[kept["learning_rate"] == 0.5]
    both = pd.concat([small, kept.assign(regime="large_batch")], ignore_index=True)
    assert compared["rho"].iloc[-1] == analysis.pooled_rho(both, "hessian_trace")
    assert compared["delta"].iloc[-1] == analysis.delta(both)


def test_intervals_of_means_are_students():
    found = analysis.gather(loader(), sizes=[500])
    small, large = analysis.by_regime(found[500], "hessian_trace")
    row = analysis.traces(found).loc[500]
    reach = scipy.stats.t.ppf(0.975, 24) * small.std() / 5
    assert row["small_batch"].low == pytest.approx(small.mean() - reach)
    assert row["small_batch"].high == pytest.approx(small.mean() + reach)
    assert row["ratio"] == pytest.approx(large.mean() / small.mean())


def test_what_the_regimes_make_of_a_correlation_adds_up():
    found = analysis.splits(analysis.gather(loader(), sizes=[500, 60_000]), "hessian_trace")
    np.testing.assert_allclose(found["between"] + found["remainder"], found["rho"], atol=1e-12)
    assert found.loc[500, "between"] == pytest.approx(-0.75, abs=0.01)
    assert abs(found.loc[60_000, "between"]) < 0.4


def test_a_constant_measure_has_no_correlation_and_counts_as_a_test():
    frames = analysis.gather(loader(), sizes=[2_000])
    row = analysis.correlations(frames, ["l1_patterns", "l2_patterns"]).loc[("l1_patterns", 2_000)]
    assert np.isnan(row["rho"].estimate)
    assert row["p_holm"] == 1


def read(claim_id: str, load) -> Reading:
    return next(claim for claim in claims.CLAIMS if claim.id == claim_id).read(load)


def verdict(claim_id: str, load) -> Verdict:
    return read(claim_id, load).verdict


def test_networks_made_as_the_paper_prints_replicate_the_paper():
    load = loader()
    for claim_id in ("advantage-small-n", "advantage-24000", "advantage-vanishes"):
        assert verdict(claim_id, load) is not Verdict.FAILS, claim_id
    assert verdict("advantage-vanishes", load) in (Verdict.REPLICATES, Verdict.PARTLY)
    assert verdict("large-batch-flatter", load) is Verdict.REPLICATES


def test_an_advantage_that_stays_does_not_vanish():
    load = loader(fall=False)
    assert verdict("advantage-vanishes", load) is Verdict.FAILS
    assert verdict("advantage-24000", load) is Verdict.PARTLY  # there, and not the paper's
    assert verdict("trace-stops", load) is Verdict.FAILS


def test_the_inference_is_judged_by_what_is_inside_the_regimes():
    between = read("vanishing-shows-confounding", loader())
    inside = read("vanishing-shows-confounding", loader(fall=False, inside=0.9))
    assert between.estimate is not None
    assert between.estimate.covers(0)
    assert inside.estimate is not None
    assert not inside.estimate.covers(0)
    assert inside.verdict is not Verdict.REPLICATES


def sat(true, points, rng, measure):
    """Let networks of these true accuracies (M,) sit one test; the measure stands beside them."""
    right = rng.random((len(true), points)) < true[:, None]
    return frame_of(right).assign(measure=measure)


def test_noise_fades_a_perfect_measure_by_as_much_as_is_expected():
    rng = np.random.default_rng(1)
    true = np.linspace(0.7, 0.9, 40), np.linspace(0.78, 0.82, 40)
    first, last = (sat(one, 2_000, rng, one) for one in true)
    perfect = fading(first, last, "measure", 2_000)
    assert perfect.difference.low < 0 < perfect.difference.high
    useless = fading(first, last.assign(measure=rng.normal(size=40)), "measure", 2_000)
    assert useless.difference.high < 0 < useless.left.low


def test_what_noise_leaves_is_rho_over_one_ceiling_times_the_other():
    rng = np.random.default_rng(2)
    first, last = (frame_of(answers(seed=seed)) for seed in (3, 4))
    first, last = (one.assign(measure=rng.normal(size=len(one))) for one in (first, last))
    found = fading(first, last, "measure", 400)
    above, below = (analysis.ceiling_of(one, 400).spearman.estimate for one in (first, last))
    rho = [scipy.stats.spearmanr(one["measure"], one["test_accuracy"])[0] for one in (first, last)]
    assert found.left.estimate == pytest.approx(rho[0] / above * below)
    assert found.difference.estimate == pytest.approx(rho[1] - found.left.estimate)
    same = fading(first, first, "measure", 400)
    assert same.difference.estimate == pytest.approx(0)
    assert same.percentile.low < 0 < same.percentile.high


def test_what_changes_counts_the_networks_that_met_the_cut_of_the_rate():
    def load(name: str) -> pd.DataFrame:
        frame = loader()(name)
        large = frame["regime"] == "large_batch"
        return frame.assign(epochs=np.where(large, np.arange(50) * 10, 400))  # 250 to 490

    table = analysis.changes(analysis.gather(load))
    assert table["cut_large"].to_dict() == {500: 0, 2_000: 0, 6_000: 0, 12_000: 9, 24_000: 9} | {
        60_000: 1
    }
    assert (table["cut_small"] == 0).all()  # ended at the cut, not beyond it
    assert (table["unfinished"] == 1).all()
    parts = analysis.splits(analysis.gather(load), "hessian_trace")
    np.testing.assert_allclose(table["accuracy"] * table["trace"], parts["between"])


def test_networks_trained_again_are_those_of_the_table():
    protocol = experiments.protocol("vanishing_mnist_500", "smoke")
    frame, right = analysis.train_again(protocol, 1, "cpu")
    cells = [cell for cell in protocol.cells() if cell.seed in (0, 100)]
    rows = pd.DataFrame([protocol.run_cell(cell, "cpu").rows[0] for cell in cells])
    for column in ("regime", "seed", "epochs", "test_accuracy", "hessian_trace"):
        assert frame[column].tolist() == rows[column].tolist()
    np.testing.assert_allclose(right.mean(axis=1), frame["test_accuracy"], atol=1e-7)


def test_agreement_is_judged_on_test_images_at_every_size_but_one():
    on_test = [n for n in analysis.SIZES if analysis.judged_on_test_images(n)]
    assert on_test == [500, 2_000, 6_000, 12_000, 60_000]


def test_more_test_images_lift_the_ceiling_as_far_as_they_should():
    rng = np.random.default_rng(5)
    frame = sat(np.linspace(0.78, 0.82, 40), 10_000, rng, 0)
    now = analysis.ceiling_of(frame)
    assert analysis.images_for(frame, now.spearman.estimate) == pytest.approx(10_000)
    assert analysis.images_for(frame, 0.99) > 10_000


def test_every_table_and_figure_is_drawn_from_what_the_analysis_returns():
    found = analysis.gather(loader())
    gaps, rhos = analysis.advantages(found), analysis.correlations(found)
    _, ax = plt.subplots()
    figures.draw_by_size(ax, gaps["delta"], paper=PRINTED["delta_pp"])
    drawn = next(line for line in ax.lines if line.get_label() == "measured")
    assert list(drawn.get_xdata()) == list(analysis.SIZES)
    assert list(drawn.get_ydata()) == [one.estimate for one in gaps["delta"]]
    _, axes = plt.subplots(2, 3)
    figures.draw_every_size(axes, found, "hessian_trace")
    assert axes[1, 2].get_title() == "n = 60,000"
    shown = tables.accuracies(gaps), tables.correlations(rhos), tables.protocols()
    assert [len(table.rows) for table in shown] == [6, 24, 6]
    assert shown[0].rows[0][6] == format(gaps["delta"][500])
    plt.close("all")
