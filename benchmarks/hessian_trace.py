"""Time the exact Hessian trace against 50-vector Hutchinson with double backward, one core.

    python benchmarks/hessian_trace.py [--quick]

784-256-128-10 trained on real MNIST by the cross-regime protocol, n = 500 and 2,000, float32. The
published way keeps the graph of the gradient and differentiates it again for each random vector
('graph kept', the faster reading); functional APIs rebuild it for each vector ('graph rebuilt').
Accuracy: float32 against float64 on these networks, and both against a Hessian written out in
float64 on a small network.
"""

from __future__ import annotations

import argparse

import torch
from _harness import compare, pin_to_one_core, save, show
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from helpers import data
from helpers.measures.sharpness import hessian_trace
from helpers.networks import Stack, initialise
from helpers.training import SGD, train

WIDTHS, VECTORS = (784, 256, 128, 10), 50
# n, seed, learning rate, batch: two small-batch networks and a large-batch one at each n.
NETWORKS = (
    (500, 0, 0.05, 64),
    (500, 5, 0.05, 64),
    (500, 100, 0.5, 500),
    (2000, 0, 0.03, 64),
    (2000, 5, 0.03, 64),
    (2000, 100, 0.5, 2000),
)


def as_module(network: Stack) -> nn.Sequential:
    """Return one network as a plain nn.Sequential of three linear layers."""
    layers: list[nn.Module] = []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        linear = nn.Linear(weight.shape[2], weight.shape[1])
        linear.weight.data, linear.bias.data = weight[0].clone(), bias[0].clone()
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def gradient(module: nn.Module, x: Tensor, y: Tensor) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """Return the parameters and a gradient that can be differentiated again."""
    parameters = list(module.parameters())
    loss = cross_entropy(module(x), y)
    return parameters, torch.autograd.grad(loss, parameters, create_graph=True)


def quadratic_form(parameters: list[Tensor], slope: tuple[Tensor, ...], keep: bool) -> Tensor:
    """Return vᵀHv for one vector of random signs."""
    v = [torch.randint(0, 2, p.shape, dtype=p.dtype).mul_(2).sub_(1) for p in parameters]
    product = torch.autograd.grad(slope, parameters, grad_outputs=v, retain_graph=keep)
    return torch.stack([(a * b).sum() for a, b in zip(v, product, strict=True)]).sum()


def hutchinson_kept(module: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    parameters, slope = gradient(module, x, y)
    return torch.stack([quadratic_form(parameters, slope, True) for _ in range(VECTORS)])


def hutchinson_rebuilt(module: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([quadratic_form(*gradient(module, x, y), False) for _ in range(VECTORS)])


def time_network(
    dataset: data.Dataset, n: int, seed: int, rate: float, batch: int, repeats: int
) -> dict[str, object]:
    """Compare one trained network's trace both ways, in time and in value."""
    split = data.split(dataset, n)
    x, y = split.train_images, split.train_labels
    network = train(WIDTHS, [seed], x, y, SGD(rate, batch, 500), device="cpu").stack
    module = as_module(network)
    kept = compare(
        "kept", lambda: hutchinson_kept(module, x, y), lambda: hessian_trace(network, x), repeats
    )
    rebuilt = compare(
        "rebuilt",
        lambda: hutchinson_rebuilt(module, x, y),
        lambda: hessian_trace(network, x),
        max(1, repeats // 2),
    )
    exact = float(hessian_trace(network.to(torch.float64), x.double()))
    samples = hutchinson_kept(module, x, y)
    return {
        "n": n,
        "seed": seed,
        "graph kept, ms": 1e3 * kept.slow,
        "ours, ms": 1e3 * kept.fast,
        "times faster": kept.ratio,
        "graph rebuilt": rebuilt.ratio,
        "trace": float(hessian_trace(network, x)),
        "float32 error": abs(float(hessian_trace(network, x)) / exact - 1),
        "Hutchinson": float(samples.mean()),
        "its standard error": float(samples.std() / VECTORS**0.5),
    }


def against_full_hessian() -> dict[str, float]:
    """Return the worst relative errors over ten small networks, the Hessian written out."""
    worst = {"float32": 0.0, "float64": 0.0}
    for seed in range(10):
        network = initialise((20, 12, 8, 5), [seed], dtype=torch.float64)
        network = Stack(tuple(3 * w for w in network.weights), network.biases)
        x = torch.rand(40, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        y = torch.arange(40) % 5
        parts = [p for pair in zip(network.weights, network.biases, strict=True) for p in pair]
        sizes = [p.numel() for p in parts]

        def loss(theta: Tensor) -> Tensor:
            w1, b1, w2, b2, w3, b3 = (
                t.view(p.shape[1:])
                for t, p in zip(theta.split(sizes), parts, strict=True)  # noqa: B023
            )
            hidden = torch.relu(torch.relu(x @ w1.T + b1) @ w2.T + b2)  # noqa: B023
            return cross_entropy(hidden @ w3.T + b3, y)  # noqa: B023

        full = torch.func.hessian(loss)(torch.cat([p.flatten() for p in parts])).trace()
        for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
            found = hessian_trace(network.to(dtype), x.to(dtype))[0].double()
            worst[name] = max(worst[name], abs(float(found / full) - 1))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one repeat, one network at each n")
    quick = parser.parse_args().quick
    pin_to_one_core()
    dataset = data.load("mnist")
    chosen = NETWORKS[::3] if quick else NETWORKS
    rows = [time_network(dataset, *settings, repeats=1 if quick else 7) for settings in chosen]
    worst = against_full_hessian()
    show("Hessian trace, 784-256-128-10: exact against 50-vector Hutchinson, float32", rows)
    print("Largest relative error against a full float64 Hessian (20-12-8-5, ten networks): ")
    print(", ".join(f"{name} {error:.1e}" for name, error in worst.items()))
    print(f"Saved to {save('hessian_trace', rows, errors_against_full_hessian=worst)}")


if __name__ == "__main__":
    main()
