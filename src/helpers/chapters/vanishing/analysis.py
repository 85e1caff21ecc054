"""Two recipes of training, large batches and small, read across six sizes n of the training subset.

`gather` reads the tables `vanishing_DATASET_N` into one frame an n. A difference of accuracies is
large batch less small batch, in percentage points; a table of estimates holds them whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from helpers.chapters.vanishing import skill_model
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

Load = Callable[[str], pd.DataFrame]
Frames = Mapping[int, pd.DataFrame]
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


def gather(
    load: Load, dataset: str = "mnist", sizes: Iterable[int] | None = None
) -> dict[int, pd.DataFrame]:
    """Read the tables of a data set by n, all of them unless `sizes` says which.

    Networks that diverged are left out: they have no accuracy.
    """
    if sizes is None:
        sizes = [protocol.n for protocol in PROTOCOLS if protocol.dataset == dataset]
    frames = {n: load(f"vanishing_{dataset}_{n}") for n in sizes}
    return {n: frame[~frame["diverged"]].reset_index(drop=True) for n, frame in frames.items()}


def printed_rho(n: int, measure: str) -> float:
    """Return what Table 2 of the paper prints for one of our measures; nan where it prints none."""
    table = reported_table("table2_cross_regime_spearman").set_index("n")
    return float(table[MEASURES[measure]].loc[n])


def printed_rhos(measure: str) -> pd.Series:
    """Return a row of Table 2 of the paper by n, nan where it prints none."""
    return pd.Series({n: printed_rho(n, measure) for n in SIZES})


# Table 1 -----------------------------------------------------------------------------------------


def by_regime(frame: pd.DataFrame, column: str) -> tuple[pd.Series, pd.Series]:
    """Return a column of the small-batch networks, and of the large-batch ones."""
    small, large = (
        frame.loc[frame["regime"] == name, column] for name in ("small_batch", "large_batch")
    )
    return small, large


def delta(frame: pd.DataFrame, column: str = "test_accuracy") -> Estimate:
    """Return Δ, the difference of the regimes' mean accuracies in points, by Welch."""
    small, large = by_regime(frame, column)
    return welch_difference(100 * large, 100 * small)


def advantages(frames: Frames) -> pd.DataFrame:
    """Return the advantage of large batches, a row an n.

    Means, in %: small, large. Estimates: delta (Welch), bootstrap (the same by BCa), unseen (Δ over
    all unseen points), share (Δ over the small-batch error), superiority (the chance that a random
    large-batch network is ahead of a random small-batch one). Numbers: medians (Δ of medians),
    unfinished_small and unfinished_large (networks that had not memorised their images when
    training ended), below_half (large-batch networks less than half right).
    """
    rows = {}
    for n, frame in frames.items():
        small, large = (100 * values for values in by_regime(frame, "test_accuracy"))
        welch = delta(frame)
        unfinished = [int((~done).sum()) for done in by_regime(frame, "memorised")]
        rows[n] = {
            "small": small.mean(),
            "large": large.mean(),
            "delta": welch,
            "bootstrap": bootstrap_difference(large, small),
            "unseen": delta(frame, "unseen_accuracy"),
            "share": welch.times(1 / (100 - small.mean())),
            "superiority": superiority(large, small),
            "medians": large.median() - small.median(),
            "unfinished_small": unfinished[0],
            "unfinished_large": unfinished[1],
            "below_half": int((large < 50).sum()),
        }
    return _a_row_each(rows)


def traces(frames: Frames) -> pd.DataFrame:
    """Return the regimes' mean traces as estimates, and ratio, large over small, a row an n."""
    rows = {}
    for n, frame in frames.items():
        small, large = map(_mean, by_regime(frame, "hessian_trace"))
        ratio = large.estimate / small.estimate
        rows[n] = {"small_batch": small, "large_batch": large, "ratio": ratio}
    return _a_row_each(rows)


def _mean(values: pd.Series) -> Estimate:
    ends = stats.ttest_1samp(values, 0).confidence_interval()
    low, high = float(ends.low), float(ends.high)
    return Estimate(float(values.mean()), low, high, np.nan, len(values), "mean, Student's t")


# Table 2 -----------------------------------------------------------------------------------------


def pooled_rho(frame: pd.DataFrame, measure: str) -> Estimate:
    """Correlate a measure with test accuracy over both regimes."""
    return spearman(frame[measure], frame["test_accuracy"])


def within_rho(frames: Frames, measure: str, given: str | None = None) -> Estimate:
    """Correlate a measure with test accuracy inside the regimes, averaged over regimes and sizes.

    With `given`, it is the partial correlation given that column.
    """
    whole = pd.concat([one.assign(group=f"{n} " + one["regime"]) for n, one in frames.items()])
    columns = whole[measure], whole["test_accuracy"], whole["group"]
    return spearman_within(*columns, given=None if given is None else whole[given])


def correlations(frames: Frames, measures: Iterable[str] = tuple(MEASURES)) -> pd.DataFrame:
    """Correlate measures with test accuracy: Table 2, a row (measure, n).

    Estimates: rho over both regimes, and within, inside them, averaged. Numbers: p_holm, corrected
    over the whole table, and the paper's ρ.
    """
    rows = {
        (measure, n): {
            "paper": printed_rho(n, measure),
            "rho": pooled_rho(frame, measure),
            "within": within_rho({n: frame}, measure),
        }
        for measure in measures
        for n, frame in frames.items()
    }
    table = pd.DataFrame(rows.values(), pd.MultiIndex.from_tuples(rows, names=["measure", "n"]))
    p = [one.p if np.isfinite(one.p) else 1.0 for one in table["rho"]]
    return table.assign(p_holm=holm(p))


def splits(frames: Frames, measure: str) -> pd.DataFrame:
    """Split ρ of a measure with test accuracy into between and within regimes, a row an n.

    Columns: those of a `GroupSplit`, x the measure and y accuracy; large batch counts as 1.
    """
    rows = {}
    for n, frame in frames.items():
        large = frame["regime"] == "large_batch"
        rows[n] = asdict(split_by_group(frame[measure], frame["test_accuracy"], large))
    return _a_row_each(rows)


def changes(frames: Frames) -> pd.DataFrame:
    """Return what changes from size to size of MNIST besides the data, a row an n.

    Columns: rate (of the large batch), cut_small and cut_large (networks trained beyond the tenfold
    cut of the rate), unfinished (large-batch networks that had not memorised), and the rank
    correlations with the regime of accuracy, trace and patterns (layer 2), large batch counting
    as 1.
    """
    trace, patterns = splits(frames, "hessian_trace"), splits(frames, "l2_patterns")
    rows = {}
    for protocol in PROTOCOLS:
        n = protocol.n
        if protocol.dataset != "mnist" or n not in frames:
            continue
        cut = cut_after(protocol.drop_at, protocol.max_epochs)
        past = [int((epochs > cut).sum()) for epochs in by_regime(frames[n], "epochs")]
        rows[n] = {
            "rate": protocol.large_batch.learning_rate,
            "cut_small": past[0],
            "cut_large": past[1],
            "unfinished": int((~by_regime(frames[n], "memorised")[1]).sum()),
            "accuracy": trace.loc[n, "y_group"],
            "trace": trace.loc[n, "x_group"],
            "patterns": patterns.loc[n, "x_group"],
        }
    return _a_row_each(rows)


# Noise, and skill alone --------------------------------------------------------------------------


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


def ceilings(frames: Frames) -> pd.DataFrame:
    """Return spread, noise and ceiling of the accuracies, a row an n.

    Columns: spread and noise (standard deviations in points), share (of the variance that is
    noise), ceiling (an estimate), within (the ceiling inside the regimes, averaged) and binomial
    (the ceiling as if test sets were not shared: a lower bound).
    """
    rows = {}
    for n, frame in frames.items():
        whole, rate = ceiling_of(frame), mean_disagreement(frame)
        inside = [
            noise_ceiling_from_mean_disagreement(one, rate, TEST_POINTS).spearman.estimate
            for one in by_regime(frame, "test_accuracy")
        ]
        binomial = noise_ceiling_from_accuracy(frame["test_accuracy"], TEST_POINTS)
        rows[n] = {
            "spread": 100 * np.sqrt(whole.spread_variance),
            "noise": 100 * np.sqrt(whole.noise_variance),
            "share": min(1.0, whole.noise_variance / whole.spread_variance),
            "ceiling": whole.spearman,
            "within": float(np.mean(inside)),
            "binomial": binomial.spearman.estimate,
        }
    return _a_row_each(rows)


def images_for(frame: pd.DataFrame, ceiling: float) -> float:
    """Return how many test images lift the ceiling of these networks to a given height."""
    now = ceiling_of(frame)
    real = now.spread_variance - now.noise_variance
    reliability = (2 * np.sin(ceiling * np.pi / 6)) ** 2
    allowed = real * (1 / reliability - 1)
    return TEST_POINTS * now.noise_variance / allowed if real > 0 else np.inf


def judged_on_test_images(n: int) -> bool:
    """Tell whether the unseen points at this n include the test images (see `data.split`)."""
    return not 12_000 < n < TRAINING_POINTS


def by_skill_alone(frames: Frames, draws: int = 10) -> pd.Series:
    """Return the ρ of ensemble agreement with accuracy that skill alone would make, by n.

    Each is the mean with the range of draws of `skill_model`, which is given the accuracies, the
    disagreement and the judged images of that n.
    """
    found = {}
    for n, frame in frames.items():
        rhos = skill_model.agreement_by_skill_alone(
            frame["test_accuracy"],
            ceiling_of(frame).reliability.estimate,
            mean_disagreement(frame),
            test_points=TEST_POINTS,
            other_points=TRAINING_POINTS - n,
            overlap=judged_on_test_images(n),
            draws=draws,
            seed=n,
        )
        ends = float(rhos.min()), float(rhos.max())
        found[n] = Estimate(float(rhos.mean()), *ends, np.nan, draws, "mean and range of draws")
    return pd.Series(found)


# A few networks, now -----------------------------------------------------------------------------


def train_again(
    protocol: Vanishing, each: int, device: str = "auto"
) -> tuple[pd.DataFrame, np.ndarray]:
    """Train the first `each` networks of both regimes anew, measured by accuracy and trace alone.

    Returns one row a network with the columns of its table, and the table of right and wrong test
    answers, (networks, test points).
    """
    split = split_of(protocol.dataset, protocol.n)
    points = protocol.how.curvature_points
    rows, right = [], []
    for name in ("small_batch", "large_batch"):
        cells = [cell for cell in protocol.cells() if cell.regime == name][:each]
        seeds = [cell.seed for cell in cells]
        trained = train_on(protocol.dataset, protocol.n, seeds, cells[0].sgd, device)
        for i, seed in enumerate(seeds):
            net = trained.stack[i]
            x, y = split.train_images.to(net.device), split.train_labels.to(net.device)
            test, labels = split.test_images.to(net.device), split.test_labels.to(net.device)
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


def _a_row_each(rows: Mapping[int, Mapping[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(dict(rows), orient="index").rename_axis("n")
