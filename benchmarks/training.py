"""Time training against the plain PyTorch loop, one core, and compare where the two stop.

    python benchmarks/training.py [--quick] [--device cuda]

Real MNIST from the book's cache (fetched if need be). With --device cuda (or DEVICE=cuda in the
environment): a stack of 25 networks on a GPU against the plain loop on the same GPU, wall time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import torch
from _harness import Ratio, compare, pin_to_one_core, save, seconds, sgemm_peak, show

from helpers import data
from helpers.device import choose_device
from helpers.errors import UserError
from helpers.training import SGD, Prepared, Trained, train, train_reference

NARROW, WIDE = (784, 64, 8, 10), (784, 256, 128, 10)
# widths, n, batch, learning rate, epochs timed: the protocols' own settings.
TIMED = (
    (NARROW, 250, 64, 0.1, 60),
    (WIDE, 500, 64, 0.05, 30),
    (WIDE, 2000, 64, 0.03, 10),
    (WIDE, 60000, 64, 0.01, 10),
    (WIDE, 12000, 4096, 0.5, 20),
)
NETWORKS = 25  # trained at once on a GPU
STOPS = ((NARROW, 250, 0.1), (WIDE, 500, 0.05))


def multiplications(widths: tuple[int, ...], batch: int) -> float:
    """Return the FLOP of one dense step: forward, weight gradients, and deltas but the first."""
    sizes = [a * b for a, b in pairwise(widths)]
    return 2 * batch * (2 * sum(sizes) + sum(sizes[1:]))


def time_steps(dataset: data.Dataset, peak: float, repeats: int) -> list[dict[str, object]]:
    """Compare CPU time a network-step; both ways initialise, step and evaluate once.

    Ours gets the images prepared, as a worker hands them to all its networks but the first; what
    preparing them takes has a column of its own.
    """
    rows = []
    for widths, n, batch, rate, epochs in TIMED:
        split = data.split(dataset, n)
        x, y = split.train_images, split.train_labels
        # A target of 0 is never reached: every epoch is run, and checked once at the end.
        sgd = SGD(rate, batch, epochs, check_every=epochs, target_loss=0.0)
        steps = epochs * -(-n // batch)
        name = "-".join(map(str, widths))
        preparing = statistics.median(seconds(lambda: Prepared(x).rows) for _ in range(3))  # noqa: B023
        ready = Prepared(x)
        result = compare(
            name,
            lambda: train_reference(widths, 0, x, y, sgd),  # noqa: B023
            lambda: train(widths, [0], ready, y, sgd, device="cpu"),  # noqa: B023
            repeats if n < 12000 else min(repeats, 3),
            scale=steps,
        )
        floor = multiplications(widths, min(batch, n)) / peak
        rows.append(
            {
                "network": name,
                "n": n,
                "batch": batch,
                **result.times(1e6),
                "dense floor": 1e6 * floor,
                "preparing, ms": 1e3 * preparing,
            }
        )
        print(rows[-1], flush=True)
    return rows


def time_stacks(dataset: data.Dataset, repeats: int) -> list[dict[str, object]]:
    """Compare wall time a network-step on a GPU: the stack against one plain loop."""
    rows = []
    for widths, n, batch, rate, epochs in TIMED:
        split = data.split(dataset, n)
        x, y = split.train_images.cuda(), split.train_labels.cuda()
        sgd = SGD(rate, batch, epochs, check_every=epochs, target_loss=0.0)
        steps = epochs * -(-n // batch)

        def plain() -> None:
            train_reference(widths, 0, x, y, sgd)  # noqa: B023
            torch.cuda.synchronize()

        def ours() -> None:
            train(widths, range(NETWORKS), x, y, sgd, device="cuda")  # noqa: B023
            torch.cuda.synchronize()

        plain(), ours()
        runs = [(wall(plain) / steps, wall(ours) / steps / NETWORKS) for _ in range(repeats)]
        slow, fast = zip(*runs, strict=True)
        result = Ratio("stack", statistics.median(slow), statistics.median(fast), slow, fast)
        rows.append(
            {
                "network": "-".join(map(str, widths)),
                "n": n,
                "batch": batch,
                "networks": NETWORKS,
                **result.times(1e6),
            }
        )
    return rows


def wall(work: Callable[[], None]) -> float:
    """Return the seconds by the clock that one call takes: a GPU's are not the processor's."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare_stops(dataset: data.Dataset, seeds: range) -> list[dict[str, object]]:
    """Train both ways to the stop in float32 and compare epochs and parameters."""
    rows = []
    for widths, n, rate in STOPS:
        split = data.split(dataset, n)
        x, y = split.train_images, split.train_labels
        sgd = SGD(rate, 64, 500)
        ours = train(widths, seeds, x, y, sgd, device="cpu")
        plain = Trained.join([train_reference(widths, seed, x, y, sgd) for seed in seeds])
        pairs = zip(
            (*ours.stack.weights, *ours.stack.biases),
            (*plain.stack.weights, *plain.stack.biases),
            strict=True,
        )
        gaps = torch.stack([(a - b).abs().flatten(1).amax(1) for a, b in pairs]).amax(0)
        rows.append(
            {
                "network": "-".join(map(str, widths)),
                "n": n,
                "seeds": len(seeds),
                "same stopping epoch": int((ours.epochs == plain.epochs).sum()),
                "memorised": int(ours.memorised.sum()),
                "median largest parameter difference": float(gaps.median()),
                "largest": float(gaps.max()),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one repeat, three seeds")
    parser.add_argument("--device", choices=("cpu", "cuda"), default=os.environ.get("DEVICE"))
    chosen = parser.parse_args()
    quick = chosen.quick
    if chosen.device == "cuda":
        try:
            choose_device("cuda")
        except UserError as error:
            raise SystemExit(f"nothing timed: {error}") from None
        found = time_stacks(data.load("mnist"), 1 if quick else 5)
        show(f"{torch.cuda.get_device_name()}, float32, µs a network-step", found)
        print("saved to", save("training_cuda", found, gpu=torch.cuda.get_device_name()))
        return
    pin_to_one_core()
    dataset = data.load("mnist")
    peak = sgemm_peak()
    timings = time_steps(dataset, peak, repeats=1 if quick else 7)
    peak = max(peak, sgemm_peak())
    show(f"One core, float32, µs a step; sgemm peak {peak / 1e9:.0f} GFLOP/s", timings)
    stops = compare_stops(dataset, range(3 if quick else 20))
    show("Where the two ways stop, float32", stops)
    print("saved to", save("training", timings, sgemm_flops=peak, stops=stops))


if __name__ == "__main__":
    main()
