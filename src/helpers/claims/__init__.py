"""The claim ledger: what the paper says, what we measure, and what that makes of it.

A claim names the tables it is read from and the rule that turns numbers into a verdict word, both
written before the run. Nobody types a verdict: `read_claim` computes it.
"""

from helpers.claims.ledger import LEDGER, claim, ledger, read_claim
from helpers.claims.render import box, print_ledger, show_ledger
from helpers.claims.types import Claim, Reading, Verdict

__all__ = [
    "LEDGER",
    "Claim",
    "Reading",
    "Verdict",
    "box",
    "claim",
    "ledger",
    "print_ledger",
    "read_claim",
    "show_ledger",
]
