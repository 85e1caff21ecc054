"""Load MNIST and its relatives as tensors, and draw the seeded subsets the experiments use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pooch
import torch
from torch import Tensor

from helpers.data import fetch
from helpers.data.sources import COLLECTIONS
from helpers.errors import UserError

SUBSET_SEED = 42
PROBE_SEED = 99
NUMPY_SUBSET_SIZE = 24_000  # the one size whose subset was drawn by NumPy, not by PyTorch


def default_folder() -> Path:
    """Return the cache folder: HELPERS_DATA where it is set, else the platform's own place."""
    chosen = os.environ.get("HELPERS_DATA")
    return Path(chosen).expanduser() if chosen else Path(pooch.os_cache("flat-minima-book"))


@dataclass(frozen=True)
class Dataset:
    """Hold one data set in file order.

    train_images (60000, 28, 28) and test_images (10000, 28, 28) are uint8, 0…255; labels are int64.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor


@dataclass(frozen=True)
class Split:
    """Hold the training subset of size n, the unseen points and the test set.

    Images are float32 in [0, 1], one row of pixels a point, converted on first use; labels int64.
    `train_indices` index the training images in the order drawn; `unseen_indices` index the pool
    (training images, then test images, in file order) in ascending order.
    """

    dataset: Dataset
    n: int
    train_indices: Tensor
    unseen_indices: Tensor

    @cached_property
    def train_images(self) -> Tensor:
        """Give the n training images, (n, pixels)."""
        return pixels(self.dataset.train_images[self.train_indices])

    @cached_property
    def train_labels(self) -> Tensor:
        """Give the n training labels, (n,)."""
        return self.dataset.train_labels[self.train_indices]

    @cached_property
    def unseen_images(self) -> Tensor:
        """Give the unseen images in pool order, (unseen, pixels)."""
        leftover, test = self._unseen_parts()
        # Filled in place: a concatenation would hold some 200 MB twice.
        images = torch.empty(len(self.unseen_indices), self.dataset.train_images[0].numel())
        images[: len(leftover)] = self.dataset.train_images[leftover].flatten(1)
        images[len(leftover) :] = self.dataset.test_images[test].flatten(1)
        return images.div_(255)

    @cached_property
    def unseen_labels(self) -> Tensor:
        """Give the unseen labels in pool order, (unseen,)."""
        leftover, test = self._unseen_parts()
        return torch.cat([self.dataset.train_labels[leftover], self.dataset.test_labels[test]])

    @cached_property
    def test_images(self) -> Tensor:
        """Give the whole test set, (10000, pixels)."""
        return pixels(self.dataset.test_images)

    @property
    def test_labels(self) -> Tensor:
        """Give the labels of the test set, (10000,)."""
        return self.dataset.test_labels

    def _unseen_parts(self) -> tuple[Tensor, Tensor]:
        total = len(self.dataset.train_images)
        in_training = self.unseen_indices < total
        return self.unseen_indices[in_training], self.unseen_indices[~in_training] - total


def load(name: str = "mnist", *, folder: str | Path | None = None) -> Dataset:
    """Load a data set, fetching its files on first use.

    Names: mnist, fashion_mnist.
    `folder` is the cache (default: `default_folder()`), laid out as torchvision's classes expect.
    Raises UserError for an unknown name, or when the files cannot be had or written.
    """
    if name not in COLLECTIONS:
        raise UserError(
            f"unknown data set {name!r}; expected one of {', '.join(COLLECTIONS)}; "
            "check the spelling"
        )
    cache = Path(folder).expanduser() if folder is not None else default_folder()
    raw = fetch.ensure(COLLECTIONS[name], cache)
    return Dataset(name, *(_parse_idx(content) for content in raw.values()))


def available() -> tuple[str, ...]:
    """List the names that `load` knows."""
    return tuple(COLLECTIONS)


def pixels(images: Tensor) -> Tensor:
    """Scale images (…, h, w) of uint8 to float32 in [0, 1] and flatten each, as (…, h·w)."""
    return images.flatten(start_dim=1).to(torch.float32).div_(255)


def subset_indices(n: int, total: int = 60_000) -> Tensor:
    """Draw the indices of the training subset of size n, in the order in which they were drawn.

    The first n of `torch.randperm(total)` under a CPU generator seeded 42; at n = 24,000 alone,
    NumPy's legacy `RandomState(42).choice(total, 24000, replace=False)`. Raises UserError unless
    1 ≤ n ≤ total.
    """
    if not 1 <= n <= total:
        raise UserError(
            f"a training subset of {n:,} points was asked for; expected between 1 and {total:,}, "
            "the number of training images; choose a smaller n"
        )
    if n == NUMPY_SUBSET_SIZE:
        drawn = np.random.RandomState(SUBSET_SEED).choice(total, n, replace=False)
        return torch.from_numpy(drawn.astype(np.int64))
    generator = torch.Generator().manual_seed(SUBSET_SEED)
    return torch.randperm(total, generator=generator)[:n].clone()


def split(dataset: Dataset, n: int) -> Split:
    """Split a data set into a training subset of size n and the points it leaves unseen.

    Unseen are the other training images and the test images at n ≤ 12,000; the other training
    images alone above that; the test images alone once every training image is used.
    Raises UserError when n is not between 1 and the number of training images.
    """
    total = len(dataset.train_images)
    chosen = subset_indices(n, total)
    unseen = torch.ones(total + len(dataset.test_images), dtype=torch.bool)
    unseen[chosen] = False
    if 12_000 < n < total:
        unseen[total:] = False
    return Split(dataset, n, chosen, unseen.nonzero().flatten())


def probe_indices(unseen_count: int, count: int = 100, seed: int = PROBE_SEED) -> Tensor:
    """Draw the positions, among the unseen points, of the probes at which extensions are counted.

    The first `count` of `torch.randperm(unseen_count)` under a CPU generator with this seed.
    Raises UserError when there are fewer unseen points than probes.
    """
    if not 1 <= count <= unseen_count:
        raise UserError(
            f"{count:,} probe points were asked for; expected between 1 and {unseen_count:,}, "
            "the number of unseen points; choose fewer probes"
        )
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(unseen_count, generator=generator)[:count].clone()


def _parse_idx(content: np.ndarray) -> Tensor:
    """Read the IDX format: two zero bytes, a type, the number of axes, big-endian sizes, data."""
    kind, axes = int(content[2]), int(content[3])
    shape = content[4 : 4 + 4 * axes].view(">u4").astype(int)
    body = content[4 + 4 * axes :]
    if kind != 8 or body.size != shape.prod():
        raise UserError("a data file is not an IDX file of bytes; expected one; delete it")
    values = torch.from_numpy(body.reshape(shape))
    return values if axes > 1 else values.to(torch.int64)
