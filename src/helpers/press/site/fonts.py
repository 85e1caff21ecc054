"""Subset fonts: a page need not load glyphs that the book never shows."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable
from pathlib import Path

from fontTools import subset

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it would list every table it prunes


def subset_font(font: Path, characters: Iterable[str]) -> bytes:
    """Return a font as WOFF2 with the glyphs of `characters` alone; metrics and kerning stay."""
    options = subset.Options(flavor="woff2", layout_features=["*"], hinting=False)
    loaded = subset.load_font(str(font), options)
    worker = subset.Subsetter(options)
    worker.populate(unicodes=[ord(one) for one in set(characters)])
    worker.subset(loaded)
    loaded.flavor = "woff2"
    target = io.BytesIO()
    loaded.save(target)
    return target.getvalue()
