"""Wrong input to the pair proxy ends in one clear line; without numba the answers are the same."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from helpers.errors import UserError
from helpers.measures.pair_proxy import pair_proxy, pair_proxy_reference, verify

FEATURES = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
LABELS = np.array([0, 1, 2])
PROBES = np.array([[0.5, 0.5]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": FEATURES * np.nan}, "NaN or infinity"),
        ({"probes": PROBES * np.inf}, "NaN or infinity"),
        ({"features": FEATURES[:, :1]}, "columns"),
        ({"features": FEATURES[0]}, "shape"),
        ({"features": FEATURES.astype(complex)}, "real numbers"),
        ({"features": FEATURES[:0], "labels": LABELS[:0]}, "no training points"),
        ({"labels": LABELS[:2]}, "one for each row"),
        ({"labels": LABELS + 0.5}, "whole numbers"),
        ({"labels": LABELS - 1}, "0…2"),
        ({"labels": LABELS + 1}, "0…2"),
        ({"probes": PROBES[:0]}, "no probes"),
        ({"classes": 0}, "at least 1"),
        ({"last_layer": (np.zeros((2, 2)), np.zeros(2))}, "last layer"),
        ({"last_layer": (np.full((3, 2), np.nan), np.zeros(3))}, "NaN"),
    ],
)
def test_bad_input_is_named(change, message):
    given = {"features": FEATURES, "labels": LABELS, "probes": PROBES, "classes": 3} | change
    with pytest.raises(UserError, match=message) as caught:
        pair_proxy(**given)
    assert "\n" not in str(caught.value)


def test_the_reference_refuses_a_margin_of_zero():
    with pytest.raises(UserError, match="positive"):
        pair_proxy_reference(FEATURES, LABELS, PROBES, margin=0.0)


def test_verify_wants_a_probe_and_a_class_together():
    certificate = pair_proxy(FEATURES, LABELS, PROBES).certificate(0, 0)
    with pytest.raises(UserError, match="both"):
        verify(certificate, FEATURES, LABELS, PROBES[0])


def test_tensors_are_taken_as_they_are():
    import torch

    layer = torch.nn.Linear(2, 3)
    answer = pair_proxy(
        torch.tensor(FEATURES, dtype=torch.float32),
        torch.tensor(LABELS),
        torch.tensor(PROBES, requires_grad=True),
        last_layer=(layer.weight, layer.bias),
    )
    assert answer.pair_proxy == pair_proxy(FEATURES, LABELS, PROBES).pair_proxy


def test_uncompiled_the_answers_are_the_same():
    program = """
import sys, json
import numba, numpy as np
from helpers.measures.pair_proxy import pair_proxy
assert numba.config.DISABLE_JIT
rng = np.random.default_rng(0)
features, probes = rng.normal(size=(40, 3)), rng.normal(size=(8, 3))
labels = (features @ rng.normal(size=(3, 4))).argmax(1)
print(json.dumps(pair_proxy(features, labels, probes, classes=4).status.tolist()))
"""
    plain = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    rng = np.random.default_rng(0)
    features, probes = rng.normal(size=(40, 3)), rng.normal(size=(8, 3))
    labels = (features @ rng.normal(size=(3, 4))).argmax(1)
    compiled = pair_proxy(features, labels, probes, classes=4).status.tolist()
    assert json.loads(plain.stdout) == compiled
