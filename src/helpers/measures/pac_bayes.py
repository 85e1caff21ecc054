"""PAC-Bayes bounds for stochastic networks with Gaussian weights, and exact KL on finite sets.

Setting: n training points drawn independently from one law; a loss in [0, 1], here the 0-1 loss; a
prior P over hypotheses fixed before the points are seen; any posterior Q. With probability at least
1 − δ over the points, for all Q at once, the posterior's true risk R(Q) is bounded through its
empirical risk r(Q) and KL(Q‖P). Sources: McAllester (1999), Maurer (2004), Catoni (2007); the
confidence correction for sampled risks is that of Langford and Caruana (2002).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from scipy.optimize import brentq
from torch import Tensor

from helpers.errors import UserError
from helpers.networks import Stack, logits

_SAMPLES_AT_ONCE = 16


def binary_kl(q: float, p: float) -> float:
    """Return kl(q‖p), the divergence between coins of bias q and p, in nats."""
    if not (0 <= q <= 1 and 0 <= p <= 1):
        raise UserError(f"kl({q}‖{p}) needs two probabilities; expected numbers from 0 to 1")

    def term(a: float, b: float) -> float:
        if a == 0:
            return 0.0
        return math.inf if b == 0 else a * math.log(a / b)

    return max(0.0, term(q, p) + term(1 - q, 1 - p))  # rounding can go below zero


def invert_kl(q: float, budget: float) -> float:
    """Return the largest p with kl(q‖p) ≤ budget: the upper confidence limit for a coin.

    Solved by bracketing up to 1e-13, and rounded up, so that a bound stays a bound. Raises
    UserError for q outside [0, 1] or a negative budget.
    """
    if not 0 <= q <= 1 or not budget >= 0:
        raise UserError(f"cannot invert kl at q = {q}, budget {budget}; expected 0 ≤ q ≤ 1, ≥ 0")
    if q == 1 or math.isinf(budget):
        return 1.0
    if q == 0:
        return -math.expm1(-budget)
    top = math.nextafter(1.0, 0.0)
    if binary_kl(q, top) <= budget:
        return 1.0
    root = brentq(lambda p: binary_kl(q, p) - budget, q, top, xtol=1e-13)
    return min(1.0, float(root) + 2e-13)


def mcallester_bound(risk: float, kl: float, n: int, delta: float = 0.05) -> float:
    """Bound R(Q) ≤ r(Q) + √((KL + ln(2√n/δ)) / 2n): McAllester's form, Maurer's constant."""
    return risk + math.sqrt(_complexity(kl, n, delta) / 2)


def maurer_bound(risk: float, kl: float, n: int, delta: float = 0.05) -> float:
    """Bound R(Q) by the largest p with kl(r(Q)‖p) ≤ (KL + ln(2√n/δ)) / n (Maurer, 2004).

    Never larger than McAllester's form (by Pinsker's inequality), and never above 1.
    """
    return invert_kl(risk, _complexity(kl, n, delta))


def catoni_bound(risk: float, kl: float, n: int, delta: float = 0.05, rate: float = 1.0) -> float:
    """Bound R(Q) ≤ (1 − exp(−λ r(Q) − (KL + ln(1/δ))/n)) / (1 − exp(−λ)) at a fixed λ = `rate`."""
    _check(n, delta)
    inside = rate * risk + (kl + math.log(1 / delta)) / n
    return math.expm1(-inside) / math.expm1(-rate)


def _complexity(kl: float, n: int, delta: float) -> float:
    _check(n, delta)
    return (kl + math.log(2 * math.sqrt(n) / delta)) / n


def _check(n: int, delta: float) -> None:
    if n < 8 or not 0 < delta < 1:
        raise UserError(f"n = {n}, δ = {delta}; expected at least 8 points and 0 < δ < 1")


def uniform_kl_ratio(subset: int, whole: int) -> Fraction:
    """Return exp KL(Q‖P) for Q uniform on `subset` of the `whole` elements P is uniform on.

    Every element of the support carries the same ratio (1/b)/(1/|L|), so that KL is the logarithm
    of one rational number, and this is it (arXiv:2605.05209, Theorem 7). Raises UserError unless
    1 ≤ subset ≤ whole.
    """
    if not 1 <= subset <= whole:
        raise UserError(f"a subset of {subset} of {whole} elements; expected 1 to {whole}")
    return Fraction(1, subset) / Fraction(1, whole)


@dataclass(frozen=True, eq=False)
class GaussianPosterior:
    """Hold N(mean, diag σ²) over one network's parameters, σ constant within each layer.

    mean: a stack of one network. deviations: one σ for each layer's weights and biases.
    """

    mean: Stack
    deviations: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != 1 or len(self.deviations) != len(self.mean.weights):
            raise UserError(
                f"{len(self.mean)} networks and {len(self.deviations)} deviations; expected one "
                f"network and {len(self.mean.weights)} deviations, one a layer"
            )
        if not all(sigma > 0 for sigma in self.deviations):
            raise UserError(f"deviations {self.deviations}; expected positive numbers")

    def sample(self, count: int, generator: torch.Generator) -> Stack:
        """Draw `count` networks as a stack."""

        def around(centre: Tensor, sigma: float) -> Tensor:
            shape = (count, *centre.shape[1:])
            noise = torch.randn(shape, generator=generator, dtype=centre.dtype)
            return centre + sigma * noise

        layers = list(zip(self.mean.weights, self.mean.biases, self.deviations, strict=True))
        return Stack(
            tuple(around(weight, sigma) for weight, _, sigma in layers),
            tuple(around(bias, sigma) for _, bias, sigma in layers),
        )


def gaussian_kl(
    posterior: GaussianPosterior, prior_mean: Stack, prior_deviations: Sequence[float]
) -> Tensor:
    """Return each layer's part of KL(Q‖P) in nats, (L,) float64, for two layer-wise Gaussians.

    With d parameters in a layer: d ln(σ_P/σ_Q) + d (σ_Q²/σ_P² − 1)/2 + ‖w − w₀‖²/(2 σ_P²).
    """
    parts = []
    for layer, (own, prior) in enumerate(zip(posterior.deviations, prior_deviations, strict=True)):
        size = posterior.mean.weights[layer].numel() + posterior.mean.biases[layer].numel()
        moved = squared_distances(posterior.mean, prior_mean)[layer]
        ratio = own / prior
        parts.append(size * (ratio**2 - 1 - 2 * math.log(ratio)) / 2 + moved / (2 * prior**2))
    return torch.stack(parts)


def squared_distances(first: Stack, second: Stack) -> Tensor:
    """Return ‖w − w₀‖² for each layer, weights and biases together, (L,) float64."""
    pairs = zip(first.weights, second.weights, first.biases, second.biases, strict=True)
    return torch.stack(
        [(w - v).double().square().sum() + (b - c).double().square().sum() for w, v, b, c in pairs]
    )


def sampled_risks(
    posterior: GaussianPosterior, x: Tensor, y: Tensor, samples: int, seed: int
) -> Tensor:
    """Return the error rates of `samples` networks drawn from the posterior, (samples,) float64."""
    generator = torch.Generator().manual_seed(seed)
    risks = []
    for start in range(0, samples, _SAMPLES_AT_ONCE):
        drawn = posterior.sample(min(_SAMPLES_AT_ONCE, samples - start), generator)
        wrong = logits(drawn, x).argmax(dim=-1) != y
        risks.append(wrong.double().mean(dim=-1))
    return torch.cat(risks)


def risk_upper_limit(risks: Tensor, delta: float) -> float:
    """Bound r(Q) from sampled networks' risks, with probability 1 − δ over the sampling.

    kl(mean of m risks ‖ r(Q)) ≤ ln(1/δ)/m fails with probability at most δ, as for coins, because a
    risk lies in [0, 1] (Chernoff; Langford and Caruana, 2002).
    """
    return invert_kl(float(risks.mean()), math.log(1 / delta) / len(risks))


@dataclass(frozen=True)
class Certificate:
    """Hold one network's bounds and what they were made of.

    kl includes ln(grid size) for the choice of the prior's deviations. sampled_risk is the mean
    training error of sampled networks, risk_limit its upper confidence limit, which is what enters
    the bounds. Each bound holds with probability at least 1 − delta in all, sampling included.
    """

    deviations: tuple[float, ...]
    kl: float
    sampled_risk: float
    risk_limit: float
    maurer: float
    mcallester: float
    catoni: float


@dataclass(frozen=True)
class Bounding:
    """Describe how a network is bounded: Gaussian around it, prior Gaussian around its start.

    Posterior and prior share one σ per layer, chosen from `grid`; the prior must not depend on the
    data, so all |grid|^L priors are granted δ/|grid|^L each (a union bound). The choice is made by
    coordinate descent on the first `tuning_points` training points; the final risk is sampled
    afresh. Of delta, four fifths go to the bound and one fifth to the sampling.
    """

    grid: tuple[float, ...] = tuple(round(0.02 * 2 ** (i / 2), 4) for i in range(12))
    delta: float = 0.05
    tuning_points: int = 500
    tuning_samples: int = 8
    samples: int = 200
    catoni_rate: float = 2.0


def certify(
    trained: Stack, initial: Stack, x: Tensor, y: Tensor, how: Bounding, seed: int
) -> Certificate:
    """Bound the true error of the Gaussian around a trained network, by training data alone.

    trained, initial: stacks of one network; `initial` must not depend on the points (x, y), which
    are (n, d_0) and (n,).
    """
    n = len(x)
    deviations = tune_deviations(trained, initial, x, y, how, seed)
    posterior = GaussianPosterior(trained, deviations)
    kl = _kl_with_choice(posterior, initial, how)
    risks = sampled_risks(posterior, x, y, how.samples, seed + 1)
    limit = risk_upper_limit(risks, how.delta / 5)
    delta = how.delta * 4 / 5
    return Certificate(
        deviations,
        kl,
        float(risks.mean()),
        limit,
        maurer_bound(limit, kl, n, delta),
        mcallester_bound(limit, kl, n, delta),
        catoni_bound(limit, kl, n, delta, how.catoni_rate),
    )


def tune_deviations(
    trained: Stack, initial: Stack, x: Tensor, y: Tensor, how: Bounding, seed: int
) -> tuple[float, ...]:
    """Choose each layer's σ from the grid: the one that lowers the bound, layer by layer, twice."""
    points = x[: how.tuning_points], y[: how.tuning_points]

    def value(choice: tuple[float, ...]) -> tuple[float, float]:
        posterior = GaussianPosterior(trained, choice)
        risk = float(sampled_risks(posterior, *points, how.tuning_samples, seed).mean())
        kl = _kl_with_choice(posterior, initial, how)
        return maurer_bound(risk, kl, len(x), how.delta), kl  # KL decides where the bound is 1

    chosen = (how.grid[len(how.grid) // 2],) * len(trained.weights)
    for layer in (*range(len(chosen)), *range(len(chosen))):
        options = [(*chosen[:layer], sigma, *chosen[layer + 1 :]) for sigma in how.grid]
        chosen = min(options, key=value)
    return chosen


def _kl_with_choice(posterior: GaussianPosterior, initial: Stack, how: Bounding) -> float:
    """Return KL(Q‖P) plus the price of having chosen P among all priors on the grid."""
    layers = len(posterior.deviations)
    kl = float(gaussian_kl(posterior, initial, posterior.deviations).sum())
    return kl + layers * math.log(len(how.grid))
