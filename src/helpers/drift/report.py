"""The drift report, as Markdown: what moved, by how much, and between which machines."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers import experiments
from helpers.drift.compare import Comparison, compare
from helpers.drift.rule import BAND, FALSE_ALARMS, Judged
from helpers.drift.verdicts import changed_verdicts
from helpers.errors import MissingTableError, UserError
from helpers.sweeps import results
from helpers.sweeps.spotchecks import record_rerun

SHOWN = 40
RULE = f"""\
## How it is judged

A column is compared in each group of rows that differ in nothing but the seed: its mean over seeds
(of yes and no, the share) and its spread (mean absolute deviation from the median). Rows that agree
with their published twins within the protocol's tolerance are the same. Of the rest, a column has
**moved** when the interval of its shift excludes zero *and* the shift exceeds the band, {BAND:g} of
the published standard deviation (SD) between seeds; it has **held** when the whole interval is
inside the band; otherwise it is **open**: too few networks to tell. The visible shift is what half
of a table's comparisons would have called moved. The intervals hold together:
an honest re-run raises an alarm in at most {FALSE_ALARMS:.0%} of reports. Tables without seeds must
agree value by value."""


def report(
    names: Sequence[str] = (),
    against: Path | None = None,
    *,
    published: Path | None = None,
    record: bool = False,
) -> tuple[str, bool]:
    """Compare tables with their re-runs; return the report, and whether anything moved.

    `against` is the folder of the re-runs (default: that of the paper profile); without names,
    every published table that was run again is compared. With `record`, each table whose re-run is
    within its bands gets a note of it in its provenance.

    Raises UserError as `compare_all` does.
    """
    folder = against or experiments.folder_of("paper")
    found, absent = compare_all(names, folder, published)
    verdicts = changed_verdicts({one.name for one in found}, folder, published)
    for one in found:
        if record and one.within:
            record_rerun(one.name, one.rerun, published)
    return markdown(found, absent, verdicts), not all(one.within for one in found)


def compare_all(
    names: Sequence[str], against: Path, published: Path | None = None
) -> tuple[list[Comparison], list[str]]:
    """Compare tables with their re-runs in a folder; return the comparisons and what was left out.

    Without names, every published table of which the folder has a re-run is compared.

    Raises UserError for an unknown table, one that is not published or not in the folder, a damaged
    file, another protocol, or a folder without any re-run.
    """
    if not against.is_dir():
        raise UserError(
            f"no folder {against} of re-runs; run `python -m helpers run all` or name one by "
            "--against"
        )
    pairs, absent = [], []
    for name in names or experiments.known():
        experiment = experiments.find(name)
        try:
            table = results.read(name, published)
            pairs.append((experiment, table, results.read(name, against)))
        except MissingTableError:
            if names:
                raise
            absent.append(name)
    if not pairs:
        raise UserError(f"no re-run of a published table in {against}; expected NAME.csv and .json")
    alpha = FALSE_ALARMS / len(pairs)
    return [compare(*pair, alpha) for pair in pairs], absent


def markdown(
    comparisons: Sequence[Comparison], absent: Sequence[str], verdicts: Sequence[str] = ()
) -> str:
    """Write the report. `verdicts` are lines about claims that read differently."""
    bad = [each.name for each in comparisons if not each.within]
    count = f"{len(comparisons)} table{'s' if len(comparisons) != 1 else ''} compared"
    verdict = f"**moved: {', '.join(bad)}**" if bad else "all within their bands"
    parts = ["# Drift report", f"{count}; {verdict}.", _summary(comparisons)]
    if verdicts:
        parts += ["## Claims that read differently", "\n".join(f"- {line}" for line in verdicts)]
    parts += [_section(each) for each in comparisons]
    if absent:
        parts.append("## Not compared\n\nNot published, or not run again: " + ", ".join(absent))
    return "\n\n".join([*parts, RULE]) + "\n"


def _summary(comparisons: Sequence[Comparison]) -> str:
    rows = []
    for each in comparisons:
        outcomes = [one.outcome for one in each.judged]
        visible = [one.visible for one in each.judged if not math.isnan(one.visible)]
        typical = statistics.median(visible) if visible else math.nan
        rows.append(
            (
                each.name,
                "within" if each.within else "**moved**",
                "the same" if each.same_seeds else "other",
                str(each.columns),
                *(str(outcomes.count(word)) for word in ("moved", "held", "open")),
                str(len(each.changes)),
                "any" if not outcomes else f"{typical:.2g} SD" if math.isfinite(typical) else "–",
            )
        )
    head = ("table", "outcome", "seeds", "columns", "moved", "held", "open", "changes of form")
    return _table((*head, "visible shift"), rows)


def _section(one: Comparison) -> str:
    parts = [f"## {one.name}", _origins(one)]
    parts += ["\n".join(f"- {change}" for change in one.changes)] if one.changes else []
    if one.moved:
        parts.append(_shifts(one.moved))
    elif not one.judged and not one.changes:
        parts.append("Every value is the same, within the protocol's tolerance.")
    largest = sorted(
        (each for each in one.judged if each.outcome == "open"), key=lambda each: -each.size
    )
    if largest and not one.moved:
        parts += ["The largest shifts that are no more than chance or too few networks:"]
        parts.append(_shifts(largest[:3]))
    return "\n\n".join(parts)


def _origins(one: Comparison) -> str:
    """Say where and with what both were made, and what is not the same."""
    before, after = (_facts(side) for side in (one.published, one.rerun))
    rows = [
        (name, before[name], after[name] if after[name] != before[name] else "the same")
        for name in before
    ]
    return _table(("", "published", "re-run"), rows)


def _facts(provenance: Mapping[str, Any]) -> dict[str, str]:
    versions = provenance.get("versions", {})
    return {
        "date": str(provenance.get("date", "–")),
        "commit": results.short_commit(str(provenance.get("commit", "–"))),
        "device": str(provenance.get("device", "–")),
        "hardware": str(provenance.get("hardware", "–")),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "rows": f"{provenance['rows']:,}",
        "computed in": f"{provenance['wall_seconds'] / 60:.1f} min",
    }


def _shifts(shifts: Sequence[Judged]) -> str:
    rows = [
        (
            each.contrast.group,
            f"`{each.contrast.column}`",
            each.contrast.what,
            f"{each.contrast.published:.6g}",
            f"{each.contrast.rerun:.6g}",
            f"{each.contrast.shift:+.3g}",
            f"{each.in_units:+.2f}" if math.isfinite(each.in_units) else "–",
            f"{each.low:+.3g} to {each.high:+.3g}" if math.isfinite(each.low) else "–",
        )
        for each in shifts[:SHOWN]
    ]
    head = ("group", "column", "what", "published", "re-run", "shift", "in SD", "interval")
    more = f"\n\nand {len(shifts) - SHOWN} more." if len(shifts) > SHOWN else ""
    return _table(head, rows) + more


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
