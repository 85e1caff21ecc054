"""The vanishing advantage read across the sizes n: what is measured, and what is missing.

A scale is one table `vanishing_DATASET_N`. Everything here takes the scales that are there, names
those that are not, and never stands in for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy import stats

from helpers.chapters.vanishing import skill_model
from helpers.errors import MissingTableError, UserError
from helpers.experiments.row import cut_after, split_of, train_on
from helpers.experiments.vanishing import PROTOCOLS, REGIMES, Vanishing
from helpers.measures.sharpness import hessian_trace
from helpers.networks import accuracy, predictions
from helpers.page.reported import reported_table
from helpers.page.tables import word
from helpers.statistics import (
    Estimate,
    NoiseCeiling,
    bootstrap_difference,
    holm,
    noise_ceiling_from_accuracy,
    noise_ceiling_from_mean_disagreement,
    spearman,
    spearman_within,
    split_by_group,
    superiority,
    welch_difference,
)

T = TypeVar("T")
NOT_YET = "not measured yet"
SIZES = tuple(REGIMES)
TRAINING_POINTS, TEST_POINTS = 60_000, 10_000
# Our columns, and what Table 2 of the paper calls them.
MEASURES: Mapping[str, str] = {
    "hessian_trace": "hessian",
    "l1_patterns": "l1_patterns",
    "l2_patterns": "l2_patterns",
    "ensemble_agreement": "ensemble_agreement",
}
NAMES: Mapping[str, str] = {name: word(name) for name in MEASURES}


@dataclass(frozen=True)
class Scales:
    """The measured scales of one data set by n, diverged networks left out, and the missing n."""

    dataset: str
    frames: Mapping[int, pd.DataFrame]
    missing: tuple[int, ...]
    diverged: Mapping[int, int]  # how many were left out, by n

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the n that are measured, in order."""
        return tuple(self.frames)

    def __getitem__(self, n: int) -> pd.DataFrame:
        """Return the networks at one n. Raises UserError for an n that is not measured."""
        if n not in self.frames:
            raise UserError(f"n = {n:,} is not measured; expected one of {in_words(self.sizes)}")
        return self.frames[n]

    def regime(self, n: int, name: str, column: str) -> pd.Series:
        """Return one column of the networks of one regime at one n."""
        frame = self[n]
        return frame.loc[frame["regime"] == name, column]


def gather(
    load: Callable[[str], pd.DataFrame], dataset: str = "mnist", sizes: Sequence[int] | None = None
) -> Scales:
    """Read every scale of a data set that has a table, and note which have none.

    `sizes` is all that the protocol names for the data set unless given. A damaged table raises
    UserError; a table that was never computed is missing.
    """
    if sizes is None:
        sizes = [int(p.name.rsplit("_", 1)[1]) for p in PROTOCOLS if p.dataset == dataset]
    whole, missing = by_size(sizes, lambda n: load(f"vanishing_{dataset}_{n}"))
    frames = {n: frame[~frame["diverged"]].reset_index(drop=True) for n, frame in whole.items()}
    diverged = {n: int(frame["diverged"].sum()) for n, frame in whole.items()}
    return Scales(dataset, frames, missing, diverged)


def by_size(sizes: Iterable[int], read: Callable[[int], T]) -> tuple[dict[int, T], tuple[int, ...]]:
    """Read something at every size that has its tables; return it by size, and the missing sizes.

    `read` raises MissingTableError where a table was never computed.
    """
    found, missing = {}, []
    for n in sizes:
        try:
            found[n] = read(n)
        except MissingTableError:
            missing.append(n)
    return found, tuple(missing)


def protocol_table(dataset: str = "mnist") -> pd.DataFrame:
    """Return how the two regimes train at each n (protocol E.1), a row a size."""
    rows = [
        {
            "n": int(p.name.rsplit("_", 1)[1]),
            "rate, small": p.small_batch.learning_rate,
            "rate, large": p.large_batch.learning_rate,
            "batch, small": p.small_batch.batch_size,
            "batch, large": p.large_batch.batch_size,
            "epochs at most": p.max_epochs,
            "rate ×0.1 after": "–"
            if p.drop_at is None
            else f"{cut_after(p.drop_at, p.max_epochs):.0f}",
        }
        for p in PROTOCOLS
        if p.dataset == dataset
    ]
    return pd.DataFrame(rows).set_index("n")


def printed_table_1() -> pd.DataFrame:
    """Return Table 1 of the paper, a row a size: accuracies and Δ in percent, traces."""
    return reported_table("table1_vanishing_advantage").set_index("n")


def printed_rho(n: int, measure: str) -> float:
    """Return what Table 2 of the paper prints for one of our measures; nan where it prints none."""
    table = reported_table("table2_cross_regime_spearman").set_index("n")
    return float(table[MEASURES[measure]].loc[n])


def advantages(scales: Scales) -> pd.DataFrame:
    """Return Δ, large-batch less small-batch mean test accuracy, a row a measured n, in points.

    Columns: networks, small and large (mean accuracies, %), delta with its Welch interval low and
    high and p, boot_low and boot_high (BCa), unseen (Δ over all unseen points) with its interval,
    medians (Δ of medians), share (Δ over the small-batch error), superiority (the chance that a
    random large-batch network is ahead of a random small-batch one) with its interval,
    unfinished_small and unfinished_large (networks that had not memorised their images when
    training ended; they count like the others), below_half (large-batch networks less than half
    right) and diverged (networks without an accuracy, which enter nothing).
    """
    rows = {}
    for n in scales.sizes:
        small, large = (
            100 * scales.regime(n, name, "test_accuracy") for name in ("small_batch", "large_batch")
        )
        new_small, new_large = (
            100 * scales.regime(n, name, "unseen_accuracy")
            for name in ("small_batch", "large_batch")
        )
        new = welch_difference(new_large, new_small)
        welch, boot = welch_difference(large, small), bootstrap_difference(large, small)
        ahead = superiority(large, small)
        rows[n] = {
            "networks": len(small) + len(large),
            "small": small.mean(),
            "large": large.mean(),
            "delta": welch.estimate,
            "low": welch.low,
            "high": welch.high,
            "p": welch.p,
            "boot_low": boot.low,
            "boot_high": boot.high,
            "unseen": new.estimate,
            "unseen_low": new.low,
            "unseen_high": new.high,
            "medians": large.median() - small.median(),
            "share": welch.estimate / (100 - small.mean()),
            "superiority": ahead.estimate,
            "superiority_low": ahead.low,
            "superiority_high": ahead.high,
            "unfinished_small": int((~scales.regime(n, "small_batch", "memorised")).sum()),
            "unfinished_large": int((~scales.regime(n, "large_batch", "memorised")).sum()),
            "below_half": int((large < 50).sum()),
            "diverged": scales.diverged[n],
        }
    return _a_row_each(rows)


def changes(scales: Scales) -> pd.DataFrame:
    """Return what changes from size to size besides the data, a row a measured n.

    Columns: rate (of the large batch), cut_small and cut_large (networks trained beyond the tenfold
    cut of the rate), unfinished_small and unfinished_large (as in `advantages`), on_test (whether
    the unseen points include the test images), and the rank correlations with the regime of
    accuracy, trace and patterns (layer 2), large batch counting as 1.
    """
    trace, patterns = splits(scales, "hessian_trace"), splits(scales, "l2_patterns")
    rows: dict[int, dict[str, Any]] = {}
    for n, frame in scales.frames.items():
        protocol = next(p for p in PROTOCOLS if p.name == f"vanishing_{scales.dataset}_{n}")
        cut = cut_after(protocol.drop_at, protocol.max_epochs)
        row: dict[str, Any] = {"rate": protocol.large_batch.learning_rate}
        for name in ("small", "large"):
            own = frame[frame["regime"] == f"{name}_batch"]
            row[f"cut_{name}"] = int((own["epochs"] > cut).sum())
            row[f"unfinished_{name}"] = int((~own["memorised"]).sum())
        rows[n] = row | {
            "on_test": judged_on_test_images(n),
            "accuracy": trace.loc[n, "accuracy_gap"],
            "trace": trace.loc[n, "measure_gap"],
            "patterns": patterns.loc[n, "measure_gap"],
        }
    return _a_row_each(rows)


def compared(scales: Scales, column: str) -> pd.DataFrame:
    """Return the regimes' means of a column with 95 % intervals, and their ratio, a row an n.

    Columns: small, small_reach, large, large_reach (half an interval of Student's t), ratio (large
    over small).
    """
    rows = {}
    for n in scales.sizes:
        row: dict[str, float] = {}
        for name in ("small", "large"):
            values = scales.regime(n, f"{name}_batch", column)
            row[name] = float(values.mean())
            t = stats.t.ppf(0.975, len(values) - 1)
            row[f"{name}_reach"] = float(t * stats.sem(values))
        rows[n] = row | {"ratio": row["large"] / row["small"]}
    return _a_row_each(rows)


def correlations(scales: Scales, measures: Iterable[str] = tuple(MEASURES)) -> pd.DataFrame:
    """Correlate measures with test accuracy at each measured n: Table 2, a row (measure, n).

    Columns: rho over both regimes with its BCa interval low and high, p, p_holm over the whole
    table, the paper's rho, and within: ρ inside the regimes, averaged, with its interval.
    """
    rows = []
    for measure in measures:
        for n, frame in scales.frames.items():
            own = frame.dropna(subset=[measure])
            pooled, within = pooled_rho(own, measure), within_rho(own, measure)
            rows.append(
                {
                    "measure": measure,
                    "n": n,
                    "rho": pooled.estimate,
                    "low": pooled.low,
                    "high": pooled.high,
                    "p": pooled.p,
                    "paper": printed_rho(n, measure) if scales.dataset == "mnist" else np.nan,
                    "within": within.estimate,
                    "within_low": within.low,
                    "within_high": within.high,
                }
            )
    table = pd.DataFrame(rows).set_index(["measure", "n"])
    table.insert(4, "p_holm", holm(table["p"].fillna(1.0)))
    return table


def pooled_rho(frame: pd.DataFrame, measure: str) -> Estimate:
    """Correlate a measure with test accuracy over all rows that have it; computed once."""
    own = frame.dropna(subset=[measure])
    return _rho(_bytes(own, measure), None)


def within_rho(
    frame: pd.DataFrame, measure: str, groups: str = "regime", given: str | None = None
) -> Estimate:
    """Correlate a measure with test accuracy inside groups, averaged; computed once.

    With `given`, it is the partial correlation given that column.
    """
    own = frame.dropna(subset=[measure])
    return _rho(_bytes(own, measure, given), tuple(own[groups]))


def _bytes(frame: pd.DataFrame, measure: str, given: str | None = None) -> bytes:
    columns = [measure, "test_accuracy"] + ([given] if given else [])
    return frame[columns].to_numpy(dtype=np.float64).T.tobytes()


@lru_cache(maxsize=128)  # a page and its claims ask for the same correlations
def _rho(columns: bytes, groups: tuple[str, ...] | None) -> Estimate:
    if groups is None:
        return spearman(*np.frombuffer(columns).reshape(2, -1))
    x, y, *given = np.frombuffer(columns).reshape(-1, len(groups))
    return spearman_within(x, y, list(groups), given=given[0] if given else None)


def splits(scales: Scales, measure: str) -> pd.DataFrame:
    """Split ρ of a measure with test accuracy into between and within regimes, a row an n.

    Columns: rho, measure_gap and accuracy_gap (rank correlations with the regime, large batch
    counting as 1), between (their product), remainder, within (the partial correlation).
    """
    rows = {}
    for n, frame in scales.frames.items():
        large = frame["regime"] == "large_batch"
        one = split_by_group(frame[measure], frame["test_accuracy"], large)
        rows[n] = {
            "rho": one.rho,
            "measure_gap": one.x_group,
            "accuracy_gap": one.y_group,
            "between": one.between,
            "remainder": one.remainder,
            "within": one.within,
        }
    return _a_row_each(rows)


def mean_disagreement(frame: pd.DataFrame) -> float:
    """Return the share of unseen points that exactly one of two networks gets right, over pairs.

    Ensemble agreement tells it: the sum over networks of agreement × error counts, for every
    ordered pair, the points at which the first is wrong and the second right.
    """
    return float(2 * (frame["ensemble_agreement"] * (1 - frame["unseen_accuracy"])).mean())


def ceiling_of(frame: pd.DataFrame, points: int = TEST_POINTS) -> NoiseCeiling:
    """Return how well a perfect measure could rank these networks by their test accuracy.

    Networks share their `points` test images, so the noise is that of their disagreement.
    """
    rate = mean_disagreement(frame)
    return noise_ceiling_from_mean_disagreement(frame["test_accuracy"], rate, points)


def by_skill_alone(scales: Scales, draws: int = 10) -> pd.DataFrame:
    """Return the ρ of ensemble agreement with accuracy that skill alone would make, a row an n.

    Columns: rho, low and high: mean and range over draws of `skill_model` with the accuracies,
    disagreement and judged images of that n.
    """
    rows = {}
    for n, frame in scales.frames.items():
        found = skill_model.agreement_by_skill_alone(
            frame["test_accuracy"],
            ceiling_of(frame).reliability.estimate,
            mean_disagreement(frame),
            test_points=TEST_POINTS,
            other_points=TRAINING_POINTS - n,
            overlap=judged_on_test_images(n),
            draws=draws,
            seed=n,
        )
        rows[n] = {"rho": found.mean(), "low": found.min(), "high": found.max()}
    return _a_row_each(rows)


def judged_on_test_images(n: int) -> bool:
    """Tell whether the unseen points at this n include the test images (see `data.split`)."""
    return not 12_000 < n < TRAINING_POINTS


def ceilings(scales: Scales) -> pd.DataFrame:
    """Return spread, noise and ceiling at each measured n, over both regimes and within them.

    Columns: spread and noise (standard deviations in points), ceiling with its interval low and
    high, binomial (the ceiling as if test sets were not shared: a lower bound), within (the ceiling
    inside the regimes, averaged).
    """
    rows = {}
    for n, frame in scales.frames.items():
        whole = ceiling_of(frame)
        rate = mean_disagreement(frame)
        inside = [
            noise_ceiling_from_mean_disagreement(own["test_accuracy"], rate, TEST_POINTS)
            for _, own in frame.groupby("regime")
        ]
        rows[n] = {
            "spread": 100 * np.sqrt(whole.spread_variance),
            "noise": 100 * np.sqrt(whole.noise_variance),
            "ceiling": whole.spearman.estimate,
            "low": whole.spearman.low,
            "high": whole.spearman.high,
            "binomial": noise_ceiling_from_accuracy(
                frame["test_accuracy"], TEST_POINTS
            ).spearman.estimate,
            "within": float(np.mean([one.spearman.estimate for one in inside])),
        }
    return _a_row_each(rows)


def train_again(
    protocol: Vanishing, each: int, device: str = "auto"
) -> tuple[pd.DataFrame, np.ndarray]:
    """Train the first `each` networks of both regimes anew, measured by accuracy and trace alone.

    Returns one row a network with the columns of its table, and the table of right and wrong test
    answers, (networks, test points).
    """
    split = split_of(protocol.dataset, protocol.n)
    rows, right = [], []
    for name in ("small_batch", "large_batch"):
        cells = [cell for cell in protocol.cells() if cell.regime == name][:each]
        seeds = [cell.seed for cell in cells]
        trained = train_on(protocol.dataset, protocol.n, seeds, cells[0].sgd, device)
        for i, seed in enumerate(seeds):
            net = trained.stack[i]
            x, y = split.train_images.to(net.device), split.train_labels.to(net.device)
            test, labels = split.test_images.to(net.device), split.test_labels.to(net.device)
            points = protocol.how.curvature_points
            rows.append(
                {
                    "regime": name,
                    "seed": seed,
                    "epochs": int(trained.epochs[i]),
                    "test_accuracy": float(accuracy(net, test, labels)),
                    "hessian_trace": float(hessian_trace(net, x, y, points)),
                }
            )
            right.append((predictions(net, test)[0] == labels).cpu().numpy())
    return pd.DataFrame(rows), np.stack(right)


def in_words(sizes: Iterable[int]) -> str:
    """Return sizes as words: '500, 2,000 and 6,000', or 'none'."""
    names = [f"{n:,}" for n in sizes]
    if len(names) < 2:
        return names[0] if names else "none"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def at_sizes(texts: Mapping[int, str], missing: Sequence[int] = ()) -> str:
    """Return one text a size, and say which sizes are missing.

    '500: +1.23; 2,000: +1.57; not measured yet: n = 6,000'.
    """
    parts = [f"n = {n:,}: {text}" for n, text in texts.items()]
    if missing:
        parts.append(f"{NOT_YET}: n = {in_words(missing)}")
    return "; ".join(parts)


def state_of(scales: Scales) -> str:
    """Say in a clause which sizes are measured: 'all six sizes are', or which ones are not."""
    if not scales.missing:
        return f"all {len(scales.sizes)} sizes are measured"
    if not scales.sizes:
        return f"none of the {len(scales.missing)} sizes is measured yet"
    return so_far(scales.sizes, scales.missing)


def so_far(sizes: Sequence[int], missing: Sequence[int]) -> str:
    """Say which sizes are measured, and which are not yet, if any."""
    done = f"n = {in_words(sizes)} {'is' if len(sizes) == 1 else 'are'} measured"
    return f"{done}; n = {in_words(missing)} not yet" if missing else done


def _a_row_each(rows: Mapping[int, Mapping[str, float]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(dict(rows), orient="index").rename_axis("n")
