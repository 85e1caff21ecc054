"""The book's protocols by name, and the one call by which a chapter gets a table.

A protocol lies in the module whose name its table's name begins with: `vanishing_mnist_500` in
`vanishing`. A module is imported when one of its tables is asked for.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.errors import UserError
from helpers.files import note_reading
from helpers.profiles import choose_profile
from helpers.sweeps import forecast, results, spotchecks, sweep
from helpers.sweeps.results import Table
from helpers.sweeps.settings import spell
from helpers.sweeps.sweep import Experiment

TABLES = results.BUILD / "tables"


@cache
def _protocols_of(module: str) -> dict[str, Experiment]:
    found = importlib.import_module(f"{__name__}.{module}")
    return {protocol.name: protocol for protocol in getattr(found, "PROTOCOLS", ())}


def known() -> list[str]:
    """List every table that has a protocol, a module after the other."""
    return [name for module in _modules() for name in _protocols_of(module)]


def _modules() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]


def find(name: str) -> Experiment:
    """Return the protocol of a table.

    Raises UserError for an unknown name.
    """
    candidates = [m for m in _modules() if name == m or name.startswith(f"{m}_")]
    for module in sorted(candidates, key=len, reverse=True):
        if name in _protocols_of(module):
            return _protocols_of(module)[name]
    raise UserError(f"unknown table '{name}'; expected one of {', '.join(known())}")


def protocol_state(name: str) -> str:
    """Return a hash of a protocol's settings and of the code that computes its table."""
    found = find(name)
    parts = (results.spelled(found), sweep.fingerprint(found), sweep.assembly_fingerprint(found))
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def protocol(name: str, profile: str = "laptop") -> Experiment:
    """Return the protocol of a table as a profile runs it: `smoke` has the tiny copy.

    Raises UserError for an unknown name or profile.
    """
    experiment = find(name)
    note_reading("protocol", name)
    return experiment.smoke() if choose_profile(profile) == "smoke" else experiment


def changed(name: str, settings: Mapping[str, Any], profile: str = "laptop") -> Experiment:
    """Return the protocol of a table with some settings replaced (see `settings.change`).

    It is called NAME~HASH: its rows and its table stay apart from those of the protocol as it
    stands. Settings that change nothing leave the name too.

    Raises UserError for an unknown name or profile, or a setting that does not fit.
    """
    plain = protocol(name, profile)
    if "name" in settings:
        raise UserError("setting 'name' cannot be chosen; a changed protocol is called NAME~HASH")
    new = sweep.change(plain, settings)
    if new == plain:
        return plain
    called = f"{name}~{hashlib.sha256(results.spelled(new).encode()).hexdigest()[:8]}"
    return sweep.change(new, {"name": called})


def table(name: str, profile: str = "laptop", device: str = "auto") -> Table:
    """Return a table as the profile has it.

    `laptop` reads the published table from results/ and checks it; `smoke` computes a tiny copy
    once and keeps it; `paper` computes every row that is not yet computed by the present code.

    Raises UserError for an unknown name or profile, or a published table that fails its checks.
    """
    if choose_profile(profile) == "laptop":
        note_reading("settings", name)
        return results.read(name, protocol=find(name))
    return compute(name, profile, device=device, progress=False, wait=True)


def loader(profile: str = "laptop", device: str = "auto") -> Callable[[str], pd.DataFrame]:
    """Return the function by which a chapter, or a claim, gets the frame of a table by its name."""

    def load(name: str) -> pd.DataFrame:
        return table(name, profile, device).frame

    return load


def compute(
    name: str,
    profile: str = "paper",
    *,
    settings: Mapping[str, Any] | None = None,
    engine: str = "local",
    workers: int = 1,
    device: str = "auto",
    progress: bool = True,
    wait: bool = False,
) -> Table:
    """Compute a table under _build/tables/PROFILE, resuming what an earlier run left.

    `smoke` is the tiny copy; any other profile is the full protocol. With `settings` it is the
    table of the protocol so `changed`. See `sweeps.run` for the engines.
    """
    experiment, folder = changed(name, settings or {}, profile), folder_of(profile)
    found = sweep.run(
        experiment,
        engine=engine,
        workers=workers,
        device=device,
        folder=folder,
        progress=progress,
        wait=wait,
    )
    if experiment.name == name:
        return found
    words = [word for text in spell(settings or {}) for word in ("--set", text)]
    command = shlex.join(["python", "-m", "helpers", "run", name, "--profile", profile, *words])
    provenance = {**found.provenance, "command": command}
    results.write(experiment.name, found.frame, provenance, folder)
    return Table(found.frame, provenance)


def publish(name: str) -> Path:
    """Copy a finished table of the paper profile into results/ and return its path.

    Raises UserError when the table is not finished, fails its checks, or is of older code.
    """
    experiment = find(name)
    finished = results.read(name, folder_of("paper"), protocol=experiment)
    if not spotchecks.is_current(experiment, finished):
        raise UserError(
            f"table '{name}' was computed by older code; run `python -m helpers run {name}` first"
        )
    return results.write(name, finished.frame, {**finished.provenance, "profile": "paper"})


def verify(name: str, cells: int = 3, device: str = "auto") -> pd.DataFrame:
    """Compute a few cells of a published table again; record in its provenance that they agree."""
    return spotchecks.verify(find(name), cells=cells, device=device)


def accept(name: str, cells: int = 2, device: str = "auto") -> int:
    """Keep an unfinished sweep's rows across a change of code that a sample shows harmless."""
    return spotchecks.accept(find(name), cells=cells, folder=folder_of("paper"), device=device)


def journey(
    names: Sequence[str],
    profile: str = "paper",
    workers: int = 1,
    settings: Mapping[str, Any] | None = None,
) -> forecast.Journey:
    """Return the way through tables to compute, which tells the time left.

    Nothing tells how long the tiny copies of `smoke` take.
    """

    def look(name: str) -> forecast.Left:
        experiment, folder = changed(name, settings or {}, profile), folder_of(profile)
        if profile == "smoke":
            return forecast.Left(len(sweep.cells_left(experiment, folder)), None)
        return forecast.left_of(experiment, [find(each) for each in known()], folder)

    return forecast.Journey(names, look, workers)


def status() -> pd.DataFrame:
    """List every table: is it published, by the present code, and how far has its sweep come.

    `seconds_left` is what the missing cells would take one core, by what the published table took;
    NaN for a table that is not published.
    """
    rows = []
    for name in known():
        experiment = find(name)
        done, cells = sweep.progress_of(experiment, folder_of("paper"))
        seconds_left = float("nan")
        try:
            published = results.read(name, protocol=experiment)
            state = "current" if spotchecks.is_current(experiment, published) else "older code"
            seconds_left = forecast.core_seconds(published.provenance) * (1 - done / cells)
        except UserError as error:
            missing = not (results.RESULTS / f"{name}.csv").is_file()
            state = "not published" if missing else str(error).split("; run")[0]
        rows.append(
            {
                "table": name,
                "published": state,
                "cells_done": done,
                "cells": cells,
                "seconds_left": seconds_left,
            }
        )
    return pd.DataFrame(rows)


def folder_of(profile: str) -> Path:
    """Return where tables of a profile are computed: the smoke copies apart from the full ones."""
    return TABLES / ("smoke" if choose_profile(profile) == "smoke" else "paper")
