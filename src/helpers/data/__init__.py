"""The images, where they come from, and the seeded subsets that the experiments use."""

from helpers.data.images import (
    Dataset,
    Split,
    available,
    default_folder,
    load,
    pixels,
    probe_indices,
    split,
    subset_indices,
)

__all__ = [
    "Dataset",
    "Split",
    "available",
    "default_folder",
    "load",
    "pixels",
    "probe_indices",
    "split",
    "subset_indices",
]
