"""Show the whole ledger: a table on the landing page, a list on the terminal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape

import pandas as pd
from rich.console import Console
from rich.table import Table

from helpers.claims.box import verdict_chip
from helpers.claims.predictions import show_predictions
from helpers.claims.stacked import StackedTable
from helpers.claims.types import Load, Verdict
from helpers.ledger.registry import ledger, predictions
from helpers.page.tables import true_minus

_LEDGER = StackedTable(
    label="The claim ledger",
    caption="Every claim, its printed value, our measurement and the verdict.",
    columns=("Claim of the paper", "Paper", "Measured here", "Verdict"),
)


def _typeset(text: str) -> str:
    return escape(true_minus(text))


@dataclass(frozen=True)
class LedgerView:
    """The whole ledger, shown as an accessible HTML table."""

    frame: pd.DataFrame

    def _repr_html_(self) -> str:
        return _LEDGER.html(self._row(row) for _, row in self.frame.iterrows())

    @staticmethod
    def _row(row: pd.Series) -> tuple[str, tuple[str, ...]]:
        page = escape(str(row["chapter"]))
        source = f'{escape(row["where"])} · <a href="{page}.html">chapter</a>'
        head = f'{escape(row["claim"])}<span class="claim-source">{source}</span>'
        verdict = verdict_chip(Verdict(row["verdict"]))
        return head, (_typeset(row["reported"]), _typeset(row["measured"]), verdict)

    def __repr__(self) -> str:
        return self.frame[["id", "reported", "measured", "verdict"]].to_string(index=False)


def show_ledger(load: Load) -> LedgerView:
    """Return the whole ledger ready to be shown on a page."""
    return LedgerView(ledger(load))


def print_ledger(load: Load, console: Console | None = None) -> None:
    """Print the whole ledger on the terminal."""
    table = Table("claim", "where", "paper", "measured", "verdict", show_lines=True)
    for _, row in ledger(load).iterrows():
        columns = ("claim", "where", "reported", "measured", "verdict")
        table.add_row(*(str(row[column]) for column in columns))
    (console or Console()).print(table)


def print_predictions(load: Load, console: Console | None = None) -> None:
    """Print our own predictions and their outcomes on the terminal."""
    table = Table("prediction", "measured", "outcome", show_lines=True)
    for name, row in show_predictions(predictions(), load).frame.iterrows():
        table.add_row(f"{name}. {row['prediction']}", row["measured"], row["outcome"])
    (console or Console()).print(table)


def ledger_json(load: Load) -> str:
    """Return the ledger and our predictions as JSON: {"claims": […], "predictions": […]}."""
    claims = ledger(load).astype(object)
    ours = show_predictions(predictions(), load).frame.reset_index()
    found = {
        "claims": claims.where(claims.notna(), None).to_dict("records"),
        "predictions": ours.rename(columns={"prediction": "statement"}).to_dict("records"),
    }
    return json.dumps(found, indent=1, ensure_ascii=False)
