"""A table of findings for a page: a row each, its cells stacked on a narrow screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class StackedTable:
    """The words around the rows; `columns` names the head's column first.

    `label` is what those who listen to the page hear of the table, `kind` its extra class.
    """

    label: str
    caption: str
    columns: tuple[str, ...]
    kind: str = ""

    def html(self, rows: Iterable[tuple[str, Sequence[str]]]) -> str:
        """Return the table; a row is its head and the cells after it, as HTML."""
        heads = "".join(
            f'<th role="columnheader" scope="col">{escape(name)}</th>' for name in self.columns
        )
        body = "".join(self._row(head, cells) for head, cells in rows)
        classes = f"table-wrapper ledger {self.kind}".rstrip()
        # A narrow screen stacks the cells; the roles keep it a table for those who listen to it.
        return (
            f'<div class="{classes}" tabindex="0" role="region" aria-label="{escape(self.label)}">'
            f'<table class="table" role="table"><caption>{escape(self.caption)}</caption>'
            f'<thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
            f'<tbody role="rowgroup">{body}</tbody></table></div>'
        )

    def _row(self, head: str, cells: Sequence[str]) -> str:
        shown = "".join(
            f'<td role="cell" data-label="{escape(name)}">{cell}</td>'
            for name, cell in zip(self.columns[1:], cells, strict=True)
        )
        return f'<tr role="row"><th role="rowheader" scope="row">{head}</th>{shown}</tr>'


def chip(word: str, css_class: str) -> str:
    """Return a verdict or an outcome as a small HTML label."""
    return f'<span class="verdict verdict-{css_class}">{escape(word)}</span>'
