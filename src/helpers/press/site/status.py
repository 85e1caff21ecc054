"""The table of chapters on the status page, filled in when the site is built.

A notebook could not show it: it would run before the last chapters have ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from helpers.page import tables
from helpers.press.site.pages import read_provenance

COLUMNS = (
    "chapter",
    "profile",
    "device",
    "run time (s)",
    "memory (MB)",
    "last run",
    "in this build",
)


def chapter_rows(provenance: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row per chapter, in reading order, from what the builder wrote of its runs."""
    rows = [
        (
            name.replace("-", " "),  # so that long names can wrap
            *(cost.get(key, provenance.get(key)) for key in ("profile", "device")),
            *(cost.get(key) for key in ("seconds", "peak_mb")),
            str(cost.get("date", ""))[:10],
            "kept" if cost.get("reused") else "run",
        )
        for name, cost in provenance.get("chapters", {}).items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


class ChapterStatus(SphinxDirective):
    """Show when, where and how each chapter was last run: ```{chapter-status}```."""

    def run(self) -> list[nodes.Node]:
        """Return the table, or a sentence where no build has run the chapters."""
        provenance = read_provenance(self.env.srcdir)
        frame = chapter_rows(provenance)
        if frame.empty:
            return [nodes.paragraph(text="No build has run the chapters yet.")]
        made = f"{str(provenance.get('date', ''))[:10]}, commit {provenance.get('commit', '–')}"
        shown = tables.show(
            frame.set_index("chapter"),
            caption=f"Every chapter in the build of {made}.",
            formats={"run time (s)": ",.1f", "memory (MB)": ",.0f"},
        )
        return [nodes.raw("", shown._repr_html_(), format="html")]
