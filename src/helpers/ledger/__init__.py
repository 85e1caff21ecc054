"""The ledger: the claims of all chapters, found when asked for, read and shown."""

from helpers.ledger.registry import claims_by_chapter, find, ledger, predictions
from helpers.ledger.render import ledger_json, print_ledger, print_predictions, show_ledger

__all__ = [
    "claims_by_chapter",
    "find",
    "ledger",
    "ledger_json",
    "predictions",
    "print_ledger",
    "print_predictions",
    "show_ledger",
]
