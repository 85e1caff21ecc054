"""Tables keep every value, escape what they are given and read well without sight."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.page import tables


class Cells(HTMLParser):
    """Collect (tag, attributes, text) of every cell, as a browser would read them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self._open: tuple[str, dict[str, str | None], list[str]] | None = None

    def handle_starttag(self, tag, attrs):
        if tag in {"th", "td", "caption"}:
            self._open = (tag, dict(attrs), [])

    def handle_data(self, data):
        if self._open:
            self._open[2].append(data)

    def handle_endtag(self, tag):
        if self._open and tag == self._open[0]:
            self.found.append((tag, self._open[1], "".join(self._open[2])))
            self._open = None


def cells(table: tables.Table) -> list[tuple[str, dict[str, str | None], str]]:
    reader = Cells()
    reader.feed(table._repr_html_())
    return reader.found


@given(st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc"))), min_size=1, max_size=5))
def test_any_text_survives_the_trip_through_html(texts):
    read = cells(tables.show(pd.DataFrame({"text": texts}), "Any <caption> & more"))
    assert [text for tag, _, text in read if tag == "td"] == texts
    assert read[0][2] == "Any <caption> & more"


def test_numbers_are_formatted_and_aligned_and_missing_is_a_dash():
    frame = pd.DataFrame({"rho": [-0.25, np.nan], "seed": [12345, 7], "ok": [True, False]})
    table = tables.show(frame, "c", formats={"rho": ".2f"})
    assert table.rows == (("−0.25", "12,345", "yes"), ("–", "7", "no"))
    assert table.align == ("right", "right", "left")


def test_every_header_has_a_scope_and_a_text():
    frame = pd.DataFrame({"a": [1.0]}, index=pd.Index(["net 0"], name="network"))
    headers = [
        (attrs["scope"], text) for tag, attrs, text in cells(tables.show(frame, "c")) if tag == "th"
    ]
    assert headers == [("col", "network"), ("col", "a"), ("row", "net 0")]


def test_plain_text_carries_caption_and_values():
    text = repr(tables.show(pd.DataFrame({"a": [1.5]}), "The caption"))
    assert "The caption" in text
    assert "1.5" in text


@pytest.mark.parametrize(
    ("frame", "keywords"),
    [
        (pd.DataFrame({"a": [1]}, index=["x"]), {}),
        (pd.DataFrame({"": [1]}), {}),
        (pd.DataFrame({("a", "b"): [1]}), {}),
        (pd.DataFrame({"a": [1]}), {"formats": {"b": ".2f"}}),
        (pd.DataFrame({"a": [1]}), {"align": {"b": "left"}}),
    ],
)
def test_a_table_that_could_not_be_read_is_refused(frame, keywords):
    with pytest.raises(ValueError, match=r"index|columns|no such column"):
        tables.show(frame, "c", **keywords)
