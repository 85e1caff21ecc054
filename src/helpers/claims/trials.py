"""Claims of Part III, The experiments, and Part IV, Stress tests."""

from __future__ import annotations

from helpers.claims import fashion_mnist, model_selection
from helpers.claims.types import Claim

CLAIMS: tuple[Claim, ...] = (*model_selection.CLAIMS, *fashion_mnist.CLAIMS)
