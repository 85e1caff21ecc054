"""What each map keeps: to the last bit where it says so, within roundings where it says so."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from helpers import networks
from helpers.errors import UserError
from helpers.networks import reparameterise as rp

WIDTHS = (64, 12, 7, 10)
DTYPES = st.sampled_from([torch.float32, torch.float64])
SEEDS = st.integers(0, 10_000)
LAYERS = st.integers(0, 1)
POINTS = torch.tensor(load_digits().data[:60] / 16)
property_test = settings(max_examples=40, deadline=None)


def make(seed, dtype=torch.float64, networks_in_stack=2):
    seeds = range(seed, seed + networks_in_stack)
    return networks.initialise(WIDTHS, seeds, dtype=dtype), POINTS.to(dtype)


def with_dead_units(seed, layer, dtype=torch.float64):
    """Two networks in which units 1 and 4 of the layer are off on the points, near or far."""
    stack, x = make(seed, dtype)
    biases = [b.clone() for b in stack.biases]
    biases[layer][:, [1, 4]] = -50.0
    return networks.Stack(stack.weights, tuple(biases)), x


@property_test
@given(seed=SEEDS, layer=LAYERS, power=st.integers(-20, 20), dtype=DTYPES)
def test_scaling_a_layer_by_a_power_of_two_keeps_logits_to_the_last_bit(seed, layer, power, dtype):
    stack, x = make(seed, dtype)
    scaled = rp.scale_layers(stack, layer, 2.0**power)
    assert torch.equal(networks.logits(scaled, x), networks.logits(stack, x))
    assert torch.equal(scaled.weights[layer], stack.weights[layer] * 2.0**power)
    assert torch.equal(scaled.weights[layer + 1], stack.weights[layer + 1] * 2.0**-power)


@property_test
@given(seed=SEEDS, layer=LAYERS, factor=st.floats(1e-3, 1e3), dtype=DTYPES)
def test_scaling_a_layer_by_any_factor_keeps_logits_within_roundings(seed, layer, factor, dtype):
    stack, x = make(seed, dtype)
    before = networks.logits(stack, x)
    after = networks.logits(rp.scale_layers(stack, layer, factor), x)
    tolerance = 100 * torch.finfo(dtype).eps
    torch.testing.assert_close(after, before, rtol=tolerance, atol=tolerance)


@property_test
@given(seed=SEEDS, layer=LAYERS, powers=st.data(), dtype=DTYPES)
def test_scaling_units_by_own_powers_of_two_is_exact(seed, layer, powers, dtype):
    stack, x = make(seed, dtype)
    count = 2 * WIDTHS[layer + 1]
    drawn = powers.draw(st.lists(st.integers(-10, 10), min_size=count, max_size=count))
    factors = (2.0 ** torch.tensor(drawn, dtype=torch.float64)).view(2, -1)
    scaled = rp.scale_units(stack, layer, factors)
    assert torch.equal(networks.logits(scaled, x), networks.logits(stack, x))
    on = [hidden > 0 for hidden in networks.activations(stack, x)]
    assert all(
        torch.equal(hidden > 0, was)
        for hidden, was in zip(networks.activations(scaled, x), on, strict=True)
    )


@property_test
@given(seed=SEEDS, layer=LAYERS, shared=st.booleans())
def test_permuting_units_keeps_logits_and_permutes_features(seed, layer, shared):
    stack, x = make(seed)
    generator = torch.Generator().manual_seed(seed)
    units = WIDTHS[layer + 1]
    order = torch.stack([torch.randperm(units, generator=generator) for _ in range(2)])
    permuted = rp.permute_units(stack, layer, order[0] if shared else order)
    torch.testing.assert_close(
        networks.logits(permuted, x), networks.logits(stack, x), rtol=1e-13, atol=1e-13
    )
    own = order[:1].expand(2, -1) if shared else order
    for i in range(2):
        before = networks.activations(stack, x)[layer][i][:, own[i]]
        torch.testing.assert_close(networks.activations(permuted, x)[layer][i], before)
    inverse = order.argsort(dim=1)
    if not shared:
        back = rp.permute_units(permuted, layer, inverse)
        assert torch.equal(back.weights[layer + 1], stack.weights[layer + 1])


@property_test
@given(seed=SEEDS, layer=LAYERS, dtype=DTYPES)
def test_rewriting_dead_units_changes_no_bit_where_they_were_dead(seed, layer, dtype):
    stack, x = with_dead_units(seed, layer, dtype)
    dead = rp.dead_units(stack, layer, x)
    assert dead[:, [1, 4]].all()
    assume(not dead.all(dim=1).any())  # a network with no live unit at all is refused, by design
    rewritten = rp.rewrite_dead_units(stack, layer, x, seed)
    assert (networks.logits(rewritten, x) - networks.logits(stack, x)).abs().max() == 0.0
    revived = (networks.activations(rewritten, x)[layer] > 0).to(dtype).mean(dim=1)[dead]
    assert ((revived > 0.25) & (revived < 0.75)).all()
    # Only the dead units' own parameters moved.
    assert torch.equal(rewritten.weights[layer][~dead], stack.weights[layer][~dead])
    assert torch.equal(rewritten.biases[layer][~dead], stack.biases[layer][~dead])


def test_the_rewrite_is_exact_just_where_the_units_were_off():
    stack, x = make(3, networks_in_stack=1)
    # A unit that is off on the first thirty points, and on for some of the others.
    with_bias = [b.clone() for b in stack.biases]
    reach = (x @ stack.weights[0][0].T)[:, 2]
    with_bias[0][0, 2] = -reach[:30].max() - 1e-6
    stack = networks.Stack(stack.weights, tuple(with_bias))
    on = networks.activations(stack, x)[0][0, :, 2] > 0
    assert not on[:30].any()
    assert on[30:].any()
    dead = rp.dead_units(stack, 0, x[:30])
    assert dead[0, 2]
    rewritten = rp.rewrite_dead_units(stack, 0, x[:30], seed=1)
    off = (networks.activations(stack, x)[0][0][:, dead[0]] == 0).all(dim=1)
    change = (networks.logits(rewritten, x) - networks.logits(stack, x)).abs().amax(dim=2)[0]
    assert (change[off] == 0.0).all()
    assert (change[~off] > 0.0).all()


@property_test
@given(seed=SEEDS, layer=LAYERS, size=st.floats(1e-3, 1e3))
def test_a_unit_with_no_outgoing_weight_may_be_anything(seed, layer, size):
    stack, x = make(seed)
    units = torch.zeros(2, WIDTHS[layer + 1], dtype=torch.bool)
    units[0, 0] = units[1, 3] = True
    silent = rp.silence_units(stack, layer, units)
    generator = torch.Generator().manual_seed(seed)
    incoming = size * torch.randn(stack.weights[layer].shape, generator=generator).double()
    biases = size * torch.randn(stack.biases[layer].shape, generator=generator).double()
    other = rp.replace_inputs(silent, layer, units, incoming, biases)
    assert torch.equal(networks.logits(other, x), networks.logits(silent, x))
    assert torch.equal(other.weights[layer][0, 0], incoming[0, 0])
    assert torch.equal(other.weights[layer][0, 1], stack.weights[layer][0, 1])
    with pytest.raises(UserError, match="not zero"):
        rp.replace_inputs(stack, layer, units, incoming, biases)


@property_test
@given(seed=SEEDS, condition=st.floats(1, 1e6))
def test_a_mapped_head_reads_the_same_logits(seed, condition):
    stack, x = make(seed)
    head = rp.Head(networks.features(stack, x), stack.weights[-1], stack.biases[-1])
    generator = torch.Generator().manual_seed(seed)
    width = WIDTHS[-2]
    left, right = (
        torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64)).Q
        for _ in range(2)
    )
    stretch = torch.logspace(0, -float(torch.tensor(condition).log10()), width, dtype=torch.float64)
    shift = torch.randn(width, generator=generator, dtype=torch.float64)
    mapped = rp.map_features(head, left @ stretch.diag() @ right, shift)
    torch.testing.assert_close(head.logits(), networks.logits(stack, x))
    torch.testing.assert_close(mapped.logits(), head.logits(), rtol=0, atol=1e-13 * condition)


STACK, _ = make(0)
NOBODY = torch.zeros(2, 12, dtype=torch.bool)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: rp.scale_layers(STACK, 2, 2.0), "not a hidden layer"),
        (lambda: rp.scale_layers(STACK, -1, 2.0), "not a hidden layer"),
        (lambda: rp.scale_layers(STACK, 0, 0.0), "positive"),
        (lambda: rp.scale_layers(STACK, 0, -2.0), "positive"),
        (lambda: rp.scale_layers(STACK, 0, float("nan")), "positive"),
        (lambda: rp.scale_units(STACK, 0, [1.0, 2.0]), "shape"),
        (lambda: rp.permute_units(STACK, 0, [0] * 12), "not a permutation"),
        (lambda: rp.silence_units(STACK, 0, NOBODY[:, :3]), "expected torch.bool"),
        (lambda: rp.silence_units(STACK, 0, NOBODY.long()), "expected torch.bool"),
        (lambda: rp.map_features(rp.Head(POINTS, POINTS, POINTS[0]), torch.eye(3)), "does not fit"),
        (
            lambda: rp.map_features(
                rp.Head(POINTS, POINTS[:10], POINTS[0, :10]), torch.zeros(64, 64)
            ),
            "singular",
        ),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(UserError, match=message):
        action()
