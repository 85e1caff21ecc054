"""Proposition 14 and Theorem 15, checked: one row a check, as in the table `theory`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from helpers.experiments.theory import Cell, Theory
from helpers.sweeps.rowstore import CellResult
from helpers.theory.checks.cones import CONE_CHECKS


@dataclass(frozen=True)
class PairProxyTheory(Theory):
    """The protocol: the checks of `weakness.cone_checks`."""

    name: str = "theory_pair_proxy"
    checks: tuple[str, ...] = tuple(CONE_CHECKS)

    @staticmethod
    def run_cell(cell: Cell, device: str) -> CellResult:
        """Run one check."""
        return CellResult([asdict(CONE_CHECKS[cell.check](cell.small))])


PROTOCOLS = (PairProxyTheory(),)
