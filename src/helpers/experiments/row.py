"""Train the 784-256-128-10 networks of the cross-regime experiments, and measure them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from helpers import data
from helpers.measures.agreement import ensemble_agreement
from helpers.measures.regions import count_patterns
from helpers.measures.sharpness import hessian_trace, hutchinson_trace
from helpers.measures.simplicity import weight_l1_norm, weight_l2_norm
from helpers.networks import Stack, accuracy, activations, predictions
from helpers.training import SGD, Prepared, Trained, train

WIDTHS = (784, 256, 128, 10)
POINTS_AT_ONCE = 4_096
NOT_MEASURED = (
    "test_accuracy",
    "unseen_accuracy",
    "hessian_trace",
    "hutchinson_trace",
    "hutchinson_standard_error",
    "l1_patterns",
    "l2_patterns",
    "weight_l2_norm",
    "weight_l1_norm",
)


@dataclass(frozen=True)
class Measuring:
    """How networks are measured, apart from how they are trained."""

    hutchinson_vectors: int = 50
    curvature_points: int = 2_048  # the first points of the training subset
    unseen_points: int | None = None  # the first of the unseen points; None takes them all


AS_PAPER = Measuring()


def cut_after(drop_at: float | None, max_epochs: int) -> float:
    """Return the epoch after which the rate is a tenth; infinite where a protocol has no cut."""
    return np.inf if drop_at is None else drop_at * max_epochs


@lru_cache(maxsize=1)
def split_of(dataset: str, n: int) -> data.Split:
    """Load a data set and split it, keeping the last one for the next cell in this process."""
    return data.split(data.load(dataset), n)


@lru_cache(maxsize=1)
def _prepared(images: Tensor) -> Prepared:
    """Prepare images for training, keeping the last; a tensor is its own key, not its values."""
    return Prepared(images)


def unseen(split: data.Split, points: int | None) -> tuple[Tensor, Tensor]:
    """Return the unseen images and labels, or the first `points` of them."""
    return split.unseen_images[:points], split.unseen_labels[:points]


def train_on(dataset: str, n: int, seeds: list[int], sgd: SGD, device: str) -> Trained:
    """Train one network a seed on the protocol's training subset of size n."""
    split = split_of(dataset, n)
    images = _prepared(split.train_images)
    return train(WIDTHS, seeds, images, split.train_labels, sgd, device=device)


def measure(
    trained: Trained, dataset: str, n: int, seeds: list[int], how: Measuring
) -> list[tuple[dict[str, Any], np.ndarray]]:
    """Take every measure of every network, and its predictions on the unseen points as uint8.

    A network that diverged gets its row too, with NaN for what cannot be measured.
    """
    split = split_of(dataset, n)
    device = trained.stack.device
    x, y = split.train_images.to(device), split.train_labels.to(device)
    test = split.test_images.to(device), split.test_labels.to(device)
    new, new_labels = (part.to(device) for part in unseen(split, how.unseen_points))
    found = []
    for index, seed in enumerate(seeds):
        row: dict[str, Any] = {
            "epochs": int(trained.epochs[index]),
            "train_accuracy": float(trained.train_accuracy[index]),
            "train_loss": float(trained.train_loss[index]),
            "memorised": bool(trained.memorised[index]),
            "diverged": bool(trained.diverged[index]),
        }
        net = trained.stack[index]
        if row["diverged"]:
            row |= dict.fromkeys(NOT_MEASURED, float("nan"))
            guesses = np.full(len(new), 255, dtype=np.uint8)  # no class: counts as an error
        else:
            guesses, (l1_patterns, l2_patterns) = answer(net, new)
            row |= {
                "test_accuracy": float(accuracy(net, *test)),
                "unseen_accuracy": float(np.mean(guesses == new_labels.cpu().numpy())),
                "hessian_trace": float(hessian_trace(net, x, y, how.curvature_points)),
            }
            row |= estimate_trace(net, x, y, seed, how)
            row |= {
                "l1_patterns": l1_patterns,
                "l2_patterns": l2_patterns,
                "weight_l2_norm": float(weight_l2_norm(net)),
                "weight_l1_norm": float(weight_l1_norm(net)),
            }
        found.append((row, guesses))
    return found


def answer(net: Stack, x: Tensor) -> tuple[np.ndarray, list[int]]:
    """Return one network's predictions at x as uint8, and each hidden layer's number of patterns.

    The same as `predictions` and `count_patterns(activation_patterns(…))`, in one forward pass.
    """
    head = Stack(net.weights[-1:], net.biases[-1:])
    guesses: list[np.ndarray] = []
    packed: list[list[np.ndarray]] = [[] for _ in net.weights[:-1]]
    for part in x.split(POINTS_AT_ONCE):
        hidden = activations(net, part)
        guesses.append(predictions(head, hidden[-1])[0].to("cpu", torch.uint8).numpy())
        for layer, values in zip(packed, hidden, strict=True):
            layer.append(np.packbits((values > 0).cpu().numpy(), axis=-1))
    counts = [int(count_patterns(np.concatenate(layer, axis=1))[0]) for layer in packed]
    return np.concatenate(guesses), counts


def estimate_trace(net: Stack, x: Tensor, y: Tensor, seed: int, how: Measuring) -> dict[str, float]:
    """Estimate one network's Hessian trace as the paper does, and its standard error."""
    estimate, error = hutchinson_trace(
        net, x, y, how.hutchinson_vectors, seed=seed, max_points=how.curvature_points
    )
    return {"hutchinson_trace": float(estimate), "hutchinson_standard_error": float(error)}


def agreement(guesses: np.ndarray, labels: Tensor, diverged: np.ndarray) -> np.ndarray:
    """Return each network's ensemble agreement, (M,); a diverged one has none and judges none."""
    values = np.full(len(guesses), np.nan)
    sound = np.flatnonzero(~diverged)
    if len(sound) > 1:
        values[sound] = ensemble_agreement(torch.from_numpy(guesses[sound]), labels).numpy()
    return values
