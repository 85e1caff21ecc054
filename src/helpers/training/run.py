"""Check the input, choose the way by device, and train: `train`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from joblib import Parallel, delayed
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from threadpoolctl import threadpool_limits
from torch import Tensor

from helpers.device import choose_device
from helpers.errors import UserError
from helpers.networks import Stack, check_widths, initialise_one
from helpers.training import kernels
from helpers.training.protocol import SGD, Trained, finished
from helpers.training.stack import matmul_precision, train_in_chunks, train_stack

# Above this share of non-zero pixels a dense product beats the sparse one on a CPU.
_DENSE = 0.6


def train(
    widths: Sequence[int],
    seeds: Sequence[int],
    images: Tensor,
    labels: Tensor,
    sgd: SGD,
    *,
    device: str = "auto",
    dtype: torch.dtype = torch.float32,
    workers: int = 1,
    progress: bool = False,
    tf32: bool = False,
) -> Trained:
    """Train one network a seed on (n, d_0) images in floating point and (n,) labels.

    Network i is the one that `train_reference` trains from the same seed, up to rounding, whatever
    the other networks, the device and the number of workers. `workers` threads share a CPU's
    networks (the compiled epochs hold no lock); a GPU takes as many at a time as fit its memory.
    `tf32` lets a GPU round float32 products to ten bits. The stack returned lies on the device.

    Pixels that are zero in every image get no gradient. They are left out while training, and their
    weights are put back as they were drawn.

    Raises UserError for shapes that disagree, labels out of range, no points, an unknown device.
    """
    widths = check_widths(widths)
    _check(widths, seeds, images, labels, dtype, workers)
    target = choose_device(device)
    live = torch.nonzero((images != 0).any(dim=0)).flatten().to("cpu")
    labels = labels.to(torch.int64)
    with _bar(progress, len(seeds) * sgd.max_epochs) as advance:
        if target.type == "cpu":
            return _train_on_cpu(
                widths, seeds, images.cpu(), labels.cpu(), sgd, live, dtype, workers, advance
            )
        images, labels = images.to(target, dtype), labels.to(target)
        with matmul_precision(tf32):
            return train_in_chunks(
                lambda chunk: train_stack(widths, chunk, images, labels, sgd, advance=advance),
                seeds,
            )


def _train_on_cpu(
    widths: tuple[int, ...],
    seeds: Sequence[int],
    images: Tensor,
    labels: Tensor,
    sgd: SGD,
    live: Tensor,
    dtype: torch.dtype,
    workers: int,
    advance: Callable[[int], None],
) -> Trained:
    rows = kernels.sparse_rows(images[:, live].to(dtype).numpy())
    arguments = (rows, labels.numpy(), live, sgd, dtype, advance)
    # One thread a network: several would only wait for each other on products this small.
    with threadpool_limits(1, user_api="blas"):
        parts = Parallel(n_jobs=min(workers, len(seeds)), backend="threading")(
            delayed(_train_one)(widths, seed, *arguments) for seed in seeds
        )
    return Trained.join(parts)


def _train_one(
    widths: tuple[int, ...],
    seed: int,
    rows: kernels.SparseRows,
    labels: np.ndarray,
    live: Tensor,
    sgd: SGD,
    dtype: torch.dtype,
    advance: Callable[[int], None],
) -> Trained:
    """Train the network of one seed on a CPU core."""
    net, generator = initialise_one(widths, seed)
    net = net.to(dtype)
    inputs = (net.weights[0][:, :, live], *net.weights[1:])
    weights = tuple(w[0].T.contiguous().numpy().copy() for w in inputs)
    biases = tuple(b[0].numpy().copy() for b in net.biases)
    space = kernels.workspace(weights, biases, rows, min(sgd.batch_size, len(labels)))
    number = weights[0].dtype.type
    for epoch in range(1, sgd.max_epochs + 1):
        order = torch.randperm(len(labels), generator=generator).numpy()
        rate = number(sgd.rate(epoch))
        kernels.train_epoch(weights, biases, rows, labels, order, sgd.batch_size, rate, space)
        if not sgd.checks(epoch):
            continue
        advance(sgd.epochs_since_check(epoch))
        hasty = sgd.target_loss is None and epoch < sgd.max_epochs
        right, loss = kernels.evaluate(weights, biases, rows, labels, space, hasty)
        outcome = finished(sgd, epoch, len(labels), right, loss)
        if outcome is not None:
            advance(sgd.max_epochs - epoch)
            break
    assert outcome is not None  # The last epoch always ends it.
    first = net.weights[0].clone()
    first[0, :, live] = torch.from_numpy(weights[0].T.copy())
    rest = (torch.from_numpy(w.T.copy())[None] for w in weights[1:])
    return outcome.with_stack(
        Stack((first, *rest), tuple(torch.from_numpy(b)[None] for b in biases))
    )


def _check(
    widths: tuple[int, ...],
    seeds: Sequence[int],
    images: Tensor,
    labels: Tensor,
    dtype: torch.dtype,
    workers: int,
) -> None:
    if len(seeds) == 0:
        raise UserError("no seeds; expected at least one, such as range(25)")
    if workers < 1:
        raise UserError(f"workers is {workers}; expected 1 or more")
    if dtype not in (torch.float32, torch.float64):
        raise UserError(f"dtype is {dtype}; expected torch.float32 or torch.float64")
    if images.dim() != 2 or images.shape[1] != widths[0]:
        raise UserError(
            f"images of shape {tuple(images.shape)} do not fit a network of {widths[0]} inputs; "
            f"expected (n, {widths[0]})"
        )
    if len(images) == 0:
        raise UserError("there are no images to train on; expected n of 1 or more")
    if labels.shape != images.shape[:1]:
        raise UserError(
            f"{len(images)} images have labels of shape {tuple(labels.shape)}; "
            f"expected ({len(images)},)"
        )
    if not images.is_floating_point():
        raise UserError(
            f"images are {images.dtype}; expected floating point, pixels scaled to [0, 1]"
        )
    if labels.is_floating_point() or labels.min() < 0 or labels.max() >= widths[-1]:
        raise UserError(
            f"labels run from {labels.min()} to {labels.max()}; "
            f"expected whole numbers from 0 to {widths[-1] - 1}"
        )
    if not bool(images.isfinite().all()):
        raise UserError("images hold NaN or infinite pixels; expected finite numbers")


@contextmanager
def _bar(show: bool, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that moves a progress bar on by so many epochs."""
    if not show:
        yield lambda epochs: None
        return
    columns = (TextColumn("training"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("training", total=total)
        yield lambda epochs: bar.advance(task, epochs)
