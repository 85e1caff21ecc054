"""Check by sample that changed code still gives the rows that older code gave."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.device import device_name
from helpers.errors import UserError
from helpers.sweeps import results
from helpers.sweeps.rowstore import RowStore, cell_key, only_one
from helpers.sweeps.sweep import WORK, Experiment, assembly_fingerprint, compute_cell, fingerprint


def is_current(experiment: Experiment, table: results.Table) -> bool:
    """Tell whether a table was computed, or verified by spot check, by the code as it is now: that
    of its cells and that which makes the table from them.
    """
    return fingerprint(experiment) in _codes(table, "code_fingerprint") and _is_assembled(
        experiment, table
    )


def _is_assembled(experiment: Experiment, table: results.Table) -> bool:
    return assembly_fingerprint(experiment) in _codes(table, "assembly_fingerprint")


def _codes(table: results.Table, kind: str) -> set[str | None]:
    record = table.provenance
    made = [record, *record.get("spot_checks", []), *record.get("carried_over", [])]
    return {each.get(kind) for each in made}


def verify(
    experiment: Experiment, *, cells: int = 3, folder: Path | None = None, device: str = "auto"
) -> pd.DataFrame:
    """Compute a few cells of a published table again and record in its provenance that they agree.

    The cells are drawn by the fingerprint of the code, so nobody picks them. Every column that a
    cell computes by itself is compared; the largest relative difference of each is returned. When
    all are within the experiment's tolerance, the code's fingerprint, the date, the machine and the
    versions are added as a spot check, and the fingerprint of the code that makes the table, where
    every column was compared.

    Raises UserError, and records nothing, when a value differs by more, or when the code changed
    that makes a column from all cells at once: no sample can check that.
    """
    table = results.read(experiment.name, folder, protocol=experiment)
    code = fingerprint(experiment)
    drawn = np.random.default_rng(int(code, 16)).permutation(len(experiment.cells()))[:cells]
    chosen = [experiment.cells()[i] for i in sorted(drawn)]
    again = [row for cell in chosen for row in compute_cell(type(experiment), cell, device).rows]
    from_all = table.frame.columns.difference(pd.DataFrame(again).columns, sort=False)
    if len(from_all) and not _is_assembled(experiment, table):
        raise UserError(
            f"the code changed that makes {', '.join(from_all)} of table '{experiment.name}' from "
            f"all cells at once, which a sample cannot check; run "
            f"`{results.command(experiment.name)}`, which makes the table again from kept rows"
        )
    worst = compare(experiment, pd.DataFrame(again), table.frame)
    if (beyond := worst[worst > experiment.tolerance]).size:
        raise UserError(
            f"table '{experiment.name}' does not agree with the present code: "
            f"{', '.join(f'{column} differs by {value:.2g}' for column, value in beyond.items())} "
            f"(tolerance {experiment.tolerance:g}); run `{results.command(experiment.name)}`"
        )
    check = {
        "code_fingerprint": code,
        "assembly_fingerprint": assembly_fingerprint(experiment),
        **results.here(device_name(device)),
        "cells": len(chosen),
        "largest_relative_difference": float(worst.max()),
    }
    entry = dict(table.provenance)
    entry["spot_checks"] = [*entry.get("spot_checks", []), check]
    results.write(experiment.name, table.frame, entry, folder)
    return worst.rename_axis("column").reset_index(name="largest_relative_difference")


def record_rerun(name: str, rerun: Mapping[str, Any], folder: Path | None = None) -> None:
    """Record in a published table's provenance that a whole re-run agrees, by the re-run's own."""
    table = results.read(name, folder)
    kept = ("code_fingerprint", "versions", "hardware", "device", "commit", "date", "rows")
    entry = dict(table.provenance)
    entry["reruns"] = [*entry.get("reruns", []), {key: rerun[key] for key in kept}]
    results.write(name, table.frame, entry, folder)


def last_verified(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the last time that a table was computed or verified, and where.

    Keys: how (computed, re-run, or how many cells were computed again), date, device, hardware,
    versions and commit. Older spot checks that do not say where they were made are passed over.
    """
    checks = provenance.get("spot_checks", [])
    times = [
        {"how": "computed", **provenance},
        *({"how": "re-run", **each} for each in provenance.get("reruns", [])),
        *({"how": _checked(each["cells"]), **each} for each in checks if "hardware" in each),
    ]
    last = sorted(times, key=lambda each: str(each["date"]))[-1]
    keys = ("how", "date", "device", "hardware", "versions", "commit")
    return {key: last[key] for key in keys}


def _checked(cells: int) -> str:
    return f"{cells} cell{'s' if cells != 1 else ''} again"


def accept(
    experiment: Experiment, *, cells: int = 2, folder: Path | None = None, device: str = "auto"
) -> int:
    """Keep the rows of an unfinished sweep whose code has since changed without changing them.

    For each older fingerprint found among the rows, a few of its cells are computed again; when
    they agree within the tolerance its rows are accepted as the present code's. Return how many
    rows were.

    Raises UserError when a value differs by more; then nothing is accepted.
    """
    place = (WORK if folder is None else Path(folder)) / experiment.name
    code, accepted = fingerprint(experiment), 0
    with only_one(place, wait=False):
        store = RowStore(place)
        present = store.load(code)
        wanted = {cell_key(cell): cell for cell in experiment.cells()}
        for old in store.codes() - {code}:
            rows = {k: r for k, r in store.load(old).items() if k in wanted and k not in present}
            for key in sorted(rows)[:cells]:
                again = compute_cell(type(experiment), wanted[key], device)
                worst = compare(
                    experiment, pd.DataFrame(again.rows), pd.DataFrame(rows[key]["rows"])
                )
                if worst.max() > experiment.tolerance:
                    raise UserError(
                        f"rows of '{experiment.name}' made by older code differ now: "
                        f"{worst.idxmax()} by {worst.max():.2g} (tolerance "
                        f"{experiment.tolerance:g}); run the sweep again"
                    )
            if rows:
                store.accept(old, code)
                accepted += len(rows)
    return accepted


def compare(experiment: Experiment, again: pd.DataFrame, old: pd.DataFrame) -> pd.Series:
    """Return the largest relative difference of each column, rows matched by key."""
    both = again.merge(old, on=list(experiment.key), how="left", suffixes=("", "_old"))
    worst: dict[str, float] = {}
    for column in again.columns.difference(list(experiment.key), sort=False):
        if f"{column}_old" not in both:
            worst[column] = float("inf")
            continue
        new, before = both[column], both[f"{column}_old"]
        if pd.api.types.is_numeric_dtype(new) and not pd.api.types.is_bool_dtype(new):
            scale = np.maximum(before.abs(), 1e-12)
            difference: pd.Series = ((new - before).abs() / scale).where(
                ~(new.isna() & before.isna()), 0.0
            )
            worst[column] = float(difference.fillna(float("inf")).max())
        else:
            worst[column] = 0.0 if (new == before).all() else float("inf")
    return pd.Series(worst, dtype=float)
