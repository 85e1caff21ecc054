"""The theory, checked: one row a check, with its cases and its failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Self

from helpers.sweeps.rowstore import CellResult
from helpers.sweeps.sweep import Experiment
from helpers.theory.checks.bets import BET_CHECKS
from helpers.theory.checks.finite import FINITE_CHECKS, Finding
from helpers.theory.checks.measures import MEASURE_CHECKS

CHECKS: Mapping[str, Callable[[bool], Finding]] = MappingProxyType(
    {**FINITE_CHECKS, **BET_CHECKS, **MEASURE_CHECKS}
)


@dataclass(frozen=True)
class Cell:
    """One check, in full or small."""

    check: str
    small: bool


@dataclass(frozen=True)
class Theory(Experiment):
    """The protocol: which checks, and whether in full.

    Columns: check, cases (how many instances of the statement were tried), failures (how many it is
    false for), detail (the scope, or the first counterexample).
    """

    key: ClassVar[tuple[str, ...]] = ("check",)
    name: str = "theory"
    checks: tuple[str, ...] = tuple(CHECKS)
    small: bool = False

    def cells(self) -> Sequence[Cell]:
        """List the cells."""
        return [Cell(check, self.small) for check in self.checks]

    @staticmethod
    def run_cell(cell: Cell, device: str) -> CellResult:
        """Run one check."""
        finding = CHECKS[cell.check](cell.small)
        return CellResult([asdict(finding)])

    def smoke(self) -> Self:
        """Return a copy that runs small checks."""
        return replace(self, small=True)


PROTOCOLS = (Theory(),)
