"""Show claims: a box on a chapter's page, a table on the landing page, a list on the terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

import pandas as pd
from rich.console import Console
from rich.table import Table

from helpers.claims.ledger import claim, ledger, read_claim
from helpers.claims.stacked import StackedTable, chip
from helpers.claims.types import Claim, Load, Reading, Verdict

CSS_CLASS = {
    Verdict.REPLICATES: "replicates",
    Verdict.PARTLY: "partly",
    Verdict.FAILS: "fails",
    Verdict.OPEN: "open",
    Verdict.UNFINISHED: "open",
    Verdict.PROVED: "proved",
    Verdict.REPAIRED: "repaired",
    Verdict.CONDITIONAL: "conditional",
    Verdict.REFUTED: "refuted",
}


def _typeset(text: str) -> str:
    """Escape text for HTML, with true minus signs before numbers."""
    return escape(re.sub(r"(?<![\w.])-(?=[\d.])", "−", text))


def verdict_chip(verdict: Verdict) -> str:
    """Return the verdict as a small HTML label."""
    return chip(verdict, CSS_CLASS[verdict])


@dataclass(frozen=True)
class Box:
    """A claim and its reading, shown as a boxed block on a page and as plain text elsewhere."""

    claim: Claim
    reading: Reading

    def _repr_html_(self) -> str:
        rows = (
            ("The paper", self.claim.reported),
            ("Measured here", self.reading.measured),
            ("How it is judged", self.claim.rule),
        )
        facts = "".join(f"<dt>{escape(name)}</dt><dd>{_typeset(text)}</dd>" for name, text in rows)
        return (
            '<div class="admonition claim"><p class="admonition-title">The claim '
            f'<span class="claim-where">{escape(self.claim.where)}</span></p>'
            f"<blockquote><p>{escape(self.claim.statement)}</p></blockquote>"
            f"<dl>{facts}</dl>"
            f'<p class="claim-verdict">Our verdict: {verdict_chip(self.reading.verdict)}</p></div>'
        )

    def __repr__(self) -> str:
        return (
            f"{self.claim.statement} [{self.claim.where}]\n  paper: {self.claim.reported}\n"
            f"  measured: {self.reading.measured}\n  verdict: {self.reading.verdict}"
        )


def box(claim_id: str, load: Load) -> Box:
    """Read a claim and return it ready to be shown."""
    return Box(claim(claim_id), read_claim(claim_id, load))


_LEDGER = StackedTable(
    label="The claim ledger",
    caption="Every claim, its printed value, our measurement and the verdict.",
    columns=("Claim of the paper", "Paper", "Measured here", "Verdict"),
)


@dataclass(frozen=True)
class LedgerView:
    """The whole ledger, shown as an accessible HTML table."""

    frame: pd.DataFrame

    def _repr_html_(self) -> str:
        return _LEDGER.html(self._row(row) for _, row in self.frame.iterrows())

    @staticmethod
    def _row(row: pd.Series) -> tuple[str, tuple[str, ...]]:
        page = escape(str(row["chapter"]))
        number = page.split("-", 1)[0].lstrip("0")
        source = f'{escape(row["where"])} · <a href="{page}.html">chapter {number}</a>'
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
