"""Ensemble agreement: how often do the other networks get right what one network gets wrong?"""

from __future__ import annotations

import torch
from torch import Tensor

from helpers.errors import UserError


def ensemble_agreement(predictions: Tensor, labels: Tensor) -> Tensor:
    """Measure, for each network, how its errors fare with the others, as (M,) float64.

    `predictions` (M, n) and `labels` (n,) are classes. For networks i ≠ j take the share of i's
    errors that j labels right, and average over j: a network whose mistakes nobody shares scores
    near 1. NaN for a network without errors. It is computed from the true labels, so it is no
    measure that one could use to choose a network before knowing them.

    Raises UserError for fewer than two networks or labels of another length.
    """
    if predictions.dim() != 2 or len(predictions) < 2 or predictions.shape[1:] != labels.shape:
        raise UserError(
            f"predictions of shape {tuple(predictions.shape)} and labels of shape "
            f"{tuple(labels.shape)}; expected (networks, points) with two networks or more, "
            "and one label a point"
        )
    # Sums of 0 and 1 are exact in float32 up to 2^24 points.
    wrong = (predictions != labels).to(torch.float32)
    shared = (wrong @ wrong.T).to(torch.float64)
    errors = shared.diagonal().clone()
    rescued = len(wrong) * errors - shared.sum(dim=1)  # over the others: its own term is zero
    return rescued / (errors * (len(wrong) - 1))
