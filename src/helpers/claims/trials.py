"""Claims of Part III, The experiments, and Part IV, Stress tests."""

from __future__ import annotations

from helpers.claims import factorial, fashion_mnist, model_selection, pair_proxy, vanishing
from helpers.claims.types import Claim

CLAIMS: tuple[Claim, ...] = (
    *vanishing.CLAIMS,
    *model_selection.CLAIMS,
    *pair_proxy.CLAIMS,
    *fashion_mnist.CLAIMS,
    *factorial.CLAIMS,
)
