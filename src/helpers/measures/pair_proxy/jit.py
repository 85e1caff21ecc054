"""Compile inner loops with numba, under the rules of rounding that each of them needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def jit(function: Callable[..., Any]) -> Any:
    """Compile a function, kept on disk between runs.

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
    options: dict[str, Any] = {"fastmath": fastmath, "nogil": True}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(**options)(function)
