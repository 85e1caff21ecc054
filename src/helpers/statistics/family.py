"""Several measures against one outcome: a family of correlations, corrected together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from helpers.statistics.correlation import RESAMPLES, partial_spearman, spearman
from helpers.statistics.testing import benjamini_hochberg, holm


def correlation_family(
    frame: pd.DataFrame,
    measures: Sequence[str],
    outcome: str = "test_accuracy",
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Correlate each measure with the outcome over the rows, and correct the p for the family.

    Returns one row a measure, indexed by `measure`: rho, its BCa interval low and high, the
    permutation p, p_holm, p_bh and n. A row that lacks the outcome or any of the measures is left
    out for all of them, so that all are measured on the same networks. A constant measure gives nan
    and counts as one of the family, with p = 1.
    """
    complete = frame.dropna(subset=[outcome, *measures])
    found = [
        spearman(
            complete[name],
            complete[outcome],
            resamples=resamples,
            permutations=resamples,
            seed=seed,
        )
        for name in measures
    ]
    table = pd.DataFrame(
        {
            "rho": [e.estimate for e in found],
            "low": [e.low for e in found],
            "high": [e.high for e in found],
            "p": [e.p for e in found],
        },
        index=pd.Index(measures, name="measure"),
    )
    p = table["p"].fillna(1.0)
    return table.assign(p_holm=holm(p), p_bh=benjamini_hochberg(p), n=len(complete))


def partial_family(
    frame: pd.DataFrame,
    questions: Mapping[str, tuple[str, Sequence[str]]],
    outcome: str = "test_accuracy",
) -> pd.DataFrame:
    """Correlate measures with the outcome given others: label -> (measure, the measures given).

    Returns one row a question, indexed by `question`: rho, its BCa interval low and high, and p.
    """
    found = {
        label: partial_spearman(frame[measure], frame[outcome], frame[list(given)])
        for label, (measure, given) in questions.items()
    }
    rows = {label: [one.estimate, one.low, one.high, one.p] for label, one in found.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["rho", "low", "high", "p"])
    return table.rename_axis("question")
