"""Images made ready once, for all the networks that are trained on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from helpers.errors import UserError
from helpers.training import kernels

_POINTS_AT_ONCE = 4_096


@dataclass(frozen=True, eq=False)
class Prepared:
    """Hold (n, d_0) images that were checked, and on first use what a CPU trains from.

    Hand it to `train` in the images' place where networks are trained one by one on the same
    images, which must not be changed meanwhile.

    Raises UserError for images that are not floating point, or not finite.
    """

    images: Tensor

    def __post_init__(self) -> None:
        if not self.images.is_floating_point():
            raise UserError(
                f"images are {self.images.dtype}; expected floating point, pixels scaled to [0, 1]"
            )
        # In parts: the check takes several times the memory of what it checks.
        if not all(bool(part.isfinite().all()) for part in self.images.split(_POINTS_AT_ONCE)):
            raise UserError("images hold NaN or infinite pixels; expected finite numbers")

    def to(self, device: torch.device, dtype: torch.dtype) -> Prepared:
        """Return the images on a device and in a floating type; itself where nothing changes."""
        images = self.images.to(device, dtype)
        return self if images is self.images else Prepared(images)

    @cached_property
    def live(self) -> Tensor:
        """Give the pixels that are not zero in every image, ascending."""
        return torch.from_numpy(kernels.lit(self.images.numpy()).nonzero()[0])

    @cached_property
    def rows(self) -> kernels.SparseRows:
        """Give the images by their non-zero pixels."""
        return kernels.sparse_rows(self.images.numpy(), self.live.numpy())
