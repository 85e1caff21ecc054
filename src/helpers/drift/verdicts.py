"""Read the ledger of claims from the re-run, and say which verdicts are other ones."""

from __future__ import annotations

import itertools
from pathlib import Path

import pandas as pd

from helpers.errors import MissingTableError, UserError
from helpers.ledger import claims_by_chapter
from helpers.sweeps import results


def changed_verdicts(names: set[str], against: Path, published: Path | None = None) -> list[str]:
    """List the claims whose verdict changes when the tables `names` are the re-run's.

    Other tables are the published ones. A claim that cannot be read from the re-run, since a column
    is missing, is listed too.
    """
    lines = []
    for claim in itertools.chain.from_iterable(claims_by_chapter().values()):
        if not names & set(claim.tables):
            continue
        try:
            before = claim.read(lambda name: results.read(name, published).frame)
            after = claim.read(lambda name: _frame(name, names, against, published))
        except (UserError, KeyError, ValueError, IndexError) as error:
            lines.append(f"`{claim.id}` cannot be read from the re-run ({str(error)[:80]})")
            continue
        if before.verdict != after.verdict:
            lines.append(
                f"`{claim.id}`: {before.verdict} ({before.text}) → {after.verdict} ({after.text})"
            )
    return lines


def _frame(name: str, names: set[str], against: Path, published: Path | None) -> pd.DataFrame:
    if name in names:
        try:
            return results.read(name, against).frame
        except MissingTableError:
            pass
    return results.read(name, published).frame
