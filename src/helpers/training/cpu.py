"""Train networks on CPU cores, each alone in its core's cache, by compiled epochs."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from joblib import Parallel, delayed
from threadpoolctl import ThreadpoolController
from torch import Tensor

from helpers.networks import Stack, initialise_one
from helpers.training import kernels
from helpers.training.gather import LANES
from helpers.training.prepared import Prepared
from helpers.training.protocol import SGD, Outcome, Trained, finished


def train_on_cpu(
    widths: Sequence[int],
    seeds: Sequence[int],
    images: Prepared,
    labels: Tensor,
    sgd: SGD,
    *,
    workers: int = 1,
    advance: Callable[[int], None] = lambda epochs: None,
) -> Trained:
    """Train one network a seed, `workers` at a time, in the dtype of `images`.

    Needs a hidden layer. The workers are threads: a compiled epoch holds no lock, and the images
    are held once. Pixels that are zero in every image get no gradient; they are left out, and
    their weights stay as drawn.
    """
    live, rows = images.live, images.rows

    def train_one(seed: int) -> Trained:
        drawn, generator = initialise_one(widths, seed)
        drawn = drawn.to(images.images.dtype)
        net = pack(drawn, live)
        outcome = _train(net, rows, labels.numpy(), generator, sgd, advance)
        return outcome.with_stack(unpack(net, drawn, live))

    # One thread a network: several would only wait for each other on products this small.
    with _libraries().limit(limits=1, user_api="blas"):
        parts = Parallel(n_jobs=min(workers, len(seeds)), backend="threading")(
            delayed(train_one)(seed) for seed in seeds
        )
    return Trained.join(parts)


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    """Find the libraries loaded in this process, once: looking takes as long as several steps."""
    importlib.import_module("scipy.linalg.cython_blas")  # The one that compiled products call.
    return ThreadpoolController()


def _train(
    net: kernels.Parameters,
    rows: kernels.SparseRows,
    labels: np.ndarray,
    generator: torch.Generator,
    sgd: SGD,
    advance: Callable[[int], None],
) -> Outcome:
    """Train one network's parameters in place and say how it ended."""
    batch_size = min(sgd.batch_size, len(labels))
    space = kernels.workspace(net, rows, batch_size)
    number = net.first.dtype.type
    for epoch in range(1, sgd.max_epochs + 1):
        order = torch.randperm(len(labels), generator=generator).numpy()
        rate = number(sgd.rate(epoch))
        kernels.train_epoch(net, rows, labels, order, batch_size, rate, space)
        if not sgd.checks(epoch):
            continue
        advance(sgd.epochs_since_check(epoch))
        # One wrong point settles most checks; only an end needs the whole count.
        hasty = sgd.target_loss is None and epoch < sgd.max_epochs
        right, loss = kernels.evaluate(net, rows, labels, space, hasty)
        outcome = finished(sgd, epoch, len(labels), right, loss)
        if outcome is not None:
            advance(sgd.max_epochs - epoch)
            return outcome
    raise AssertionError("the last epoch always ends training")


def pack(drawn: Stack, live: Tensor) -> kernels.Parameters:
    """Return copies of one network's parameters as the kernels hold them.

    Only live pixels are kept, and the first hidden layer is padded to a multiple of LANES by units
    whose weights, in and out, are zero: they stay so, and add exact zeros.
    """
    weights = [w[0].T.numpy() for w in (drawn.weights[0][:, :, live], *drawn.weights[1:])]
    biases = [b[0].numpy() for b in drawn.biases]
    extra = -biases[0].size % LANES
    first = np.pad(weights[0], ((0, 0), (0, extra)))
    biases[0] = np.pad(biases[0], (0, extra))
    weights[1] = np.pad(weights[1], ((0, extra), (0, 0)))
    strips = first.reshape(len(first), -1, LANES).swapaxes(0, 1)
    return kernels.Parameters(
        _aligned_copy(strips),
        tuple(_aligned_copy(w) for w in weights[1:]),
        tuple(_aligned_copy(b) for b in biases),
    )


def _aligned_copy(values: np.ndarray) -> np.ndarray:
    copy = kernels.aligned(values.shape, values.dtype)
    copy[...] = values
    return copy


def unpack(net: kernels.Parameters, drawn: Stack, live: Tensor) -> Stack:
    """Return the parameters as a stack of one; dead pixels keep the weights that were drawn."""
    units = drawn.widths[1]
    strips = net.first.swapaxes(0, 1).reshape(net.first.shape[1], -1)
    first = drawn.weights[0].clone()
    first[0, :, live] = torch.from_numpy(strips[:, :units].T.copy())
    second = torch.from_numpy(net.weights[0][:units].T.copy())
    rest = (torch.from_numpy(w.T.copy()) for w in net.weights[1:])
    return Stack(
        (first, *(w[None] for w in (second, *rest))),
        tuple(
            torch.from_numpy(b[: len(d[0])].copy())[None]
            for b, d in zip(net.biases, drawn.biases, strict=True)
        ),
    )
