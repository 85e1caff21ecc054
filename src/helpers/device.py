"""Choose where tensors live."""

from __future__ import annotations

import torch

from helpers.errors import UserError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str = "auto") -> torch.device:
    """Return the torch device that `name` asks for.

    `auto` takes CUDA where there is one and the CPU otherwise: on the small networks of this book
    Apple's mps is slower than the CPU, so it is used only when asked for by name.

    Raises UserError for an unknown name, or for a device that this machine does not have.
    """
    if name not in DEVICES:
        raise UserError(f"unknown device '{name}'; expected one of {', '.join(DEVICES)}")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "device 'cuda' was asked for, but torch sees no CUDA GPU here; use DEVICE=cpu or auto"
        )
    if name == "mps" and not torch.backends.mps.is_available():
        raise UserError(
            "device 'mps' was asked for, but torch sees no Apple GPU here; use DEVICE=cpu or auto"
        )
    return torch.device(name)
