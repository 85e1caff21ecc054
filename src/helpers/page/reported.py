"""The numbers that the paper prints, as facts to compare with."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd

from helpers.errors import UserError


@cache
def _reported() -> dict[str, Any]:
    text = files("helpers.page").joinpath("reported.json").read_text(encoding="utf-8")
    return {key: value for key, value in json.loads(text).items() if key != "_about"}


def reported_table(key: str) -> pd.DataFrame:
    """Return one printed table of the paper, a row per printed row.

    `key` is such as `table2_cross_regime_spearman`. Raises UserError for an unknown key.
    Source: Bennett (2026), arXiv:2605.05209, the table that the key names.
    """
    tables = {name: value["rows"] for name, value in _reported().items() if "rows" in value}
    if key not in tables:
        raise UserError(f"the paper has no table '{key}'; expected one of {', '.join(tables)}")
    return pd.DataFrame(tables[key])


def reported_value(key: str, column: str, **where: Any) -> float:
    """Return the printed number in `column` of the one row of table `key` that matches `where`.

    Raises UserError unless exactly one row matches.
    """
    frame = reported_table(key)
    for name, value in where.items():
        frame = frame[frame[name] == value]
    if len(frame) != 1 or column not in frame:
        raise UserError(f"{key}: {len(frame)} rows match {where}, column '{column}'; expected one")
    return float(frame[column].iloc[0])


def table_1() -> pd.DataFrame:
    """Return Table 1 of the paper, a row a size: accuracies and Δ in percent, traces."""
    return reported_table("table1_vanishing_advantage").set_index("n")


def reparameterisation_table() -> dict[str, Any]:
    """Return Table 6 of the paper: one network's measures under T_beta and T_gamma."""
    return dict(_reported()["table6_reparameterisation_n6000_net0"])


def stated_in_text() -> dict[str, float]:
    """Return the numbers that the paper's text states outside its tables."""
    return dict(_reported()["stated_in_text"])
