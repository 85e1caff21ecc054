"""What can be wrong with a re-run before any number is compared: rows, columns, labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from helpers.drift.rule import same

SHOWN = 5


def is_number(column: pd.Series) -> bool:
    """Tell a column of numbers from one of text or of yes and no."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def repeated_rows(new: pd.DataFrame, key: Sequence[str]) -> list[str]:
    """Report rows of the re-run that have the same key."""
    count = int(new.duplicated(list(key)).sum())
    return [f"{count} rows repeat the key of another"] if count else []


def changed_columns(
    old: pd.DataFrame, new: pd.DataFrame, key: Sequence[str], tolerance: float
) -> list[str]:
    """Report columns that are missing or new, and pairs of them that are one column renamed."""
    missing = [name for name in old.columns if name not in new.columns]
    added = [name for name in new.columns if name not in old.columns]
    found = []
    if set(key) <= set(new.columns):
        before, after = (side.set_index(list(key)) for side in (old, new))
        for name in list(missing):
            for other in added:
                if _agree(before[name], after[other], tolerance):
                    found.append(f"column `{name}` is now called `{other}`")
                    missing.remove(name)
                    added.remove(other)
                    break
    found += [f"column `{name}` is missing" for name in missing]
    return found + [f"column `{name}` is new" for name in added]


def changed_rows(old: pd.DataFrame, new: pd.DataFrame, key: Sequence[str]) -> list[str]:
    """Report rows that only one of two tables of the same protocol has."""
    before, after = (pd.MultiIndex.from_frame(side[list(key)]) for side in (old, new))
    varying = [name for name in key if old[name].nunique() > 1 or new[name].nunique() > 1]
    found = []
    for word, rows in (
        ("missing", before.difference(after)),
        ("not in the published table", after.difference(before)),
    ):
        if len(rows):
            first = rows.to_frame(index=False)[varying or list(key)].head(SHOWN)
            names = "; ".join(row_label(row) for _, row in first.iterrows())
            more = f"; and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
            verb = "row is" if len(rows) == 1 else "rows are"
            found.append(f"{len(rows)} {verb} {word}: {names}{more}")
    return found


def changed_text(
    old: pd.DataFrame, new: pd.DataFrame, key: Sequence[str], exact: bool
) -> list[str]:
    """Report columns of text (in exact tables also of yes and no) that differ in common rows."""
    names = [
        name
        for name in old.columns.intersection(new.columns).difference(list(key), sort=False)
        if not is_number(old[name]) and (exact or not pd.api.types.is_bool_dtype(old[name]))
    ]
    both = old.merge(new, on=list(key), suffixes=("", "_rerun"))
    counts = {name: int((both[name] != both[f"{name}_rerun"]).sum()) for name in names}
    return [f"column `{name}` differs in {count} rows" for name, count in counts.items() if count]


def exchanged_groups(
    old: dict[str, pd.DataFrame], new: dict[str, pd.DataFrame], tolerance: float
) -> Iterator[str]:
    """Report groups of the re-run that hold the rows of another published group.

    Each group is a frame with a row per seed. A group that agrees with its own twin is not looked
    at.
    """
    shared = [c for frame in list(old.values())[:1] for c in frame if is_number(frame[c])]
    shared = [c for c in shared if all(c in frame for frame in new.values())]
    before, after = (
        {name: (set(frame.index), frame[shared].to_numpy(float)) for name, frame in side.items()}
        for side in (old, new)
    )

    def agree(name: str, other: str) -> bool:
        (seeds, values), (others, published) = after[name], before[other]
        varies = bool((published != published[0]).any())  # a table of constants says nothing
        return varies and seeds == others and bool(same(values, published, tolerance).all())

    for name in after:
        if not (name in before and agree(name, name)):
            twin = next((other for other in before if other != name and agree(name, other)), None)
            if twin is not None:
                yield f"the rows of {name} are those published for {twin}"


def row_label(row: pd.Series) -> str:
    """Name a row by its key: 'regime small_batch, seed 3'."""
    return ", ".join(f"{name} {value}" for name, value in row.items()) or "all rows"


def _agree(old: pd.Series, new: pd.Series, tolerance: float) -> bool:
    common = old.index.intersection(new.index)
    if not len(common) or is_number(old) != is_number(new):
        return False
    before, after = old.loc[common], new.loc[common]
    if not is_number(old):
        return bool((before == after).all())
    return bool(same(after.to_numpy(float), before.to_numpy(float), tolerance).all())
