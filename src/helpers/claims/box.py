"""A claim and its reading as a boxed block on a page."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from helpers.claims.stacked import chip
from helpers.claims.types import Claim, Reading, Verdict
from helpers.page.tables import true_minus

CSS_CLASS = {
    Verdict.REPLICATES: "replicates",
    Verdict.PARTLY: "partly",
    Verdict.FAILS: "fails",
    Verdict.OPEN: "open",
    Verdict.PROVED: "proved",
    Verdict.REPAIRED: "repaired",
    Verdict.CONDITIONAL: "conditional",
    Verdict.REFUTED: "refuted",
}


def verdict_chip(verdict: Verdict) -> str:
    """Return the verdict as a small HTML label."""
    return chip(verdict, CSS_CLASS[verdict])


def measured_html(reading: Reading) -> str:
    """Return what was measured as HTML, a label and its value at a time."""
    parts = (escape(true_minus(str(each))) for each in reading.measured)
    return "; ".join(f'<span class="measured">{part}</span>' for part in parts) or "–"


@dataclass(frozen=True)
class Box:
    """A claim and its reading, shown as a boxed block on a page and as plain text elsewhere."""

    claim: Claim
    reading: Reading

    def _repr_html_(self) -> str:
        rows = (
            ("The paper", escape(true_minus(self.claim.reported))),
            ("Measured here", measured_html(self.reading)),
            ("How it is judged", escape(true_minus(self.claim.rule))),
        )
        facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
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
            f"  measured: {self.reading.text}\n  verdict: {self.reading.verdict}"
        )
