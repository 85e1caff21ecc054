"""Hand numbers and words from the run to the prose of a chapter, as {glue:text}`name:format`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from myst_nb import glue

from helpers.scales import NOT_YET
from helpers.statistics import Estimate


def glue_value(key: str, value: Any) -> None:
    """Make `value` available to the text as {glue:text}`key`, without showing it in the cell.

    NumPy scalars become Python's, which formats understand, and text such as a verdict plain text.
    """
    plain = value.item() if isinstance(value, np.generic) else value
    glue(key, str(plain) if isinstance(plain, str) else plain, display=False)


def put(**values: Any) -> None:
    """Glue each value under its name, underscores becoming hyphens; see `glue_value`."""
    for name, value in values.items():
        glue_value(name.replace("_", "-"), value)


def put_known(spec: str, **values: float) -> None:
    """Glue each value as text in the format `spec`; what is nan, as 'not measured yet'."""
    put(**{name: f"{x:{spec}}" if np.isfinite(x) else NOT_YET for name, x in values.items()})


def put_estimate(name: str, one: Estimate) -> None:
    """Glue an estimate as NAME-rho, its interval as NAME-low and NAME-high, and NAME-p."""
    name = name.replace("-", "_")
    values = {"rho": one.estimate, "low": one.low, "high": one.high, "p": one.p}
    put(**{f"{name}_{part}": float(value) for part, value in values.items()})


def put_row(name: str, row: Mapping[Any, Any]) -> None:
    """Glue every number of one row of a `correlation_family` as NAME-rho, NAME-low, and so on."""
    name = name.replace("-", "_")
    put(**{f"{name}_{column}": float(value) for column, value in row.items()})
