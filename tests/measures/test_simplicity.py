"""Each measure against its definition written out, and against the symmetries it claims."""

import itertools
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import UserError
from helpers.measures import simplicity
from helpers.measures.lempel_ziv import lempel_ziv_76, lempel_ziv_78
from helpers.networks import Stack, features, initialise, logits, predictions

WIDTHS = (5, 7, 6, 4)


@pytest.fixture
def stack():
    return initialise(WIDTHS, range(3), dtype=torch.float64)


@pytest.fixture
def points():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(40, 5, generator=generator, dtype=torch.float64)
    return x, torch.randint(0, 4, (40,), generator=generator)


def rescaled(stack, seed, reach=4.0):
    """Scale each hidden unit's inputs by its own factor and its outputs by the inverse."""
    generator = torch.Generator().manual_seed(seed)
    weights, biases = list(stack.weights), list(stack.biases)
    for layer in range(len(weights) - 1):
        exponent = torch.rand(biases[layer].shape, generator=generator, dtype=torch.float64)
        factor = torch.exp(reach * (exponent - 0.5))
        weights[layer] = weights[layer] * factor[:, :, None]
        biases[layer] = biases[layer] * factor
        weights[layer + 1] = weights[layer + 1] / factor[:, None, :]
    return Stack(tuple(weights), tuple(biases))


def permuted(stack, seed):
    generator = torch.Generator().manual_seed(seed)
    weights, biases = list(stack.weights), list(stack.biases)
    for layer in range(len(weights) - 1):
        order = torch.randperm(biases[layer].shape[1], generator=generator)
        weights[layer], biases[layer] = weights[layer][:, order], biases[layer][:, order]
        weights[layer + 1] = weights[layer + 1][:, :, order]
    return Stack(tuple(weights), tuple(biases))


# ---------------------------------------------------------------- norms


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("biases", [True, False])
def test_the_path_norm_sums_over_paths(stack, power, biases):
    (w1, w2, w3), (b1, b2, b3) = (
        [p[1].abs().pow(power) for p in parameters] for parameters in (stack.weights, stack.biases)
    )
    total = 0.0
    for i, j, k, m in itertools.product(*map(range, WIDTHS)):
        total += w1[j, i] * w2[k, j] * w3[m, k]
    if biases:
        for j, k, m in itertools.product(*map(range, WIDTHS[1:])):
            total += b1[j] * w2[k, j] * w3[m, k]
        for k, m in itertools.product(*map(range, WIDTHS[2:])):
            total += b2[k] * w3[m, k]
        total += b3.sum()
    found = simplicity.path_norm(stack, power=power, biases=biases)
    assert found.shape == (3,)
    assert found[1].item() == pytest.approx(total.item() ** (1 / power))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1, 2]), st.booleans())
def test_the_path_norm_survives_rescaling_and_the_weight_norms_do_not(seed, power, biases):
    stack = initialise(WIDTHS, [seed % 1000, 5], dtype=torch.float64)
    moved = rescaled(stack, seed)
    x = torch.randn(9, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(logits(moved, x), logits(stack, x), rtol=1e-10, atol=1e-12)
    before = simplicity.path_norm(stack, power=power, biases=biases)
    after = simplicity.path_norm(moved, power=power, biases=biases)
    torch.testing.assert_close(after, before, rtol=1e-12, atol=0)
    for measure in (simplicity.weight_l1_norm, simplicity.weight_l2_norm):
        assert not torch.allclose(measure(moved), measure(stack), rtol=1e-3)


def test_weight_norms_are_those_of_the_flat_vector(stack):
    for biases in (True, False):
        rows = [
            torch.cat([p[1].flatten() for p in stack.weights + (stack.biases if biases else ())])
        ]
        assert simplicity.weight_l1_norm(stack, biases=biases)[1] == pytest.approx(
            rows[0].norm(p=1).item()
        )
        assert simplicity.weight_l2_norm(stack, biases=biases)[1] == pytest.approx(
            rows[0].norm().item()
        )


def test_spectral_norms_and_the_bound_they_give(stack, points):
    norms = simplicity.spectral_norms(stack)
    expected = [np.linalg.norm(w[2].numpy(), 2) for w in stack.weights]
    np.testing.assert_allclose(norms[2].numpy(), expected)
    product = simplicity.spectral_norm_product(stack)
    x, _ = points
    a, b = logits(stack, x[:20]), logits(stack, x[20:])
    slope = ((a - b).norm(dim=2) / (x[:20] - x[20:]).norm(dim=1)).amax(1)
    assert (slope <= product).all()
    s = np.array(expected)
    two_one = np.array([np.linalg.norm(w[2].numpy(), axis=1).sum() for w in stack.weights])
    by_hand = s.prod() * ((two_one / s) ** (2 / 3)).sum() ** 1.5
    assert simplicity.spectral_complexity(stack)[2].item() == pytest.approx(by_hand)


# ---------------------------------------------------------------- margins


def test_margins_are_label_less_runner_up(stack, points):
    x, y = points
    scores = logits(stack, x).numpy()
    expected = np.array(
        [
            [row[label] - max(np.delete(row, label)) for row, label in zip(net, y, strict=True)]
            for net in scores
        ]
    )
    found = simplicity.margins(stack, x, y)
    np.testing.assert_allclose(found.numpy(), expected)
    right = predictions(stack, x) == y
    assert torch.equal(found > 0, right)
    np.testing.assert_allclose(simplicity.margin(stack, x, y, quantile=0), expected.min(1))
    np.testing.assert_allclose(
        simplicity.margin(stack, x, y, norm="path"),
        np.quantile(expected, 0.1, axis=1) / simplicity.path_norm(stack).numpy(),
    )
    with pytest.raises(UserError, match="unknown norm"):
        simplicity.margin(stack, x, y, norm="l7")


def test_margins_of_a_large_sample(stack):
    x = torch.zeros(200_000, 5, dtype=torch.float64)
    y = torch.zeros(200_000, dtype=torch.long)
    assert simplicity.margin(stack[0], x, y).shape == (1,)


def test_what_is_invariant(stack, points):
    x, y = points
    moved, shuffled = rescaled(stack, 3), permuted(stack, 4)
    for other in (moved, shuffled):
        for norm in (None, "path"):
            torch.testing.assert_close(
                simplicity.margin(other, x, y, norm=norm), simplicity.margin(stack, x, y, norm=norm)
            )
        assert torch.equal(simplicity.feature_rank(other, x), simplicity.feature_rank(stack, x))
        for method in simplicity.COMPRESSORS:
            assert torch.equal(
                simplicity.prediction_complexity(other, x, method=method),
                simplicity.prediction_complexity(stack, x, method=method),
            )
    ratio = simplicity.participation_ratio(stack, x)
    torch.testing.assert_close(simplicity.participation_ratio(shuffled, x), ratio)
    assert not torch.allclose(simplicity.participation_ratio(moved, x), ratio, rtol=1e-3)


# ---------------------------------------------------------------- features


def linear_head(h, scales):
    """Make a network whose features at x are relu(scales · x): whatever the test wants."""
    eye = torch.diag(torch.tensor(scales, dtype=torch.float64))[None]
    zero = torch.zeros(1, h, dtype=torch.float64)
    return Stack((eye, torch.ones(1, 2, h, dtype=torch.float64)), (zero, zero[:, :2]))


def test_ranks_of_features_that_are_known():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4000, 4, generator=generator, dtype=torch.float64)
    even = linear_head(4, [1.0, 1.0, 1.0, 1.0])
    assert simplicity.feature_rank(even, x).item() == 4
    assert simplicity.participation_ratio(even, x).item() == pytest.approx(4, abs=0.05)
    assert simplicity.live_units(even, x).item() == 4
    dead = linear_head(4, [1.0, 1.0, 0.0, -1.0])
    assert simplicity.feature_rank(dead, x).item() == 2
    assert simplicity.participation_ratio(dead, x).item() == pytest.approx(2, abs=0.02)
    assert simplicity.live_units(dead, x).item() == 2
    nothing = linear_head(4, [0.0, 0.0, 0.0, 0.0])
    for measure in (
        simplicity.feature_rank,
        simplicity.participation_ratio,
        simplicity.live_units,
    ):
        assert measure(nothing, x).item() == 0


def test_participation_ratio_by_eigenvalues(stack, points):
    x, _ = points
    ratios = simplicity.participation_ratio(stack, x)
    for net, ratio in zip(features(stack, x).numpy(), ratios, strict=True):
        eigenvalues = np.linalg.eigvalsh(np.cov(net.T))
        assert ratio.item() == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())


# ---------------------------------------------------------------- compressibility


def naive_76(s):
    """The definition: extend the phrase while it occurs in what precedes its last symbol."""
    phrases, start = 0, 0
    while start < len(s):
        end = start + 1
        while end < len(s) and s[start:end] in s[: end - 1]:
            end += 1
        phrases, start = phrases + 1, end
    return phrases


def naive_78(s):
    seen, phrase, phrases = set(), "", 0
    for symbol in s:
        phrase += symbol
        if phrase not in seen:
            seen.add(phrase)
            phrases, phrase = phrases + 1, ""
    return phrases + (phrase != "")


def digits(s):
    return [int(c) for c in s]


def test_textbook_parsings():
    # Lempel and Ziv (1976) and Kaspar and Schuster (1987): 0·001·10·100·1000·101.
    assert lempel_ziv_76(digits("0001101001000101")) == 6
    # Cover and Thomas, section 13.4: 1·0·11·01·010·00·10.
    assert lempel_ziv_78(digits("1011010100010")) == 7
    assert lempel_ziv_76([7] * 50) == 2
    assert lempel_ziv_76([3]) == lempel_ziv_78([3]) == 1


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="012", min_size=1, max_size=60))
def test_parsings_follow_their_definitions(s):
    assert lempel_ziv_76(digits(s)) == naive_76(s)
    assert lempel_ziv_78(digits(s)) == naive_78(s)


def test_random_answers_are_complex_and_orderly_ones_simple():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 10, 5000)
    order = np.arange(5000) // 500
    assert lempel_ziv_76(noise) > 50 * lempel_ziv_76(order)
    assert lempel_ziv_78(noise) > 3 * lempel_ziv_78(order)
    # Ziv's bound: c(n) log_k(n) / n tends to 1 for random sequences.
    assert lempel_ziv_76(noise) * np.log(5000) / np.log(10) / 5000 == pytest.approx(1, abs=0.2)


def test_complexity_of_predictions(stack, points):
    x, _ = points
    labels = predictions(stack, x)[1].tolist()
    n = len(labels)
    both = lempel_ziv_76(labels) + lempel_ziv_76(labels[::-1])
    found = simplicity.prediction_complexity(stack, x)
    assert found.shape == (3,)
    assert found[1].item() == pytest.approx(np.log2(n) * both / 2)
    packed = simplicity.prediction_complexity(stack, x, method="zlib")[1].item()
    assert packed == 8 * len(zlib.compress(bytes(labels), 9))
    with pytest.raises(UserError, match="unknown method"):
        simplicity.prediction_complexity(stack, x, method="gzip")
    with pytest.raises(UserError, match="expected at least 2"):
        simplicity.prediction_complexity(stack, x[:1])
    with pytest.raises(UserError, match="expected a sequence of integers"):
        lempel_ziv_76([])
