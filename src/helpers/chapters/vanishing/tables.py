"""The chapter's tables, a row a size; the paper's numbers stand before ours."""

from __future__ import annotations

import pandas as pd

from helpers.chapters.vanishing.analysis import NAMES
from helpers.experiments.row import cut_after
from helpers.experiments.vanishing import PROTOCOLS
from helpers.page.reported import table_1
from helpers.page.tables import Table, readable, show
from helpers.statistics import Estimate
from helpers.statistics.correlation import RESAMPLES


def protocols(dataset: str = "mnist") -> Table:
    """Show how the two regimes train at each n (protocol E.1)."""
    rows = [
        {
            "n": one.n,
            "rate, small": one.small_batch.learning_rate,
            "rate, large": one.large_batch.learning_rate,
            "batch, small": one.small_batch.batch_size,
            "batch, large": one.large_batch.batch_size,
            "epochs at most": one.max_epochs,
            "rate ×0.1 after": None
            if one.drop_at is None
            else cut_after(one.drop_at, one.max_epochs),
        }
        for one in PROTOCOLS
        if one.dataset == dataset
    ]
    formats = {"rate, small": "g", "rate, large": "g", "rate ×0.1 after": ".0f"}
    return show(pd.DataFrame(rows).set_index("n"), "How the two regimes train.", formats)


def accuracies(gaps: pd.DataFrame) -> Table:
    """Show Table 1, accuracies and Δ, from `analysis.advantages`."""
    paper = table_1()
    columns = {
        "paper, small": paper["small_batch_acc_percent"],
        "small": gaps["small"],
        "paper, large": paper["large_batch_acc_percent"],
        "large": gaps["large"],
        "paper Δ": paper["delta_pp"],
        "Δ": gaps["delta"],
        "Δ, unseen images": gaps["unseen"],
    }
    formats = dict.fromkeys(columns, "+.2f") | {"small": ".2f", "large": ".2f"}
    formats |= {"paper, small": ".1f", "paper, large": ".1f"}
    caption = "Table 1: mean test accuracies (%), and Δ in points with Welch's 95 % interval."
    return show(pd.DataFrame(columns).loc[gaps.index].rename_axis("n"), caption, formats)


def rerun(check: pd.DataFrame) -> Table:
    """Show networks trained again beside the published ones, from `rerun.compare`."""
    table = check.drop(columns="networks")
    for name in ("regime", "column"):
        table[name] = readable(list(table[name]))
    names = {"column": "mean of", "same_seed_difference": "by seed"}
    caption = "Your number is normal if it lies between low and high."
    return show(table.rename(columns=names).set_index("regime"), caption)


def correlations(rhos: pd.DataFrame) -> Table:
    """Show Table 2, from `analysis.correlations`."""
    names = {"rho": "ρ [95 %]", "p_holm": "p (Holm)"}
    table = rhos.reset_index().drop(columns="within").rename(columns=names)
    table["measure"] = table["measure"].map(NAMES)
    formats = {"n": ",d", "paper": "+.2f", "ρ [95 %]": "+.2f", "p (Holm)": ".4f"}
    least = len(table) / (RESAMPLES + 1)
    caption = (
        "Table 2, the paper's ρ and ours; p by permutation, corrected for all rows "
        f"({least:.4f} is the smallest there can be)."
    )
    return show(table.set_index("measure"), caption, formats)


def parts(splits: pd.DataFrame) -> Table:
    """Show the parts of ρ of the trace, from `analysis.splits`."""
    heads = ["ρ", "trace, regime", "accuracy, regime", "between", "partial ρ", "remainder"]
    table = splits.set_axis(heads, axis="columns")[[*heads[:4], "remainder", "partial ρ"]]
    caption = "ρ = between + remainder; between = (trace, regime) × (accuracy, regime)."
    return show(table, caption, dict.fromkeys(heads, "+.3f"))


def inside(found: dict[str, Estimate]) -> Table:
    """Show correlations inside the regimes, under their names."""
    table = pd.DataFrame({"ρ within [95 %]": found, "p": {name: e.p for name, e in found.items()}})
    caption = "Rank correlation with accuracy inside the regimes, averaged over regimes and sizes."
    return show(table.rename_axis("measure"), caption, {"ρ within [95 %]": "+.2f", "p": ".4f"})


def changes(table: pd.DataFrame) -> Table:
    """Show what changes from size to size, from `analysis.changes`."""
    heads = {
        "rate": "rate, large",
        "cut_large": "past the cut",
        "unfinished": "unfinished",
        "accuracy": "accuracy, regime",
        "trace": "trace, regime",
        "patterns": "layer 2, regime",
    }
    formats = dict.fromkeys(list(heads.values())[3:], "+.2f") | {"rate, large": "g"}
    caption = "Counts of 25 large-batch networks, and rank correlations with the regime."
    return show(table[list(heads)].rename(columns=heads), caption, formats)


def ceilings(roof: pd.DataFrame) -> Table:
    """Show noise ceilings, from `analysis.ceilings`."""
    heads = {
        "spread": "spread (points)",
        "noise": "of it noise (points)",
        "share": "noise share",
        "ceiling": "ceiling [95 %]",
        "within": "ceiling inside a regime",
        "binomial": "binomial bound",
    }
    formats = dict.fromkeys(heads.values(), ".2f") | {"noise share": ".0%"}
    formats |= {heads["spread"]: ".3f", heads["noise"]: ".3f"}
    return show(roof.rename(columns=heads), "Noise ceilings.", formats)


def clothes(gaps: pd.DataFrame) -> Table:
    """Show the advantage on Fashion-MNIST, from `analysis.advantages`."""
    heads = {
        "small": "small",
        "large": "large",
        "delta": "Δ [95 %]",
        "medians": "Δ of medians",
        "below_half": "under 50 %, large",
        "unfinished_small": "unfinished, small",
        "unfinished_large": "unfinished, large",
    }
    formats = {"small": ".2f", "large": ".2f", "Δ [95 %]": "+.2f", "Δ of medians": "+.2f"}
    caption = (
        "Fashion-MNIST: mean accuracies (%), Δ in points, and how many of 25 are right on less "
        "than half of the test or had not memorised their images."
    )
    return show(gaps[list(heads)].rename(columns=heads), caption, formats)
