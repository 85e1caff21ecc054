from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import UserError
from helpers.measures.agreement import ensemble_agreement


def naive(predictions, labels):
    rows = []
    for m, own in enumerate(predictions):
        others = [p for k, p in enumerate(predictions) if k != m]
        errors = [i for i, label in enumerate(labels) if own[i] != label]
        if not errors or not others:
            rows.append(float("nan"))
            continue
        shares = [sum(o[i] == labels[i] for o in others) / len(others) for i in errors]
        rows.append(sum(shares) / len(shares))
    return rows


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(0, 12), st.integers(1, 4), st.integers(0, 1000))
def test_agrees_with_the_definition_written_out(networks, points, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    predictions = torch.randint(0, classes, (networks, points), generator=generator)
    labels = torch.randint(0, classes, (points,), generator=generator)
    expected = torch.tensor(naive(predictions.tolist(), labels.tolist()), dtype=torch.float64)
    torch.testing.assert_close(ensemble_agreement(predictions, labels), expected, equal_nan=True)


def test_a_network_without_errors_has_none_to_share():
    labels = torch.tensor([0, 1, 2])
    predictions = torch.tensor([[0, 1, 2], [0, 1, 1], [0, 0, 1]])
    agreement = ensemble_agreement(predictions, labels)
    assert agreement[0].isnan()
    assert agreement[1:].tolist() == [0.5, 0.75]


def test_shapes_that_disagree():
    with pytest.raises(UserError, match="expected \\(networks, points\\)"):
        ensemble_agreement(torch.zeros(2, 3), torch.zeros(4))
