"""Hand numbers from the run to the text of a chapter, and hold the text's sentences to them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from executing import Source
from myst_nb import glue

from helpers.page.tables import true_minus
from helpers.profiles import choose_profile
from helpers.statistics import Estimate


def put(values: Mapping[str, Any] | None = None, /, **named: Any) -> None:
    """Make each value available to the text as {glue:text}`its-name`, underscores as hyphens.

    A number is formatted where it is used ({glue:text}`name:.2f`); an estimate arrives with its
    interval, '+0.25 [−0.01, +0.51]', and text as it is: f"{estimate:+.3f}" chooses other digits.
    """
    for name, value in {**(values or {}), **named}.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if isinstance(plain, Estimate):
            plain = format(plain)
        if isinstance(plain, str):
            plain = true_minus(str(plain))
        glue(name.replace("_", "-"), plain, display=False)


class UntrueSentenceError(AssertionError):
    """A sentence of the text that the run does not bear out."""


def holds(sentence: str, *facts: bool, profile: str) -> None:
    """Stop the build unless every fact is true on which a sentence of the text rests.

    `sentence` is quoted from the text, word for word; a test finds it there. On the profile smoke,
    whose numbers are those of tiny copies, a false fact is a notice instead.

    Raises UntrueSentenceError with the sentence and the first fact that is false, and ValueError
    for a sentence without facts.
    """
    if not facts:
        raise ValueError(f"no fact is given for the sentence “{sentence}”")
    false = [place for place, fact in enumerate(facts) if not fact]
    if not false:
        return
    message = f"not true in this run: “{sentence}” since it is false that {_spelled(false[0])}"
    if choose_profile(profile) != "smoke":
        raise UntrueSentenceError(message)
    print(f"notice (smoke): {message}")


def _spelled(place: int) -> str:
    """Return the source of a fact in the call of `holds` that is running, or its number."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("helpers."):
        frame = frame.f_back
    node = Source.executing(frame).node
    arguments = getattr(node, "args", [])
    if len(arguments) <= place + 1 or any(isinstance(one, ast.Starred) for one in arguments):
        return f"fact {place + 1} holds"
    return ast.unparse(arguments[place + 1])
