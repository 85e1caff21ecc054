"""Networks made of nothing but a skill: a null model for measures that read test answers.

Image x has a difficulty g_x, network i a skill t_i, both get independent standard normal luck
e_ix, and i is right at x if √c · g_x + √(1 − c) · e_ix < t_i. Then i's accuracy is Φ(t_i), two
networks agree the more the larger the shared part c, and that is all: there are no weights, no
regions, no curvature. A measure that correlates with accuracy here needs no more explanation there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import optimize, stats

from helpers.errors import UserError
from helpers.measures.agreement import ensemble_agreement

_MOST = 1 - 1e-6


def expected_disagreement(accuracy: float, shared: float) -> float:
    """Return the chance that exactly one of two networks of this accuracy is right at an image."""
    t = stats.norm.ppf(accuracy)
    both = stats.multivariate_normal([0, 0], [[1, shared], [shared, 1]]).cdf([t, t])
    return float(2 * (accuracy - both))


def shared_part(accuracy: float, disagreement: float) -> float:
    """Return the c at which networks of this accuracy disagree at this rate, in [0, 1).

    Raises UserError for an accuracy outside (0, 1) or a rate above that of independent networks.
    """
    if not 0 < accuracy < 1:
        raise UserError(f"the accuracy is {accuracy}; expected one strictly between 0 and 1")
    most = 2 * accuracy * (1 - accuracy)
    if not 0 < disagreement <= most:
        raise UserError(
            f"the disagreement rate is {disagreement:.4g}; expected one in (0, {most:.4g}], since "
            "independent networks of that accuracy disagree no more"
        )
    gap = lambda c: expected_disagreement(accuracy, c) - disagreement  # noqa: E731
    if gap(0.0) <= 0:
        return 0.0
    return float(optimize.brentq(gap, 0.0, _MOST, xtol=1e-6))


def draw_answers(accuracy: Any, shared: float, points: int, rng: np.random.Generator) -> np.ndarray:
    """Draw right and wrong, (M, points), for networks of these true accuracies (M,)."""
    skill = stats.norm.ppf(np.asarray(accuracy, dtype=np.float64))
    difficulty = rng.standard_normal(points, dtype=np.float32)
    luck = rng.standard_normal((len(skill), points), dtype=np.float32)
    drawn = np.sqrt(shared) * difficulty + np.sqrt(1 - shared) * luck
    return np.asarray(drawn < skill[:, None].astype(np.float32))


def agreement_of_answers(right: np.ndarray) -> np.ndarray:
    """Return ensemble agreement (M,) from right and wrong, (M, points)."""
    answers = torch.from_numpy(right.astype(np.uint8))
    return ensemble_agreement(answers, torch.ones(right.shape[1], dtype=torch.uint8)).numpy()


def agreement_by_skill_alone(
    accuracy: Any,
    reliability: float,
    disagreement: float,
    *,
    test_points: int,
    other_points: int,
    overlap: bool,
    draws: int = 20,
    seed: int = 0,
) -> np.ndarray:
    """Draw the rank correlation of ensemble agreement with test accuracy under the null model.

    accuracy (M,) are observed test accuracies; `reliability` of their variance is taken as real,
    and they are drawn in towards their mean accordingly. Agreement is judged on `other_points`
    images and, with `overlap`, on the test images too. Returns (draws,).
    """
    rng = np.random.default_rng(seed)
    observed = np.asarray(accuracy, dtype=np.float64)
    centre = float(observed.mean())
    true = centre + np.sqrt(np.clip(reliability, 0, 1)) * (observed - centre)
    shared = shared_part(centre, disagreement)
    found = []
    for _ in range(draws):
        test = draw_answers(true, shared, test_points, rng)
        others = draw_answers(true, shared, other_points, rng)
        judged = np.concatenate([test, others], axis=1) if overlap else others
        rho = stats.spearmanr(agreement_of_answers(judged), test.mean(axis=1)).statistic
        found.append(float(rho))
    return np.array(found)
