"""The tables of this chapter."""

from __future__ import annotations

import pandas as pd

from helpers.page.tables import Table, show

SIGNS = {1: "+", -1: "−", 0: "near 0"}


def table_of_means(means: pd.DataFrame) -> Table:
    """Show what `mean_bounds` found."""
    formats = {"KL": ",.0f"} | dict.fromkeys(means.columns[2:], ".3f")
    return show(means, "Bounds and errors, means over networks.", formats)


def table_of_correlations(found: pd.DataFrame) -> Table:
    """Show what `bound_correlations` found, the predicted sign beside the estimate."""
    shown = found.assign(
        expected=found["expected"].map(SIGNS), p=[rho.p for rho in found["rho"]]
    ).rename(columns={"expected": "predicted", "rho": "ρ [95 %]"})
    caption = "Spearman's ρ with 95 % intervals, and the sign that was predicted."
    return show(shown, caption, {"ρ [95 %]": "+.2f", "p": ".4f"})


def table_of_own_error(ranks: pd.DataFrame) -> Table:
    """Show what `ranks_of_own_error` found."""
    caption = "Spearman's ρ with the test error of Q, 95 % intervals."
    return show(ranks, caption, dict.fromkeys(ranks.columns, "+.2f"))


def table_of_moves(looks: pd.DataFrame) -> Table:
    """Show what moves when parameters change and the function does not: a row a network."""
    formats = {"unseen-only regions": ".0f", "Hessian trace": ".1f", "KL (nats)": ",.0f"}
    return show(looks.rename_axis("parameters"), "What moves.", formats)
