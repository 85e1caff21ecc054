"""Claims of Part II, Weakness."""

from __future__ import annotations

from helpers.claims.types import Claim

CLAIMS: tuple[Claim, ...] = ()
