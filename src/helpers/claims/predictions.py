"""Our own predictions, written down before the run, and what the tables made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape

import pandas as pd

from helpers.claims.stacked import StackedTable, chip
from helpers.claims.types import Load, Measured
from helpers.errors import UserError


class TooFewError(UserError):
    """Too few networks are left to judge a prediction by."""


class Outcome(StrEnum):
    """What became of a prediction: one failure at any size fails it."""

    HELD = "held"
    FAILED = "failed"
    OPEN = "too few networks to judge"


CSS_CLASS = {
    Outcome.HELD: "replicates",
    Outcome.FAILED: "fails",
    Outcome.OPEN: "open",
}


@dataclass(frozen=True)
class Judged:
    """One prediction at one size: what was measured, and whether it came as predicted."""

    measured: tuple[Measured, ...]
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
    """A prediction, what was measured at each size, and its outcome."""

    prediction: Prediction
    found: Mapping[int, Judged]
    outcome: Outcome

    @property
    def measured(self) -> str:
        """Return what was measured on one line."""
        parts = (f"n = {n:,}: " + ", ".join(map(str, j.measured)) for n, j in self.found.items())
        return "; ".join(parts) or "–"


def judge(prediction: Prediction, load: Load) -> Report:
    """Judge one prediction at every size it speaks of."""
    try:
        found = {n: prediction.judge(load, n) for n in prediction.sizes}
    except TooFewError:
        return Report(prediction, {}, Outcome.OPEN)
    outcome = Outcome.HELD if all(one.held for one in found.values()) else Outcome.FAILED
    return Report(prediction, found, outcome)


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
    def failed(self) -> tuple[str, ...]:
        """Name the predictions that failed."""
        return tuple(r.prediction.id for r in self.reports if r.outcome is Outcome.FAILED)

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
