"""Choose where tensors live."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING

from helpers.errors import UserError
from helpers.machine import installed_version

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str = "auto") -> torch.device:
    """Return the torch device that `name` asks for.

    `auto` takes CUDA where there is one and the CPU otherwise: on the small networks of this book
    Apple's mps is slower than the CPU, so it is used only when asked for by name.

    Raises UserError for an unknown name, or for a device that this machine does not have.
    """
    refuse_impossible(name)
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise _no_cuda()
    if name == "mps" and not torch.backends.mps.is_available():
        raise _no_mps()
    return torch.device(name)


def refuse_impossible(name: str) -> None:
    """Raise UserError for a device that cannot be had here; takes no second: torch stays unloaded.

    What passes may still be refused by `choose_device`, which asks torch.
    """
    refuse_unknown(name)
    if name == "cuda" and not cuda_driver() and not _for_rocm():
        raise _no_cuda()
    if name == "mps" and sys.platform != "darwin":
        raise _no_mps()


def refuse_unknown(name: str) -> None:
    """Raise UserError for a word that names no device."""
    if name not in DEVICES:
        raise UserError(f"unknown device '{name}'; expected one of {', '.join(DEVICES)}")


def cuda_driver() -> ctypes.CDLL | None:
    """Return the driver library without which CUDA cannot work, or None."""
    try:
        return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None


def _for_rocm() -> bool:
    """Tell whether torch is the build for AMD's GPUs, which it calls cuda too."""
    return "rocm" in (installed_version("torch") or "")


def _no_cuda() -> UserError:
    return UserError(
        "device 'cuda' was asked for, but torch sees no CUDA GPU here; use DEVICE=cpu or auto"
    )


def _no_mps() -> UserError:
    return UserError(
        "device 'mps' was asked for, but torch sees no Apple GPU here; use DEVICE=cpu or auto"
    )


def device_name(name: str) -> str:
    """Return the device that `name` leads to as a provenance states it: a GPU with its model."""
    chosen = choose_device(name)
    if chosen.type == "cuda":
        import torch

        return f"cuda ({torch.cuda.get_device_name(chosen)})"
    return chosen.type
