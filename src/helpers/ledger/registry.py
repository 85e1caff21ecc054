"""Find the claims of all chapters, in the order of the book, when they are asked for."""

from __future__ import annotations

import importlib
import importlib.util

import pandas as pd

from helpers.claims.predictions import Prediction
from helpers.claims.types import Claim, Load
from helpers.errors import UserError
from helpers.files import note_reading
from helpers.toc import slugs


def claims_by_chapter() -> dict[str, tuple[Claim, ...]]:
    """Return each chapter's claims by its slug, in the order of _toc.yml."""
    return {slug: _of(slug, "CLAIMS") for slug in slugs() if _has_claims(slug)}


def predictions() -> tuple[Prediction, ...]:
    """Return all our own predictions, in the order of _toc.yml."""
    return tuple(one for slug in slugs() if _has_claims(slug) for one in _of(slug, "PREDICTIONS"))


def find(claim_id: str) -> Claim:
    """Return the claim called `claim_id`. Raises UserError when there is none."""
    every = {claim.id: claim for claims in claims_by_chapter().values() for claim in claims}
    if claim_id not in every:
        raise UserError(f"no claim '{claim_id}'; expected one of {', '.join(every)}")
    return every[claim_id]


def ledger(load: Load) -> pd.DataFrame:
    """Read every claim from the tables that `load` gives: the whole ledger, one row a claim."""
    nothing = float("nan")
    rows = []
    for slug, claims in claims_by_chapter().items():
        for claim in claims:
            reading = claim.read(load)
            one = reading.estimate
            rows.append(
                {
                    "id": claim.id,
                    "chapter": slug,
                    "claim": claim.statement,
                    "where": claim.where,
                    "reported": claim.reported,
                    "measured": reading.text,
                    "value": one.estimate if one else nothing,
                    "low": one.low if one else nothing,
                    "high": one.high if one else nothing,
                    "verdict": str(reading.verdict),
                    "rule": claim.rule,
                    "tables": " ".join(claim.tables),
                }
            )
    return pd.DataFrame(rows)


def _module_name(slug: str) -> str:
    return f"helpers.chapters.{slug.replace('-', '_')}.claims"


def _has_claims(slug: str) -> bool:
    try:
        return importlib.util.find_spec(_module_name(slug)) is not None
    except ModuleNotFoundError:
        return False


def _of(slug: str, name: str) -> tuple:
    note_reading("code", _module_name(slug))
    return tuple(getattr(importlib.import_module(_module_name(slug)), name, ()))
