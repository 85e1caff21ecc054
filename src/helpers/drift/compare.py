"""Compare one table with its re-run, by the rule of this package."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from helpers.drift import structure
from helpers.drift.rule import Contrast, Judged, contrasts_of, judge, same
from helpers.drift.structure import is_number, row_label
from helpers.errors import UserError
from helpers.sweeps.results import Table
from helpers.sweeps.sweep import Experiment

UNITS = ("seed", "network")
NOT_MEASURED = {*UNITS, "draw"}


@dataclass(frozen=True)
class Comparison:
    """What became of one table: changes of its form, and every contrast that is not the same."""

    name: str
    published: dict[str, Any]
    rerun: dict[str, Any]
    changes: tuple[str, ...]
    judged: tuple[Judged, ...]
    columns: int
    same_seeds: bool

    @property
    def moved(self) -> list[Judged]:
        """Return the contrasts that moved, the largest first."""
        found = [each for each in self.judged if each.outcome == "moved"]
        return sorted(found, key=lambda each: -each.size)

    @property
    def within(self) -> bool:
        """Tell whether nothing moved and the form is as published."""
        return not self.changes and not self.moved


def compare(experiment: Experiment, published: Table, rerun: Table, alpha: float) -> Comparison:
    """Compare a re-run with a published table; an honest one raises an alarm with `alpha` at most.

    Raises UserError for a re-run of another protocol: it may differ in nothing but its seeds.
    """
    before, after = published.provenance["protocol"], rerun.provenance["protocol"]
    if differs := _differences(_without_seeds(before), _without_seeds(after)):
        raise UserError(
            f"the re-run of '{experiment.name}' was made by another protocol (differs in "
            f"{', '.join(differs)}); expected the published one, or one with other seeds"
        )
    same_seeds = before == after
    exact = not set(UNITS) & set(experiment.key)
    if exact and not same_seeds:
        raise UserError(
            f"the re-run of '{experiment.name}' drew with another seed; the table is exact, so "
            "it can only be compared with a re-run of the same seed"
        )
    changes, contrasts, columns = compare_frames(
        *(published.frame, rerun.frame, experiment.key, experiment.tolerance),
        same_seeds=same_seeds,
    )
    return Comparison(
        experiment.name,
        published.provenance,
        rerun.provenance,
        tuple(changes),
        tuple(judge(contrasts, alpha)),
        columns,
        same_seeds,
    )


def compare_frames(
    old: pd.DataFrame,
    new: pd.DataFrame,
    key: Sequence[str],
    tolerance: float,
    same_seeds: bool = True,
) -> tuple[list[str], list[Contrast], int]:
    """Return the changes of form, the contrasts to judge, and how many columns were compared."""
    changes = structure.changed_columns(old, new, key, tolerance)
    if not set(key) <= set(new.columns):
        return changes, [], 0
    changes += structure.repeated_rows(new, key)
    new = new.drop_duplicates(list(key))
    exact = not set(UNITS) & set(key)
    if same_seeds:
        changes += structure.changed_rows(old, new, key)
        changes += structure.changed_text(old, new, key, exact)
    measured = [
        name
        for name in old.columns.intersection(new.columns)
        if name not in {*key, *NOT_MEASURED}
        and (is_number(old[name]) or (not exact and pd.api.types.is_bool_dtype(old[name])))
        and (is_number(new[name]) or pd.api.types.is_bool_dtype(new[name]))
    ]
    if exact:
        return changes, list(_exact(old, new, key, measured, tolerance)), len(measured)
    before, after = (_groups(side, key, measured) for side in (old, new))
    changes += [f"there is no {name}" for name in before if name not in after]
    changes += list(structure.exchanged_groups(before, after, tolerance))
    contrasts = [
        contrast
        for name in before
        if name in after
        for contrast in _contrasts(name, before[name], after[name], tolerance, same_seeds)
    ]
    return changes, contrasts, len(measured)


def _groups(
    frame: pd.DataFrame, key: Sequence[str], measured: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Split a table into groups, each a frame with one row a seed (draws of a seed averaged)."""
    unit = next(name for name in UNITS if name in key)
    by = [name for name in key if name not in NOT_MEASURED]
    by += ["regime"] if "regime" in frame and "regime" not in key else []
    by = [name for name in by if frame[name].nunique() > 1] or by[:1]
    found = {}
    for _, rows in frame.groupby(by, sort=False, dropna=False):
        label = row_label(rows[by].iloc[0])
        one_each = rows.set_index(unit)[list(measured)]
        if one_each.index.has_duplicates:
            one_each = one_each.astype(float).groupby(level=0).mean()
        found[label] = one_each.sort_index()
    return found


def _contrasts(
    group: str, old: pd.DataFrame, new: pd.DataFrame, tolerance: float, same_seeds: bool
) -> Iterator[Contrast]:
    common = old.index.intersection(new.index)
    paired = same_seeds or len(common) == len(old) == len(new)
    if paired:
        old, new = old.loc[common], new.loc[common]
    for column in old.columns:
        before, after = old[column].to_numpy(float), new[column].to_numpy(float)
        yield from contrasts_of(group, column, after, before, tolerance, paired)
        if not paired or not same(after, before, tolerance).all():
            gaps, known = pd.isna(after).astype(float), pd.isna(before).astype(float)
            if gaps.any() or known.any():
                yield from contrasts_of(
                    group, f"{column} (missing)", gaps, known, tolerance, paired
                )


def _exact(
    old: pd.DataFrame,
    new: pd.DataFrame,
    key: Sequence[str],
    measured: Sequence[str],
    tolerance: float,
) -> Iterator[Contrast]:
    """Yield every value of an exact table that does not agree."""
    both = old.merge(new, on=list(key), suffixes=("", "_rerun"))
    for column in measured:
        before, after = (both[name].to_numpy(float) for name in (column, f"{column}_rerun"))
        for i in (~same(after, before, tolerance)).nonzero()[0]:
            label, band = row_label(both[list(key)].iloc[i]), tolerance * abs(before[i])
            yield Contrast(label, column, "value", before[i], after[i], float("nan"), band)


def _without_seeds(protocol: Any) -> Any:
    if isinstance(protocol, dict):
        return {
            name: _without_seeds(value)
            for name, value in protocol.items()
            if not re.search(r"(^|_)seeds?$", name)
        }
    return protocol


def _differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return sorted(name for name in old | new if old.get(name) != new.get(name))
