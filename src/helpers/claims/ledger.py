"""All claims in the order of the book, and how to read them."""

from __future__ import annotations

import pandas as pd

from helpers.claims import puzzle, theory, trials
from helpers.claims.types import Claim, Load, Reading, Verdict
from helpers.errors import MissingTableError, UserError

LEDGER: tuple[Claim, ...] = (*puzzle.CLAIMS, *theory.CLAIMS, *trials.CLAIMS)


def claim(claim_id: str) -> Claim:
    """Return the claim called `claim_id`. Raises UserError when there is none."""
    for entry in LEDGER:
        if entry.id == claim_id:
            return entry
    known = ", ".join(entry.id for entry in LEDGER)
    raise UserError(f"no claim '{claim_id}' in the ledger; expected one of {known}")


def read_claim(claim_id: str, load: Load) -> Reading:
    """Read one claim from the tables that `load` gives.

    A table that has not been computed yet makes the verdict 'not measured yet'; a table that is
    there but damaged raises UserError, as it should.
    """
    try:
        return claim(claim_id).read(load)
    except MissingTableError:
        return Reading(measured="–", verdict=Verdict.OPEN)


def ledger(load: Load) -> pd.DataFrame:
    """Return the whole ledger, one row a claim."""
    rows = []
    for entry in LEDGER:
        reading = read_claim(entry.id, load)
        rows.append(
            {
                "id": entry.id,
                "chapter": entry.chapter,
                "claim": entry.statement,
                "where": entry.where,
                "reported": entry.reported,
                "measured": reading.measured,
                "value": reading.value,
                "low": reading.low,
                "high": reading.high,
                "verdict": str(reading.verdict),
                "rule": entry.rule,
                "tables": " ".join(entry.tables),
            }
        )
    return pd.DataFrame(rows)
