"""Show claims: a box on a chapter's page, a table on the landing page, a list on the terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

import pandas as pd
from rich.console import Console
from rich.table import Table

from helpers.claims.ledger import claim, ledger, read_claim
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
    return f'<span class="verdict verdict-{CSS_CLASS[verdict]}">{escape(verdict)}</span>'


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


_LEDGER_COLUMNS = ("Paper", "Measured here", "Verdict")


@dataclass(frozen=True)
class LedgerView:
    """The whole ledger, shown as an accessible HTML table."""

    frame: pd.DataFrame

    def _repr_html_(self) -> str:
        head = ("Claim of the paper", *_LEDGER_COLUMNS)
        cells = "".join(f'<th role="columnheader" scope="col">{escape(name)}</th>' for name in head)
        body = "".join(self._row(row) for _, row in self.frame.iterrows())
        # A narrow screen stacks the cells; the roles keep it a table for those who listen to it.
        return (
            '<div class="table-wrapper ledger" tabindex="0" role="region" '
            'aria-label="The claim ledger"><table class="table" role="table">'
            "<caption>Every claim, its printed value, our measurement and the verdict.</caption>"
            f'<thead role="rowgroup"><tr role="row">{cells}</tr></thead>'
            f'<tbody role="rowgroup">{body}</tbody></table></div>'
        )

    @staticmethod
    def _row(row: pd.Series) -> str:
        page = escape(str(row["chapter"]))
        number = page.split("-", 1)[0].lstrip("0")
        source = f'{escape(row["where"])} · <a href="{page}.html">chapter {number}</a>'
        values = (
            _typeset(row["reported"]),
            _typeset(row["measured"]),
            verdict_chip(Verdict(row["verdict"])),
        )
        cells = "".join(
            f'<td role="cell" data-label="{name}">{value}</td>'
            for name, value in zip(_LEDGER_COLUMNS, values, strict=True)
        )
        return (
            f'<tr role="row"><th role="rowheader" scope="row">{escape(row["claim"])}'
            f'<span class="claim-source">{source}</span></th>{cells}</tr>'
        )

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
