"""The protocols: that they are the paper's, and that what a cell records is what it says."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits

from helpers import data, experiments
from helpers.errors import UserError
from helpers.experiments import (
    batch_or_rate as factorial,
)
from helpers.experiments import (
    reparameterisation,
    vanishing,
)
from helpers.experiments import (
    rerun as reruns,
)
from helpers.experiments import (
    row as networks_at_scale,
)
from helpers.measures.regions import activation_patterns, count_patterns
from helpers.networks import initialise, predictions
from helpers.sweeps import results
from helpers.sweeps import sweep as sweeps
from toy_experiment import Toy, only_these

MEASURES = {
    *("epochs", "train_accuracy", "train_loss", "memorised", "diverged", "test_accuracy"),
    *("unseen_accuracy", "hessian_trace", "hutchinson_trace", "hutchinson_standard_error"),
    *("l1_patterns", "l2_patterns", "weight_l2_norm", "weight_l1_norm"),
}


@pytest.fixture
def digits(monkeypatch):
    """Stand scikit-learn's digits, blown up to 28 × 28, in for MNIST."""
    raw = load_digits()
    images = np.kron(raw.images * 15, np.ones((3, 3))).astype(np.uint8)
    images = torch.from_numpy(np.pad(images, ((0, 0), (2, 2), (2, 2))))
    labels = torch.from_numpy(raw.target.astype(np.int64))
    made = data.Dataset("mnist", images[:1400], labels[:1400], images[1400:], labels[1400:])
    monkeypatch.setattr(data, "load", lambda name: made)
    networks_at_scale.split_of.cache_clear()
    yield made
    networks_at_scale.split_of.cache_clear()


@pytest.fixture
def small(digits):
    protocol = experiments.find("vanishing_mnist_500").smoke()
    return replace(
        protocol,
        small_batch=replace(protocol.small_batch, seeds=(0, 5)),
        large_batch=replace(protocol.large_batch, learning_rate=0.3, seeds=(100, 105)),
        how=replace(protocol.how, unseen_points=None, hutchinson_vectors=10),
    )


@pytest.mark.parametrize("name", experiments.known())
def test_every_protocol_lists_distinct_cells_and_shrinks_for_smoke(name):
    protocol = experiments.find(name)
    cells = protocol.cells()
    keys = {sweeps.cell_key(cell) for cell in cells}
    assert len(keys) == len(cells)
    small = protocol.smoke()
    assert small.name == name
    assert type(small) is type(protocol)
    assert len(small.cells()) <= len(cells)
    assert results.as_json(protocol) == results.as_json(results.as_json(protocol))
    assert len(sweeps.fingerprint(protocol)) == 16


@pytest.mark.parametrize(
    ("n", "small_rate", "large_rate", "large_batch", "epochs", "drop"),
    [
        (500, 0.05, 0.5, 500, 500, None),
        (2_000, 0.03, 0.5, 2_000, 500, None),
        (6_000, 0.01, 0.5, 4_096, 500, None),
        (12_000, 0.01, 0.5, 4_096, 500, 0.8),
        (24_000, 0.01, 0.3, 4_096, 500, 0.8),
        (60_000, 0.01, 0.3, 4_096, 600, 0.8),
    ],
)
def test_vanishing_is_the_papers_protocol(n, small_rate, large_rate, large_batch, epochs, drop):
    cells = experiments.find(f"vanishing_mnist_{n}").cells()
    by_regime = {
        name: [c for c in cells if c.regime == name] for name in ("small_batch", "large_batch")
    }
    assert [c.seed for c in by_regime["small_batch"]] == list(range(25))
    assert [c.seed for c in by_regime["large_batch"]] == list(range(100, 125))
    for name, rate, batch in (
        ("small_batch", small_rate, 64),
        ("large_batch", large_rate, large_batch),
    ):
        for cell in by_regime[name]:
            sgd = cell.sgd
            assert (sgd.learning_rate, sgd.batch_size) == (rate, batch)
            assert (sgd.max_epochs, sgd.drop_at, sgd.check_every) == (epochs, drop, 10)
            assert sgd.target_loss is None
            assert (cell.how.hutchinson_vectors, cell.how.curvature_points) == (50, 2048)
            assert cell.how.unseen_points is None


@pytest.mark.parametrize("n", [500, 2_000, 6_000])
def test_factorial_crosses_the_papers_regimes(n):
    cells = experiments.find(f"batch_or_rate_mnist_{n}").cells()
    regimes = experiments.find(f"vanishing_mnist_{n}")
    combinations = {(c.learning_rate, c.batch_size) for c in cells}
    assert len(combinations) == 9
    for regime in (regimes.small_batch, regimes.large_batch):
        assert (regime.learning_rate, regime.batch_size) in combinations
    for combination in combinations:
        for stop in ("memorised", "matched_loss"):
            seeds = [
                c.seed
                for c in cells
                if (c.learning_rate, c.batch_size) == combination and c.stop == stop
            ]
            assert sorted(seeds) == list(range(10))
    batches = sorted({c.batch_size for c in cells})
    assert batches[1] == pytest.approx(math.sqrt(64 * n), abs=0.5)


def test_large_rates_at_24000_pair_with_the_vanishing_networks():
    cells = experiments.find("batch_or_rate_mnist_24000").cells()
    assert {(c.learning_rate, c.batch_size, c.stop) for c in cells} == {
        (0.3, 4_096, "memorised"),
        (0.5, 4_096, "memorised"),
    }
    published = {c.seed: c.sgd for c in experiments.find("vanishing_mnist_24000").cells()}
    for cell in cells:
        if cell.learning_rate == 0.3:
            assert cell.sgd == published[cell.seed]


def test_one_pass_answers_as_the_measures_do():
    net = initialise((784, 24, 9, 10), [4])
    x = torch.rand(9_000, 784, generator=torch.Generator().manual_seed(0))
    guesses, counts = networks_at_scale.answer(net, x)
    assert (predictions(net, x)[0].numpy() == guesses).all()
    for layer in (1, 2):
        assert counts[layer - 1] == count_patterns(activation_patterns(net, x, layer))[0]


def test_table_of_the_vanishing_advantage(small, tmp_path):
    frame = sweeps.run(small, folder=tmp_path, device="cpu", progress=False).frame
    assert {"dataset", "n", "regime", "seed", "ensemble_agreement", *MEASURES} <= set(frame.columns)
    assert len(frame) == 4
    assert (frame["train_accuracy"] == 1).all()
    assert frame["memorised"].all()
    assert frame["test_accuracy"].between(0.5, 1).all()
    off = (frame["hutchinson_trace"] - frame["hessian_trace"]).abs()
    assert (off < 6 * frame["hutchinson_standard_error"]).all()
    split = networks_at_scale.split_of("mnist", small.n)
    unseen = len(split.unseen_labels)
    assert ((frame["l1_patterns"] <= unseen) & (frame["l2_patterns"] <= frame["l1_patterns"])).all()
    assert not frame.duplicated(list(small.key)).any()


def test_ensemble_agreement_counts_who_rescues_whom(small, tmp_path):
    """By the definition, with two loops, from the predictions that the sweep kept."""
    table = sweeps.run(small, folder=tmp_path, device="cpu", progress=False)
    labels = networks_at_scale.split_of("mnist", small.n).unseen_labels.numpy()
    store = sweeps.RowStore(tmp_path / small.name)
    kept = store.load(sweeps.fingerprint(small))
    guesses = [
        store.result(kept[sweeps.cell_key(cell)]).arrays["unseen_predictions"]
        for cell in small.cells()
    ]
    for i, cell in enumerate(small.cells()):
        wrong = guesses[i] != labels
        shares = [
            np.mean(guesses[j][wrong] == labels[wrong]) for j in range(len(guesses)) if j != i
        ]
        frame = table.frame
        row = frame[(frame["regime"] == cell.regime) & (frame["seed"] == cell.seed)]
        assert row["ensemble_agreement"].item() == pytest.approx(np.mean(shares), rel=1e-12)
        assert row["unseen_accuracy"].item() == pytest.approx(1 - np.mean(wrong), rel=1e-12)


def test_diverged_network_is_recorded_and_judges_nobody(small, tmp_path):
    wild = replace(small, large_batch=replace(small.large_batch, learning_rate=1e6, seeds=(100,)))
    frame = sweeps.run(wild, folder=tmp_path, device="cpu", progress=False).frame
    diverged = frame[frame["diverged"]]
    assert diverged["seed"].tolist() == [100]
    assert diverged[["test_accuracy", "hessian_trace", "ensemble_agreement"]].isna().all(axis=None)
    assert not diverged["memorised"].any()
    sound = sweeps.run(
        replace(small, large_batch=replace(small.large_batch, seeds=())),
        folder=tmp_path / "sound",
        device="cpu",
        progress=False,
    ).frame
    columns = ["seed", "ensemble_agreement"]
    pd.testing.assert_frame_equal(
        frame.loc[~frame["diverged"], columns].reset_index(drop=True), sound[columns]
    )


def test_a_stack_gives_the_rows_that_single_cells_give(small):
    cells = [cell for cell in small.cells() if cell.regime == "small_batch"]
    assert small.stack_key(cells[0]) == small.stack_key(cells[1])
    together = small.run_stack(cells, "cpu")
    for cell, result in zip(cells, together, strict=True):
        alone = small.run_cell(cell, "cpu")
        assert alone.rows == result.rows
        np.testing.assert_array_equal(
            alone.arrays["unseen_predictions"], result.arrays["unseen_predictions"]
        )


def test_factorial_stops_where_it_says(digits, tmp_path):
    protocol = replace(experiments.find("batch_or_rate_mnist_500").smoke(), seeds=(0,))
    frame = sweeps.run(protocol, folder=tmp_path, device="cpu", progress=False).frame
    assert len(frame) == 8
    assert frame["stopped"].all()
    matched = frame[frame["stop"] == "matched_loss"]
    assert (matched["train_loss"] <= protocol.target_loss).all()
    assert (matched["train_loss"] > protocol.target_loss / 4).all()
    memorised = frame[frame["stop"] == "memorised"]
    assert (memorised["train_accuracy"] == 1).all()
    assert (memorised["epochs"] % 10 == 0).all()


def test_factorial_marks_a_network_that_ran_out_of_updates(digits, tmp_path):
    protocol = replace(
        experiments.find("batch_or_rate_mnist_500").smoke(),
        seeds=(0,),
        learning_rates=(1e-4,),
        batch_sizes=(64,),
        max_updates=8,
        max_epochs=4,
    )
    frame = sweeps.run(protocol, folder=tmp_path, device="cpu", progress=False).frame
    assert frame["stopped"].tolist() == [False, False]
    assert frame["epochs"].tolist() == [4, 4]


def test_updates_of_an_epoch_count_the_short_batch():
    assert factorial.updates_per_epoch(500, 64) == 8
    assert factorial.updates_per_epoch(6_000, 4_096) == 2


def test_reparameterisation_is_on_the_papers_twelve_networks():
    protocol = experiments.find("reparameterisation")
    chosen = [(c.network.n, c.network.regime, c.network.seed) for c in protocol.cells()]
    regimes = {0: "small_batch", 5: "small_batch", 100: "large_batch", 105: "large_batch"}
    assert chosen == [(n, r, seed) for n in (500, 2_000, 6_000) for seed, r in regimes.items()]
    assert protocol.betas == (1, 2, 5, 10, 20)
    assert protocol.gammas == (1, 5, 20)


def test_rescaling_moves_the_trace_as_predicted_and_nothing_else(small, tmp_path):
    protocol = reparameterisation.Reparameterisation("r", (small,), seeds=(0, 105))
    frame = sweeps.run(protocol, folder=tmp_path, device="cpu", progress=False).frame
    assert sorted(frame["network"].unique()) == [0, 30]
    assert len(frame) == 2 * (5 + 3)
    np.testing.assert_allclose(frame["hessian_trace"], frame["predicted_trace"], rtol=1e-4)
    exact = frame[frame["factor"].isin([1.0, 2.0])]
    assert (exact["largest_logit_change"] == 0).all()  # powers of two scale every float exactly
    assert (frame["largest_logit_change"] < 1e-4 * frame["largest_logit"]).all()
    off = (frame["hutchinson_trace"] - frame["hessian_trace"]).abs()
    assert (off < 6 * frame["hutchinson_standard_error"]).all()
    for _, own in frame.groupby("network"):
        start = own.loc[own["factor"] == 1.0, "hessian_trace"].iloc[0]
        assert own["hessian_trace"].max() > 10 * start
        for column in ("test_accuracy", "l1_patterns", "l2_patterns"):
            kept = own.loc[own["factor"].isin([1.0, 2.0]), column]
            assert kept.nunique() == 1
            np.testing.assert_allclose(own[column], kept.iloc[0], rtol=2e-3)


@pytest.fixture
def toy_registry(monkeypatch, tmp_path):
    only_these(monkeypatch, {"toy": Toy()})
    monkeypatch.setattr(experiments, "TABLES", tmp_path / "tables")
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")


def test_life_of_a_table(toy_registry):
    """Smoke is computed at once; laptop reads what was published, and says how to publish it."""
    assert len(experiments.table("toy", "smoke").frame) == 2
    with pytest.raises(UserError, match=r"python -m helpers run toy --publish"):
        experiments.table("toy", "laptop")
    with pytest.raises(UserError, match="toy"):
        experiments.publish("toy")
    assert len(experiments.table("toy", "paper").frame) == 8
    assert experiments.status()["published"].tolist() == ["not published"]
    experiments.publish("toy")
    assert len(experiments.table("toy").frame) == 8
    assert experiments.status().to_dict("records") == [
        {"table": "toy", "published": "current", "cells_done": 8, "cells": 8, "seconds_left": 0.0}
    ]
    assert (experiments.verify("toy")["largest_relative_difference"] == 0).all()
    assert len(results.read("toy").provenance["spot_checks"]) == 1


def test_rerun_is_normal_and_equal_seed_by_seed(small, tmp_path, monkeypatch):
    only_these(monkeypatch, {small.name: small})
    published = sweeps.run(small, folder=tmp_path, device="cpu", progress=False).frame
    again = reruns.rerun(small.name, [0, 100], device="cpu")
    assert again["seed"].tolist() == [0, 100]
    report = reruns.compare(again, published, ["test_accuracy", "hessian_trace"])
    assert (report["same_seed_difference"] == 0).all()
    assert report["normal"].all()
    wrong = reruns.compare(again.assign(test_accuracy=2.0), published, ["test_accuracy"])
    assert not wrong["normal"].any()
    with pytest.raises(UserError, match="has no seeds 7"):
        reruns.rerun(small.name, [0, 7])


@pytest.mark.parametrize("count", [1, 4])
def test_normal_band_holds_its_share(count):
    """Of many re-runs of normal networks, `level` lie in the band of the published ones."""
    random = np.random.default_rng(5)
    inside = []
    for _ in range(2_000):
        low, high = reruns.normal_band(random.normal(3, 2, size=25), count, level=0.9)
        inside.append(low <= random.normal(3, 2, size=count).mean() <= high)
    assert np.mean(inside) == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / 2_000))


def test_normal_band_needs_two_values():
    with pytest.raises(UserError, match="1 published values"):
        reruns.normal_band([0.9, float("nan")])


def test_unknown_table_and_profile_are_clear_errors(toy_registry):
    with pytest.raises(UserError, match="unknown table 'tom'; expected one of toy"):
        experiments.table("tom")
    with pytest.raises(UserError, match="unknown profile 'huge'"):
        experiments.table("toy", "huge")


def test_published_table_of_another_protocol_is_refused(toy_registry, monkeypatch):
    experiments.table("toy", "paper")
    experiments.publish("toy")
    only_these(monkeypatch, {"toy": Toy(scale=3.0)})
    with pytest.raises(UserError, match=r"another protocol \(differs in scale\)"):
        experiments.table("toy")


def test_regimes_of_the_smoke_copy_are_those_of_the_paper():
    small = experiments.find("vanishing_mnist_60000").smoke()
    assert {cell.regime for cell in small.cells()} == {"small_batch", "large_batch"}
    assert small.drop_at == vanishing.REGIMES[60_000][-1]
