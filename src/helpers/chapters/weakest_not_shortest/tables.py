"""The tables of this chapter."""

from __future__ import annotations

import pandas as pd

from helpers.experiments.arithmetic import WORDS
from helpers.page.tables import Table, show


def table_of_ratios(ratios: pd.DataFrame) -> Table:
    """Show what `generalisation_ratios` found."""
    return show(
        ratios.replace(dict(WORDS)).set_index("vocabulary"),
        "Rates of generalising: means over operations, bits and rows seen.",
        {"weakest": ".3f", "shortest": ".3f", "ratio": ".2f"},
    )
