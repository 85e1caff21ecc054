"""Stacks against PyTorch's own modules, the independent oracle here."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from helpers import networks
from helpers.errors import UserError

WIDTHS = (12, 9, 7, 4)


def torch_module(widths, seed):
    """Build the network as a PyTorch user would: global seed, then the layers in order."""
    torch.manual_seed(seed)
    layers = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.fixture
def points():
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(50, 12, generator=generator)
    return x, torch.randint(4, (50,), generator=generator)


@pytest.mark.parametrize("widths", [WIDTHS, (784, 256, 128, 10), (5, 3), (6, 1, 2)])
def test_initialisation_is_pytorchs_bit_for_bit_and_the_stream_goes_on(widths):
    for seed in (0, 5, 100):
        module = torch_module(widths, seed)
        order = torch.randperm(97)
        stack, generator = networks.initialise_one(widths, seed)
        linears = [layer for layer in module if isinstance(layer, nn.Linear)]
        for layer, weight, bias in zip(linears, stack.weights, stack.biases, strict=True):
            assert torch.equal(layer.weight, weight[0])
            assert torch.equal(layer.bias, bias[0])
        assert torch.equal(torch.randperm(97, generator=generator), order)


def test_initialising_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    networks.initialise(WIDTHS, range(4))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_float64_stack_starts_where_its_float32_twin_does():
    single = networks.initialise(WIDTHS, [7, 8])
    double = networks.initialise(WIDTHS, [7, 8], dtype=torch.float64)
    assert all(
        torch.equal(a.double(), b) for a, b in zip(single.weights, double.weights, strict=True)
    )


def test_forward_agrees_with_the_module(points):
    x, y = points
    seeds = [0, 1, 2]
    stack = networks.initialise(WIDTHS, seeds, dtype=torch.float64)
    x = x.double()
    for i, seed in enumerate(seeds):
        module = torch_module(WIDTHS, seed).double()
        scores = module(x)
        torch.testing.assert_close(networks.logits(stack, x)[i], scores)
        torch.testing.assert_close(networks.features(stack, x)[i], module[:-1](x))
        hidden = networks.activations(stack, x)
        torch.testing.assert_close(hidden[0][i], module[:2](x))
        torch.testing.assert_close(hidden[1][i], module[:4](x))
        assert torch.equal(networks.predictions(stack, x)[i], scores.argmax(1))
        loss = nn.functional.cross_entropy(scores, y)
        torch.testing.assert_close(networks.cross_entropy(stack, x, y)[i], loss)
        assert networks.accuracy(stack, x, y)[i] == (scores.argmax(1) == y).double().mean()


def test_own_points_for_each_network_are_those_of_the_network_alone(points):
    stack = networks.initialise(WIDTHS, range(3), dtype=torch.float64)
    x = torch.rand(3, 50, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    together = networks.logits(stack, x)
    for i in range(3):
        torch.testing.assert_close(together[i], networks.logits(stack[i], x[i])[0])


def test_blocks_of_points_change_nothing_but_rounding(points, monkeypatch):
    stack = networks.initialise(WIDTHS, range(2), dtype=torch.float64)
    x = torch.rand(1000, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    whole = networks.logits(stack, x)
    monkeypatch.setattr(networks.stack, "_HIDDEN_BUDGET", 1)
    torch.testing.assert_close(networks.logits(stack, x), whole, rtol=1e-14, atol=1e-14)


def test_indexing_picks_networks():
    stack = networks.initialise(WIDTHS, range(6))
    assert len(stack[3]) == 1
    assert torch.equal(stack[-1].weights[0][0], stack.weights[0][5])
    assert torch.equal(stack[[0, 5]].biases[1], stack.biases[1][[0, 5]])
    assert len(stack[2:5]) == 3
    assert len(stack[torch.tensor([True, False, True, False, False, False])]) == 2
    assert [len(net) for net in stack] == [1] * 6
    assert torch.equal(networks.concatenate(list(stack)).weights[2], stack.weights[2])
    assert stack.widths == WIDTHS
    with pytest.raises(IndexError):
        stack[6]


def test_gradients_flow_through_logits(points):
    x, y = points
    stack = networks.initialise(WIDTHS, [0])
    stack.weights[0].requires_grad_()
    networks.cross_entropy(stack, x, y).sum().backward()
    assert stack.weights[0].grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: networks.initialise((5,), [0]), "make no network"),
        (lambda: networks.initialise((5, 0, 2), [0]), "make no network"),
        (lambda: networks.initialise(WIDTHS, []), "no seeds"),
        (
            lambda: networks.logits(networks.initialise(WIDTHS, [0]), torch.rand(3, 11)),
            "do not fit",
        ),
        (lambda: networks.concatenate([]), "no stacks"),
        (lambda: networks.Stack((torch.zeros(2, 3, 4),), (torch.zeros(2, 4),)), "layer 1"),
        (lambda: networks.Stack((), ()), "make no network"),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(UserError, match=message):
        action()
