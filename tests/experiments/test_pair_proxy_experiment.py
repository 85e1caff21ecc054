"""The pair-proxy protocol: its cells, and a row against the measures called one by one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from helpers import data
from helpers.data import Dataset
from helpers.experiments import pair_proxy
from helpers.experiments import row as networks_at_scale
from helpers.experiments.pair_proxy import PROTOCOLS, PairProxyProtocol, proxy_of
from helpers.training import SGD, train


@pytest.fixture
def split(monkeypatch):
    """Stand real scikit-learn digits, padded to 28 × 28, in for MNIST."""
    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images.reshape(-1, 8, 8) * 15, dtype=torch.uint8)
    images = torch.nn.functional.pad(images, (10, 10, 10, 10))
    labels = torch.tensor(labels)
    every = torch.arange(1500)
    digits = Dataset("digits", images[:1500], labels[:1500], images[1500:], labels[1500:])
    found = data.Split(digits, 120, every[:120], torch.arange(120, len(images)))
    monkeypatch.setattr(networks_at_scale, "split_of", lambda *_: found)
    monkeypatch.setattr(pair_proxy, "split_of", lambda *_: found)
    return found


def test_the_protocols_are_the_papers():
    mnist, fashion = PROTOCOLS
    assert (mnist.dataset, fashion.dataset) == ("mnist", "fashion_mnist")
    assert [cell.seed for cell in mnist.cells()] == list(range(100))
    assert {(cell.n, cell.sgd, cell.probes) for cell in mnist.cells()} == {
        (250, SGD(learning_rate=0.1, batch_size=64, max_epochs=500), 1_000)
    }


def test_a_row_holds_the_counts_of_every_set_of_probes(split):
    cell = replace(PROTOCOLS[0].smoke().cells()[0], sgd=SGD(0.1, 16, 400))
    (row,) = PairProxyProtocol.run_cell(cell, "cpu").rows
    assert row["memorised"]
    assert row["separable"]
    assert row["ambiguous"] == 0
    assert row["pair_proxy"] == row["pair_proxy_set_0"]
    assert row["pair_proxy_all"] == row["pair_proxy_set_0"] + row["pair_proxy_set_1"]
    probes = pair_proxy.probes_of(split, 200)
    x, y = split.train_images, split.train_labels
    net = train(pair_proxy.WIDTHS, [cell.seed], x, y, cell.sgd, device="cpu").stack
    assert proxy_of(net, split, probes[100:]).pair_proxy == row["pair_proxy_set_1"]


def test_a_network_that_did_not_memorise_keeps_its_row(split):
    cell = replace(PROTOCOLS[0].smoke().cells()[0], sgd=SGD(0.01, 64, 10))
    (row,) = PairProxyProtocol.run_cell(cell, "cpu").rows
    assert not row["memorised"]
    assert row["separable"] == (row["pair_proxy"] > 0)
    assert np.isfinite(row["hessian_trace"])
    assert set(pair_proxy._measured(cell.probes)) <= set(row)
