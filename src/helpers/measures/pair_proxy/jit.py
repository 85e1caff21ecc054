"""Compile inner loops with numba where it is there; run them as plain Python where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

numba: Any
try:
    import numba
except ImportError:  # the numpy path: same answers, slower
    numba = None

HAVE_NUMBA = numba is not None


def jit(function: Callable[..., Any]) -> Any:
    """Compile a function, kept on disk between runs; without numba return it as it is.

    A package folder and a home folder that cannot be written leave numba nowhere to keep the
    compiled code; it then compiles once a process.
    """
    return _compiled(function, {"reassoc", "contract", "nsz", "arcp"})


def strict_jit(function: Callable[..., Any]) -> Any:
    """Compile as `jit`, every operation rounded as IEEE 754 says: for bounds on rounding."""
    return _compiled(function, False)


def finite_jit(function: Callable[..., Any]) -> Any:
    """Compile as `jit`, taking for granted that no number is NaN: a minimum then vectorises."""
    return _compiled(function, {"reassoc", "contract", "nsz", "arcp", "nnan"})


def _compiled(function: Callable[..., Any], fastmath: set[str] | bool) -> Any:
    if numba is None:
        return function
    options = {"fastmath": fastmath, "nogil": True}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(**options)(function)
