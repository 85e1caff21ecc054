"""What one chapter alone needs, a folder a chapter, called as its notebook.

This module is what every chapter opens with; it imports no chapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from helpers import experiments
from helpers.claims.box import Box
from helpers.claims.types import Claim, Verdict
from helpers.errors import UserError
from helpers.page import prose
from helpers.page.plots import use_theme


@dataclass(frozen=True)
class Page:
    """An open chapter: its claims, and the profile and device that this run of it has."""

    claims: tuple[Claim, ...]
    profile: str
    device: str

    def load(self, table: str) -> pd.DataFrame:
        """Return a table of results/ as the profile has it (see `experiments.table`)."""
        return experiments.table(table, self.profile, self.device).frame

    def claim(self, claim_id: str) -> Claim:
        """Return one of the chapter's claims. Raises UserError when there is none of that name."""
        for claim in self.claims:
            if claim.id == claim_id:
                return claim
        known = ", ".join(claim.id for claim in self.claims)
        raise UserError(f"this chapter has no claim '{claim_id}'; expected one of {known}")

    def box(self, claim_id: str) -> Box:
        """Read a claim and return it ready to be shown."""
        claim = self.claim(claim_id)
        return Box(claim, claim.read(self.load))

    def verdict(self, claim_id: str) -> Verdict:
        """Return the verdict on a claim."""
        return self.claim(claim_id).read(self.load).verdict

    def holds(self, sentence: str, *facts: bool) -> None:
        """Hold a sentence of the text to the facts that it rests on (see `prose.holds`)."""
        prose.holds(sentence, *facts, profile=self.profile)


def begin(claims: Sequence[Claim], profile: str, device: str) -> Page:
    """Open a chapter: set the theme of its figures and hand it its claims and tables."""
    use_theme()
    return Page(tuple(claims), profile, device)
