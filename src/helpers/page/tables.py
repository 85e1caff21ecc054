"""Tables that a screen reader can read and a reader can compare: real headers, aligned numerals."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

MISSING = "–"
Format = str | Callable[[object], str]
_WORDS = {
    "hessian_trace": "Hessian trace",
    "hutchinson_trace": "Hutchinson's estimate",
    "weight_l1_norm": "weight norm (L1)",
    "weight_l2_norm": "weight norm (L2)",
    "l1_patterns": "layer-1 patterns",
    "l2_patterns": "layer-2 patterns",
    "unseen_only_regions": "unseen-only regions",
}


def word(name: str) -> str:
    """Return the name of a column as words."""
    return _WORDS.get(name, name.replace("_", " "))


def true_minus(text: str) -> str:
    """Return a text with true minus signs before its numbers."""
    return re.sub(r"(?<![\w.)\]])-(?=[\d.])", "−", text)


def listed(sizes: Iterable[int]) -> str:
    """Return numbers as a list, '500, 2,000 and 6,000'."""
    *first, last = (f"{n:,}" for n in sizes)
    return f"{', '.join(first)} and {last}" if first else last


def readable(names: Sequence[str]) -> list[str]:
    """Return the names of columns as words."""
    return [word(name) for name in names]


@dataclass(frozen=True)
class Table:
    """Hold a table ready to show: text cells, one alignment per column, a caption."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: tuple[str, ...]
    row_headers: bool

    def _repr_html_(self) -> str:
        heads = "".join(
            f'<th scope="col" class="align-{side}">{html.escape(name)}</th>'
            for name, side in zip(self.columns, self.align, strict=True)
        )
        body = "".join(f"<tr>{self._html_row(row)}</tr>" for row in self.rows)
        caption = html.escape(self.caption)
        # The wrapper scrolls on a phone, so it takes the keyboard's focus and needs a name.
        return (
            f'<div class="table-scroll" role="region" tabindex="0" aria-label="{caption}">'
            f'<table class="data"><caption>{caption}</caption>'
            f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def _html_row(self, row: tuple[str, ...]) -> str:
        cells = []
        for position, (text, side) in enumerate(zip(row, self.align, strict=True)):
            is_header = self.row_headers and position == 0
            tag, scope = ("th", ' scope="row"') if is_header else ("td", "")
            cells.append(f'<{tag}{scope} class="align-{side}">{html.escape(text)}</{tag}>')
        return "".join(cells)

    def __repr__(self) -> str:
        frame = pd.DataFrame(list(self.rows), columns=list(self.columns))
        return f"{self.caption}\n{frame.to_string(index=False)}"


def show(
    frame: pd.DataFrame,
    caption: str,
    formats: Mapping[str, Format] | None = None,
    align: Mapping[str, str] | None = None,
) -> Table:
    """Make an accessible table of `frame` for a notebook or a page.

    A named index becomes a first column of row headers; a plain 0, 1, 2 … index is left out.
    formats: per column a format specification (".2f") or a function of the value; without one,
    floats take four significant digits. align: per column "left", "right" or "center"; numbers
    go right by default. Missing values show as a dash.
    Raises ValueError for an unnamed index or column, for stacked columns, or for a column named in
    formats or align that the frame does not have.
    """
    formats, align = dict(formats or {}), dict(align or {})
    row_headers = not (isinstance(frame.index, pd.RangeIndex) and frame.index.name is None)
    if row_headers and any(name is None for name in frame.index.names):
        raise ValueError("the index has no name; name it (it becomes the row header) or reset it")
    if frame.columns.nlevels > 1 or any(str(name).strip() == "" for name in frame.columns):
        raise ValueError("columns must be one level of non-empty names, so that each has a header")
    flat = frame.reset_index() if row_headers else frame
    names = [str(name) for name in flat.columns]
    unknown = sorted((set(formats) | set(align)) - set(names))
    if unknown:
        raise ValueError(f"no such column: {', '.join(unknown)}; the table has {', '.join(names)}")
    texts, sides = [], []
    for position, name in enumerate(names):
        column = flat.iloc[:, position]
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        texts.append([_text(value, formats.get(name)) for value in column])
        sides.append(align.get(name, "right" if numeric else "left"))
    rows = tuple(zip(*texts, strict=True)) if names else ()
    return Table(caption, tuple(names), rows, tuple(sides), row_headers)


def _text(value: object, how: Format | None) -> str:
    if value is None or value is pd.NA or value != value:  # NaN and NaT differ from themselves
        return MISSING
    if callable(how):
        return how(value)
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, float, np.integer, np.floating)):
        integral = isinstance(value, (int, np.integer))
        text = format(value, how if how is not None else ("," if integral else ".4g"))
        return text.replace("-", "−") if "e" not in text else text
    return format(value, how) if how is not None else str(value)
