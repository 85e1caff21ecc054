"""What is published: every table's origin, and the last time and place that it was verified."""

from __future__ import annotations

from pathlib import Path
from string import ascii_uppercase

import pandas as pd

from helpers.sweeps import results
from helpers.sweeps.spotchecks import last_verified


def names(folder: Path | None = None) -> list[str]:
    """Return the names of the published tables."""
    return sorted(path.stem for path in (folder or results.RESULTS).glob("*.csv"))


def origins(folder: Path | None = None) -> pd.DataFrame:
    """Return a row per published table: its size, what it took, and what made it.

    Columns: table, minutes (spent computing rows, summed over workers), device, date, commit, rows,
    profile, command. Raises UserError for a damaged table.
    """
    rows = []
    for name in names(folder):
        record = results.read(name, folder).provenance
        rows.append(
            {
                "table": name,
                "minutes": record["wall_seconds"] / 60,
                "device": record["device"],
                "date": record["date"],
                "commit": results.short_commit(record["commit"]),
                "rows": record["rows"],
                "profile": record.get("profile", "–"),
                "command": record.get("command", results.command(name)),
            }
        )
    return pd.DataFrame(rows)


def verified(folder: Path | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return when each table was last computed or checked, and the set-ups that did it.

    The first frame has a row per table: table, date, how, device, setup (a letter), commit; the
    second a row per set-up: setup, hardware, versions.
    """
    rows, setups = [], dict[tuple[str, str], str]()
    for name in names(folder):
        last = last_verified(results.read(name, folder).provenance)
        versions = ", ".join(f"{library} {number}" for library, number in last["versions"].items())
        setup = (last["hardware"], versions)
        letter = setups.setdefault(setup, ascii_uppercase[len(setups) % 26])
        commit = results.short_commit(last["commit"])
        rows.append((name, last["date"], last["how"], last["device"], letter, commit))
    columns = ["table", "date", "how", "device", "setup", "commit"]
    places = [(letter, *setup) for setup, letter in setups.items()]
    return (
        pd.DataFrame(rows, columns=columns),
        pd.DataFrame(places, columns=["setup", "hardware", "versions"]),
    )
