"""The vanishing advantage across sizes: identities, a null model, and what a missing scale does."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch

from helpers import claims, experiments
from helpers.chapters.vanishing import claims as claims_of
from helpers.chapters.vanishing import figures as scale_pictures
from helpers.chapters.vanishing import scales, skill_model
from helpers.chapters.vanishing.fading import fading
from helpers.claims import Verdict
from helpers.errors import MissingTableError, UserError
from helpers.measures.agreement import ensemble_agreement
from helpers.page.reported import reported_table
from helpers.statistics import Estimate, noise_ceiling

PRINTED = reported_table("table1_vanishing_advantage").set_index("n")


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


def loader(sizes, **how):
    def load(name: str) -> pd.DataFrame:
        n = int(name.rsplit("_", 1)[1])
        if n not in sizes:
            raise MissingTableError(f"table '{name}' is not there")
        return made_up(n, **how)

    return load


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
    assert scales.mean_disagreement(frame) == pytest.approx(np.mean(pairs), rel=1e-12)
    found, whole = scales.ceiling_of(frame, right.shape[1]), noise_ceiling(right)
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


def test_scales_that_are_missing_are_named_and_never_stood_in_for():
    some = scales.gather(loader({500, 6_000}))
    assert some.sizes == (500, 6_000)
    assert some.missing == (2_000, 12_000, 24_000, 60_000)
    gaps = scales.advantages(some)
    assert list(gaps.index) == [500, 6_000]
    assert gaps[["unfinished_small", "unfinished_large"]].to_numpy().tolist() == [[0, 1], [0, 1]]
    assert "2,000, 12,000, 24,000 and 60,000 not yet" in scales.state_of(some)
    with pytest.raises(UserError, match="not measured"):
        some[2_000]
    assert scales.state_of(scales.gather(loader(set()))).startswith("none of the 6")
    everything = scales.gather(loader(set(scales.SIZES)))
    assert scales.state_of(everything) == "all 6 sizes are measured"


def test_a_damaged_table_is_an_error_and_not_a_missing_scale():
    def load(name: str) -> pd.DataFrame:
        raise UserError("results table is edited")

    with pytest.raises(UserError, match="edited"):
        scales.gather(load)


def test_diverged_networks_are_left_out():
    def load(name: str) -> pd.DataFrame:
        frame = made_up(500)
        return frame.assign(diverged=frame["seed"] < 3)

    found = scales.gather(load, sizes=[500])
    assert len(found[500]) == 47
    assert found.diverged == {500: 3}
    assert scales.advantages(found).loc[500, "diverged"] == 3
    for judge in (claims_of.judge_delta, claims_of.judge_traces):
        assert "(3 diverged, left out)" in judge(load, 500)[0]
    assert "diverged" not in claims_of.judge_delta(loader({500}), 500)[0]


def test_intervals_of_means_are_students():
    found = scales.gather(loader({500}))
    low, high = scipy.stats.ttest_1samp(
        found.regime(500, "small_batch", "hessian_trace"), 0
    ).confidence_interval()
    row = scales.compared(found, "hessian_trace").loc[500]
    assert row["small"] - row["small_reach"] == pytest.approx(low)
    assert row["small"] + row["small_reach"] == pytest.approx(high)


def test_what_the_regimes_make_of_a_correlation_adds_up():
    found = scales.splits(scales.gather(loader({500, 60_000})), "hessian_trace")
    np.testing.assert_allclose(found["between"] + found["remainder"], found["rho"], atol=1e-12)
    assert found.loc[500, "between"] == pytest.approx(-0.75, abs=0.01)
    assert abs(found.loc[60_000, "between"]) < 0.4


def test_a_constant_measure_has_no_correlation_and_counts_as_a_test():
    found = scales.correlations(scales.gather(loader({2_000})), ["l1_patterns", "l2_patterns"])
    assert np.isnan(found.loc[("l1_patterns", 2_000), "rho"])
    assert found.loc[("l1_patterns", 2_000), "p_holm"] == 1


def verdict(claim_id, load):
    return claims.read_claim(claim_id, load).verdict


def test_a_claim_over_sizes_has_no_verdict_until_all_are_measured():
    for claim in claims_of.CLAIMS:
        assert verdict(claim.id, loader(set())) is Verdict.OPEN, claim.id
    some = loader({500, 2_000})
    for claim_id in ("advantage-small-n", "trace-predicts-small-n", "agreement-persists"):
        found = claims.read_claim(claim_id, some)
        assert found.verdict is Verdict.UNFINISHED, claim_id
        assert "n = 500: " in found.measured
        assert "not measured yet: n = 6,000" in found.measured
    assert verdict("advantage-24000", some) is Verdict.OPEN
    assert verdict("advantage-vanishes", some) is Verdict.UNFINISHED


def test_networks_made_as_the_paper_prints_replicate_the_paper():
    load = loader(set(scales.SIZES))
    for claim_id in ("advantage-small-n", "advantage-24000", "advantage-vanishes"):
        assert verdict(claim_id, load) is not Verdict.FAILS, claim_id
    assert verdict("advantage-vanishes", load) in (Verdict.REPLICATES, Verdict.PARTLY)
    assert verdict("large-batch-flatter", load) is Verdict.REPLICATES


def test_an_advantage_that_stays_does_not_vanish():
    load = loader(set(scales.SIZES), fall=False)
    assert verdict("advantage-vanishes", load) is Verdict.FAILS
    assert verdict("advantage-24000", load) is Verdict.PARTLY  # there, and not the paper's
    assert verdict("trace-stops", load) is Verdict.FAILS


def test_the_inference_is_judged_by_what_is_inside_the_regimes():
    between = claims.read_claim("vanishing-shows-confounding", loader(set(scales.SIZES)))
    inside = claims.read_claim(
        "vanishing-shows-confounding", loader(set(scales.SIZES), fall=False, inside=0.9)
    )
    assert between.low <= 0 <= between.high
    assert not inside.low <= 0 <= inside.high
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
    above, below = (scales.ceiling_of(one, 400).spearman.estimate for one in (first, last))
    rho = [scipy.stats.spearmanr(one["measure"], one["test_accuracy"])[0] for one in (first, last)]
    assert found.left.estimate == pytest.approx(rho[0] / above * below)
    assert found.difference.estimate == pytest.approx(rho[1] - found.left.estimate)
    same = fading(first, first, "measure", 400)
    assert same.difference.estimate == pytest.approx(0)
    assert same.percentile.low < 0 < same.percentile.high


def test_what_changes_counts_the_networks_that_met_the_cut_of_the_rate():
    def load(name: str) -> pd.DataFrame:
        frame = loader(set(scales.SIZES))(name)
        large = frame["regime"] == "large_batch"
        return frame.assign(epochs=np.where(large, np.arange(50) * 10, 400))  # 250 to 490

    table = scales.changes(scales.gather(load))
    assert table["cut_large"].to_dict() == {500: 0, 2_000: 0, 6_000: 0, 12_000: 9, 24_000: 9} | {
        60_000: 1
    }
    assert (table["cut_small"] == 0).all()  # ended at the cut, not beyond it
    assert (table["unfinished_large"] == 1).all()
    assert table["on_test"].tolist() == [True, True, True, True, False, True]
    parts = scales.splits(scales.gather(load), "hessian_trace")
    np.testing.assert_allclose(table["accuracy"] * table["trace"], parts["between"])


def test_networks_trained_again_are_those_of_the_table():
    protocol = experiments.protocol("vanishing_mnist_500", "smoke")
    frame, right = scales.train_again(protocol, 1, "cpu")
    cells = [cell for cell in protocol.cells() if cell.seed in (0, 100)]
    rows = pd.DataFrame([protocol.run_cell(cell, "cpu").rows[0] for cell in cells])
    for column in ("regime", "seed", "epochs", "test_accuracy", "hessian_trace"):
        assert frame[column].tolist() == rows[column].tolist()
    np.testing.assert_allclose(right.mean(axis=1), frame["test_accuracy"], atol=1e-7)


def test_figures_mark_the_sizes_that_are_missing():
    some = scales.gather(loader({500, 2_000}))
    _, axes = plt.subplots(2, 3)
    scale_pictures.draw_every_size(axes, some, "hessian_trace")
    said = [[text.get_text() for text in ax.texts] for ax in axes.ravel()]
    assert said == [[], []] + 4 * [["not measured yet"]]
    _, ax = plt.subplots()
    table = scales.advantages(some)
    scale_pictures.draw_by_size(ax, table, ("delta", "low", "high"), missing=some.missing)
    crosses = [line for line in ax.lines if line.get_label() == "not measured yet"]
    assert [list(line.get_xdata()) for line in crosses] == [list(some.missing)]
    _, ax = plt.subplots()
    everything = scales.gather(loader(set(scales.SIZES)))
    scale_pictures.draw_regimes(ax, everything, "hessian_trace")
    assert "not measured yet" not in ax.get_legend_handles_labels()[1]
    plt.close("all")


@pytest.mark.parametrize(
    ("estimate", "low", "high", "word"),
    [
        (-0.1, -0.3, 0.1, "contains zero"),
        (-0.2, -0.3, -0.1, "too, the flatter ones"),
        (0.2, 0.1, 0.3, "too, the sharper ones"),
    ],
)
def test_the_reading_of_what_is_left_inside_the_regimes(estimate, low, high, word):
    assert word in claims_of.within_in_words(Estimate(estimate, low, high, 0.5, 100, ""))
