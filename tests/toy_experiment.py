"""A toy protocol for the sweep tests: cells that take a moment and depend on their seed alone."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from helpers import experiments
from helpers.sweeps.sweep import CellResult, Experiment


@dataclass(frozen=True)
class ToyCell:
    seed: int
    scale: float
    seconds: float


@dataclass(frozen=True)
class Toy(Experiment):
    seeds: tuple[int, ...] = tuple(range(8))
    scale: float = 1.0
    seconds: float = 0.0
    key: ClassVar[tuple[str, ...]] = ("seed",)

    @property
    def name(self) -> str:
        return "toy"

    def cells(self) -> list[ToyCell]:
        return [ToyCell(seed, self.scale, self.seconds) for seed in self.seeds]

    @staticmethod
    def run_cell(cell: ToyCell, device: str) -> CellResult:
        log = os.environ.get("TOY_LOG")
        if log:  # which process computed which cell
            with Path(log).open("a") as file:
                file.write(f"{os.getpid()} {cell.seed}\n")
        stuck = cell.seed >= int(os.environ.get("TOY_STUCK_FROM", "999"))
        time.sleep(120.0 if stuck else cell.seconds)
        draws = np.random.default_rng(cell.seed).normal(cell.scale, size=5).astype(np.float32)
        mean = float("nan") if cell.seed == 7 else float(draws.mean())
        return CellResult(
            [{"seed": cell.seed, "mean": mean, "diverged": cell.seed == 7}], {"draws": draws}
        )

    def assemble(self, found):
        frame = super().assemble(found)
        return frame.assign(total=[float(result.arrays["draws"].sum()) for result in found])

    def smoke(self) -> Toy:
        return replace(self, seeds=(0, 1))


def only_these(monkeypatch: pytest.MonkeyPatch, protocols: dict[str, Experiment]) -> None:
    """Let the registry of protocols know these and no others."""
    own = {name: {name: protocol} for name, protocol in protocols.items()}
    monkeypatch.setattr(experiments, "_modules", lambda: list(own))
    monkeypatch.setattr(experiments, "_protocols_of", own.__getitem__)
