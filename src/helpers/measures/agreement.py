"""Ensemble agreement: do the other networks get right what one gets wrong?"""

from __future__ import annotations

import torch
from torch import Tensor

from helpers.errors import UserError


def ensemble_agreement(predictions: Tensor, labels: Tensor) -> Tensor:
    """Return, of each network's errors, the mean share of the other networks that are right: (M,).

    `predictions` is (M, n) classes and `labels` (n,); float64. It is nan for a network without
    errors and for a network alone: there is nothing to average. The measure uses the labels of the
    points it is judged on, so it is no predictor of accuracy but a part of it. Source: Table 2 of
    arXiv:2605.05209.

    Raises UserError when the shapes disagree.
    """
    if predictions.dim() != 2 or labels.shape != predictions.shape[1:]:
        raise UserError(
            f"predictions of shape {tuple(predictions.shape)} and labels of shape "
            f"{tuple(labels.shape)}; expected (networks, points) and (points,)"
        )
    right = predictions == labels
    right_at_point = right.sum(dim=0)
    # At its own error a network is not among those that are right, so none need be taken out.
    agreeing = torch.where(right, 0, right_at_point).sum(dim=1).to(torch.float64)
    errors = (~right).sum(dim=1)
    return agreeing / (errors * (len(predictions) - 1))
