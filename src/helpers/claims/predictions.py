"""Our own predictions, written down before the run, and what the tables made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from html import escape

import pandas as pd
from rich.console import Console
from rich.table import Table

from helpers.claims.stacked import StackedTable, chip
from helpers.claims.types import Load
from helpers.scales import at_sizes, by_size


class Outcome(StrEnum):
    """What became of a prediction: one failure at any size fails it, whatever is missing."""

    HELD = "held"
    FAILED = "failed"
    SO_FAR = "held so far"
    OPEN = "not measured yet"


CSS_CLASS = {
    Outcome.HELD: "replicates",
    Outcome.FAILED: "fails",
    Outcome.SO_FAR: "open",
    Outcome.OPEN: "open",
}


@dataclass(frozen=True)
class Judged:
    """One prediction at one size: what was measured, in words, and whether it came as predicted."""

    text: str
    held: bool


@dataclass(frozen=True)
class Prediction:
    """One prediction in one sentence, the sizes it speaks of, and the rule that judges it."""

    id: str
    statement: str
    sizes: tuple[int, ...]
    judge: Callable[[Load, int], Judged]


@dataclass(frozen=True)
class Report:
    """A prediction, its outcome, and what was measured, one clause a size."""

    prediction: Prediction
    measured: str
    outcome: Outcome


def judge(prediction: Prediction, load: Load) -> Report:
    """Judge one prediction at every size that has its tables."""
    found, missing = by_size(prediction.sizes, partial(prediction.judge, load))
    if not found:
        return Report(prediction, "–", Outcome.OPEN)
    outcome = Outcome.SO_FAR if missing else Outcome.HELD
    if not all(one.held for one in found.values()):
        outcome = Outcome.FAILED
    texts = {n: one.text for n, one in found.items()}
    return Report(prediction, at_sizes(texts, missing), outcome)


_TABLE = StackedTable(
    label="Predictions and outcomes",
    caption="What was predicted before the run, and what came of it.",
    columns=("Prediction", "Measured here", "Outcome"),
    kind="predictions",
)


@dataclass(frozen=True)
class PredictionsView:
    """Predictions and their outcomes, shown as an accessible HTML table that stacks on a phone."""

    reports: tuple[Report, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """Return the reports as a frame, a row a prediction."""
        rows = [
            {
                "id": one.prediction.id,
                "prediction": one.prediction.statement,
                "measured": one.measured,
                "outcome": str(one.outcome),
            }
            for one in self.reports
        ]
        return pd.DataFrame(rows).set_index("id")

    @property
    def score(self) -> str:
        """Count the outcomes in words: '4 held, 2 failed'."""
        counts = Counter(one.outcome for one in self.reports)
        return ", ".join(f"{counts[name]} {name}" for name in Outcome if counts[name])

    @property
    def failed(self) -> str:
        """Name the predictions that failed, or say none."""
        names = [r.prediction.id for r in self.reports if r.outcome is Outcome.FAILED]
        return ", ".join(names) or "none"

    def _repr_html_(self) -> str:
        return _TABLE.html(self._row(one) for one in self.reports)

    @staticmethod
    def _row(one: Report) -> tuple[str, tuple[str, ...]]:
        head = f"<strong>{one.prediction.id}.</strong> {escape(one.prediction.statement)}"
        return head, (escape(one.measured), chip(one.outcome, CSS_CLASS[one.outcome]))

    def __repr__(self) -> str:
        return self.frame[["measured", "outcome"]].to_string()


def show_predictions(predictions: Sequence[Prediction], load: Load) -> PredictionsView:
    """Judge predictions and return them ready to be shown."""
    return PredictionsView(tuple(judge(one, load) for one in predictions))


def print_predictions(view: PredictionsView, console: Console | None = None) -> None:
    """Print predictions and their outcomes on the terminal."""
    table = Table("prediction", "measured", "outcome", show_lines=True)
    for one in view.reports:
        head = f"{one.prediction.id}. {one.prediction.statement}"
        table.add_row(head, one.measured, str(one.outcome))
    (console or Console()).print(table)
