"""Compute some networks of a published table again, and say whether the numbers are normal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from helpers.errors import UserError
from helpers.experiments import protocol
from helpers.sweeps.engines import one_thread


def rerun(
    name: str, seeds: Sequence[int], profile: str = "laptop", device: str = "auto"
) -> pd.DataFrame:
    """Compute the cells of these seeds here and now, without touching any stored table.

    Columns that need all networks of a table, such as ensemble agreement, are absent.

    Raises UserError for an unknown table or a seed that its protocol does not have.
    """
    experiment = protocol(name, profile)
    cells = experiment.cells()
    unknown = sorted(set(seeds) - {cell.seed for cell in cells})
    if unknown:
        raise UserError(
            f"table '{name}' has no seeds {', '.join(map(str, unknown))}; expected among "
            f"{', '.join(map(str, sorted({cell.seed for cell in cells})))}"
        )
    with one_thread():
        found = [experiment.run_cell(cell, device) for cell in cells if cell.seed in seeds]
    return pd.DataFrame([row for result in found for row in result.rows])


def normal_band(
    published: Sequence[float] | pd.Series, count: int = 1, level: float = 0.99
) -> tuple[float, float]:
    """Return the interval in which the mean of `count` new networks lies with probability `level`.

    The prediction interval of a normal sample: m ± t · s · √(1/M + 1/count), from the M published
    values. With count = 1 it is the band for one network.

    Raises UserError for fewer than two published values.
    """
    values = np.asarray(published, dtype=float)
    values = values[np.isfinite(values)]
    if len(values) < 2 or count < 1:
        raise UserError(
            f"{len(values)} published values and {count} new ones; expected at least two and one"
        )
    reach = student_t.ppf(0.5 + level / 2, len(values) - 1) * values.std(ddof=1)
    reach *= np.sqrt(1 / len(values) + 1 / count)
    return float(values.mean() - reach), float(values.mean() + reach)


def compare(
    rerun: pd.DataFrame,
    published: pd.DataFrame,
    columns: Sequence[str],
    by: str = "regime",
    level: float = 0.99,
) -> pd.DataFrame:
    """Set a re-run beside the published table, one row a group and column.

    `mean` is the re-run's, `low` to `high` the band in which it is normal, `normal` whether it is;
    `same_seed_difference` is the largest absolute difference between networks of the same seed: 0
    on the hardware that made the table, and small, not zero, elsewhere.
    """
    rows = []
    for group, new in rerun.groupby(by, sort=False):
        old = published[published[by] == group]
        pairs = new.merge(old, on=[by, "seed"], suffixes=("", "_published"))
        for column in columns:
            low, high = normal_band(old[column], len(new), level)
            mean = float(new[column].mean())
            difference = (pairs[column] - pairs[f"{column}_published"]).abs().max()
            rows.append(
                {
                    by: group,
                    "column": column,
                    "networks": len(new),
                    "mean": mean,
                    "low": low,
                    "high": high,
                    "normal": low <= mean <= high,
                    "same_seed_difference": float(difference),
                }
            )
    return pd.DataFrame(rows)
