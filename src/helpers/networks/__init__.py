"""Stacks of networks of one shape, and rewrites that keep their function."""

from helpers.networks.stack import (
    Stack,
    accuracy,
    activations,
    check_widths,
    concatenate,
    cross_entropy,
    features,
    initialise,
    initialise_one,
    logits,
    predictions,
)

__all__ = [
    "Stack",
    "accuracy",
    "activations",
    "check_widths",
    "concatenate",
    "cross_entropy",
    "features",
    "initialise",
    "initialise_one",
    "logits",
    "predictions",
]
