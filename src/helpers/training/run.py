"""Check the input, choose the way by device, and train: `train`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from helpers.device import choose_device
from helpers.errors import UserError
from helpers.networks import check_widths
from helpers.training.cpu import train_on_cpu
from helpers.training.prepared import Prepared
from helpers.training.protocol import SGD, Trained
from helpers.training.stack import matmul_precision, train_in_chunks, train_stack


def train(
    widths: Sequence[int],
    seeds: Sequence[int],
    images: Tensor | Prepared,
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

    Images that many networks are trained on one by one are better `Prepared` once.

    Network i is the one that `train_reference` trains from the same seed, up to rounding, whatever
    the other networks, the device and the number of workers. `workers` threads share a CPU's
    networks (the compiled epochs hold no lock); a GPU takes as many at a time as fit its memory.
    `tf32` lets a GPU round float32 products to ten bits. The stack returned lies on the device.

    Raises UserError for shapes that disagree, labels out of range, no points, an unknown device.
    """
    widths = check_widths(widths)
    given = images.images if isinstance(images, Prepared) else images
    _check(widths, seeds, given, labels, dtype, workers)
    ready = images if isinstance(images, Prepared) else Prepared(images)
    target = choose_device(device)
    labels = labels.to(target, torch.int64)
    ready = ready.to(target, dtype)
    with _bar(progress, len(seeds) * sgd.max_epochs) as advance:
        if target.type == "cpu" and len(widths) > 2:
            return train_on_cpu(widths, seeds, ready, labels, sgd, workers=workers, advance=advance)
        with matmul_precision(tf32):
            return train_in_chunks(
                lambda chunk: train_stack(
                    widths, chunk, ready.images, labels, sgd, advance=advance
                ),
                seeds,
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
    if labels.is_floating_point() or labels.min() < 0 or labels.max() >= widths[-1]:
        raise UserError(
            f"labels run from {labels.min()} to {labels.max()}; "
            f"expected whole numbers from 0 to {widths[-1] - 1}"
        )


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
