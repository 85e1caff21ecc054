"""The running example of the chapters on the weakest policy: an umbrella and two explanations."""

from __future__ import annotations

from helpers.theory.exchangeable import Family, families
from helpers.theory.languages import Vocabulary
from helpers.theory.tasks import Task


def umbrella() -> Task:
    """Return the lesson "umbrella on a rainy Monday, none on a sunny Tuesday".

    Four kinds of day, five words. A policy says on which days to take the umbrella; {rain} and
    {monday} are both correct. The word "wind", true of rainy Tuesdays alone, makes {rain} weaker.
    """
    words = Vocabulary.from_sets(
        ["rainy Monday", "rainy Tuesday", "sunny Monday", "sunny Tuesday"],
        {
            "rain": ["rainy Monday", "rainy Tuesday"],
            "sun": ["sunny Monday", "sunny Tuesday"],
            "monday": ["rainy Monday", "sunny Monday"],
            "tuesday": ["rainy Tuesday", "sunny Tuesday"],
            "wind": ["rainy Tuesday"],
        },
    )
    taken = words.statement("rain", "monday")
    return Task(words, frozenset({taken, words.statement("sun", "tuesday")}), frozenset({taken}))


def umbrella_family() -> Family:
    """Return the correct policies of that lesson and their buffers."""
    task = umbrella()
    rain = task.vocabulary.statement("rain")
    monday = task.vocabulary.statement("monday")
    found = [
        f
        for f in families(task.vocabulary)
        if {rain, monday} <= set(f.policies) and f.unseen == 11  # 13 statements, 2 of them seen
    ]
    return found[0]
