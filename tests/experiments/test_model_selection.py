"""Model selection: identities between its columns, and what one last layer can realise."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.datasets import load_digits

from helpers import data, experiments
from helpers.errors import UserError
from helpers.experiments import model_selection
from helpers.experiments import shared_layer as shared_protocol
from helpers.experiments.model_selection import FAMILY, RIVALS
from helpers.measures import shared_layer
from helpers.measures.pair_proxy import pair_proxy_reference
from helpers.measures.regions import activation_patterns, count_patterns_by_row
from helpers.networks import initialise
from helpers.statistics import (
    correlation_family,
    holm,
    partial_family,
    partial_spearman,
)
from helpers.sweeps import sweep as sweeps


@pytest.fixture(scope="module")
def split():
    """Stand scikit-learn's digits, blown up to 28 × 28, in for MNIST."""
    raw = load_digits()
    images = np.kron(raw.images * 15, np.ones((3, 3))).astype(np.uint8)
    images = torch.from_numpy(np.pad(images, ((0, 0), (2, 2), (2, 2))))
    labels = torch.from_numpy(raw.target.astype(np.int64))
    made = data.Dataset("mnist", images[:1400], labels[:1400], images[1400:], labels[1400:])
    return data.split(made, 60)


@pytest.fixture(scope="module")
def table(split):
    """The smoke protocol on those images, as a sweep runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_selection, "split_of", lambda dataset, n: split)
        small = replace(
            experiments.find("model_selection_mnist").smoke(), n=60, seeds=tuple(range(6))
        )
        return pd.DataFrame(
            [row for cell in small.cells() for row in small.run_cell(cell, "cpu").rows]
        )


def test_is_the_papers_protocol():
    for name in ("model_selection_mnist", "model_selection_fashion_mnist"):
        cells = experiments.find(name).cells()
        assert [cell.seed for cell in cells] == list(range(300))
        for cell in cells:
            sgd = cell.sgd
            assert (sgd.learning_rate, sgd.batch_size, sgd.max_epochs) == (0.1, 64, 500)
            assert (sgd.drop_at, sgd.check_every, sgd.target_loss) == (None, 10, None)
            assert (cell.n, cell.how.hutchinson_vectors, cell.how.unseen_points) == (250, 30, None)
    assert model_selection.WIDTHS == (784, 64, 16, 10)


def test_columns_hold_the_identities_of_regions(table, split):
    """k = R − T; free parameters are affine in T; patterns seen are k and shared regions."""
    assert (table["largest_region"] <= 170).all()
    assert (table["free_parameters"] == 170 * table["training_regions"] - 60).all()
    shared = table["l2_patterns"] - table["unseen_only_regions"]
    assert ((shared >= 0) & (shared <= table["training_regions"])).all()
    assert (table["training_regions"] >= 10).all()
    assert table[[*FAMILY, *RIVALS]].notna().all(axis=None)
    assert (table["unseen_only_regions"] > 10).all()
    assert table["test_accuracy"].between(0.4, 1).all()


def test_counts_against_sets_of_tuples(split):
    net = initialise((784, 64, 16, 10), [3])
    found = model_selection.measure(net, split, 3, model_selection.AS_PAPER)
    bits = [
        np.unpackbits(activation_patterns(net, points, 2)[0], axis=1).astype(bool)
        for points in (split.train_images, split.unseen_images)
    ]
    known, new = ({tuple(row) for row in part} for part in bits)
    assert found["training_regions"] == len(known)
    assert found["unseen_only_regions"] == len(new - known)
    assert found["l2_patterns"] == len(new) == count_patterns_by_row(bits[1])


def test_order_of_the_points_matters_only_to_the_column_that_keeps_it(table):
    """Without runs of 0, 1, 2, … one order is about as good as another."""
    ratio = table[model_selection.FILE_ORDER] / table["prediction_complexity"]
    assert ratio.between(0.8, 1.25).all()
    assert (ratio != 1).any()


def test_a_stack_gives_the_rows_that_single_cells_give(split, monkeypatch):
    monkeypatch.setattr(model_selection, "split_of", lambda dataset, n: split)
    small = replace(experiments.find("model_selection_mnist").smoke(), n=60, seeds=(0, 4))
    together = small.run_stack(small.cells(), "cpu")
    assert [one.rows for one in together] == [
        small.run_cell(cell, "cpu").rows for cell in small.cells()
    ]
    assert small.stack_key(small.cells()[0]) == small.stack_key(small.cells()[1])


def test_family_agrees_with_scipy_and_corrects_over_itself():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(60, 3)), columns=["a", "b", "test_accuracy"])
    frame["a"] += frame["test_accuracy"]
    frame.loc[7, "b"] = np.nan
    found = correlation_family(frame, ["a", "b"], resamples=999)
    kept = frame.drop(index=7)
    for name in ("a", "b"):
        assert found.loc[name, "rho"] == pytest.approx(
            spearmanr(kept[name], kept["test_accuracy"]).statistic
        )
        assert found.loc[name, "low"] < found.loc[name, "rho"] < found.loc[name, "high"]
    assert found["n"].tolist() == [59, 59]
    np.testing.assert_allclose(found["p_holm"], holm(found["p"]))
    assert (found["p"] <= found["p_bh"]).all()
    assert (found["p_bh"] <= found["p_holm"]).all()


@pytest.fixture(scope="module")
def lesson():
    random = np.random.default_rng(2)
    features = np.maximum(0, random.normal(size=(9, 2)))
    layer = random.normal(size=(3, 3))
    labels = np.argmax(np.column_stack([features, np.ones(9)]) @ layer.T, axis=1)
    return shared_layer.Lesson(features, labels, np.maximum(0, random.normal(size=(3, 2))), 3)


def test_realisable_completions_against_one_program_for_each(lesson):
    """Every completion on its own, by the slow reference: are all but the last point consistent,
    and can the last one take its class?"""
    count = 1  # silence everywhere
    for named in (c for size in (1, 2, 3) for c in combinations(range(3), size)):
        for told in product(range(3), repeat=len(named)):
            features = np.vstack([lesson.features, lesson.free[list(named[:-1])]])
            labels = np.append(lesson.labels, told[:-1]).astype(int)
            status = pair_proxy_reference(features, labels, lesson.free[named[-1] :][:1], classes=3)
            count += int(status[0, told[-1]] == 1)
    found = shared_layer.count_realisable(lesson)
    assert found == count
    assert 2**3 <= found < 4**3


def test_break_comes_where_the_plain_program_says(lesson):
    """Told one by one, by the slow reference: the first region that cannot take its class."""
    random = np.random.default_rng(1)
    for _ in range(6):
        told = random.integers(3, size=3)
        j, features, labels = 0, lesson.features, lesson.labels
        while j < 3:
            point = lesson.free[j : j + 1]
            if not pair_proxy_reference(features, labels, point, classes=3)[0, told[j]]:
                break
            features, labels = np.vstack([features, point]), np.append(labels, told[j])
            j += 1
        assert shared_layer.labels_before_breaking(lesson, told) == j
    with pytest.raises(UserError, match="4 labels for 3 free regions"):
        shared_layer.labels_before_breaking(lesson, np.zeros(4, int))


def test_bound_on_labellings_is_exact_in_one_dimension():
    """A line of k points, two classes: 2k labellings by thresholds, and the bound says 2k."""
    for k in (1, 2, 5, 9):
        assert np.exp(shared_layer.log_labellings_bound(k, 1, 2)) == pytest.approx(2 * k)
    assert shared_layer.log_labellings_bound(3, 16, 10) > 3 * np.log(10)  # few points: vacuous
    assert shared_layer.log_labellings_bound(900, 16, 10) < 900 * np.log(10)


def test_shared_layer_never_tells_more_than_it_asks(split, monkeypatch):
    monkeypatch.setattr(shared_protocol, "split_of", lambda dataset, n: split)
    small = experiments.find("shared_layer_mnist").smoke()
    rows = pd.DataFrame([row for cell in small.cells() for row in small.run_cell(cell, "cpu").rows])
    assert (rows["told"] <= rows["asked"]).all()
    assert (rows["asked"] == rows["unseen_only_regions"].clip(upper=small.most)).all()
    assert (rows["told"] >= 1).all()
    assert len({sweeps.cell_key(cell) for cell in small.cells()}) == len(rows) == 2


def test_rounding_twins_are_the_networks_of_the_pair_proxy_table():
    twins = experiments.find("rounding_fashion_mnist").cells()
    single = experiments.find("pair_proxy_fashion_mnist").cells()
    assert [replace(cell, probes=0) for cell in twins] == [
        replace(cell, probes=0) for cell in single
    ]


def test_partial_family_asks_what_partial_spearman_answers():
    random = np.random.default_rng(3)
    frame = pd.DataFrame(random.normal(size=(40, 3)), columns=["a", "b", "test_accuracy"])
    found = partial_family(frame, {"a given b": ("a", ["b"])})
    one = partial_spearman(frame["a"], frame["test_accuracy"], frame["b"])
    assert found.loc["a given b"].tolist() == [one.estimate, one.low, one.high, one.p]
