"""Hand numbers and words from the run to the prose of a chapter, as {glue:text}`name:format`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from myst_nb import glue

from helpers.statistics import Estimate


def put(**values: Any) -> None:
    """Glue each value under its name, underscores becoming hyphens, without showing it.

    NumPy scalars become Python's, which formats understand, and text such as a verdict plain text.
    """
    for name, value in values.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if isinstance(plain, str):
            plain = str(plain)
        glue(name.replace("_", "-"), plain, display=False)


def put_estimate(name: str, one: Estimate) -> None:
    """Glue an estimate as NAME-rho, its interval as NAME-low and NAME-high, and NAME-p."""
    name = name.replace("-", "_")
    values = {"rho": one.estimate, "low": one.low, "high": one.high, "p": one.p}
    put(**{f"{name}_{part}": float(value) for part, value in values.items()})


def put_row(name: str, row: Mapping[Any, Any]) -> None:
    """Glue every number of one row of a `correlation_family` as NAME-rho, NAME-low, and so on."""
    name = name.replace("-", "_")
    put(**{f"{name}_{column}": float(value) for column, value in row.items()})
