"""Show on a page the very code that runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Source:
    """The source text of a function or class, shown as highlighted Python."""

    text: str

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.text}```\n"

    def __repr__(self) -> str:
        return self.text


def show_source(thing: Callable[..., Any] | type) -> Source:
    """Return the source of a function or class of this project, ready to be shown."""
    return Source(inspect.getsource(thing))
