"""Measure how training and the exact Hessian trace grow: width, networks, points, batch.

    python benchmarks/training_growth.py [--quick] [--publish]

Networks 784-2w-w-10 on 500 images of real MNIST, batch 64: one setting at a time moves away from
w = 64 and one network; for training also the points and, at 12,000 points, the batch. Training: CPU
seconds of one step of all the networks, from runs of a fixed number of epochs on prepared images.
Trace: CPU seconds of one call on fresh networks. One core, the median of five repeats. The exponent
is the slope of a straight line through log time against log size, over the upper half of the sizes.
--publish writes the table to results/.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import pandas as pd
from _harness import measure_growth, pin_to_one_core, save, seconds, show

from helpers import data
from helpers.measures.sharpness import hessian_trace
from helpers.networks import initialise
from helpers.training import SGD, Prepared, train

BASE = {"width": 64, "networks": 1}
SIZES = {"width": (8, 16, 32, 64, 128, 256, 512), "networks": (1, 2, 4, 8, 16, 32)}
N, BATCH, RATE, REPEATS = 500, 64, 0.05, 5
# Training alone: points and batch, at the width of the paper's networks.
LARGE_BASE = {"width": 128, "networks": 1, "points": 12_000, "batch": BATCH}
LARGE_SIZES = {
    "points": (500, 2_000, 6_000, 12_000, 24_000, 60_000),
    "batch": (16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096),
}


def shape(width: int) -> tuple[int, ...]:
    return (784, 2 * width, width, 10)


def time_training(split: data.Split, width: int, networks: int, batch: int = BATCH) -> float:
    """Return the median CPU seconds of one step of all the networks, images prepared before."""
    epochs = max(16, 4096 // width) if split.n == N else max(2, 24_000 // split.n)
    # A target of 0 is never reached: every epoch is run, and checked once at the end.
    sgd = SGD(RATE, batch, epochs, check_every=epochs, target_loss=0.0)
    points = Prepared(split.train_images), split.train_labels

    def work() -> None:
        train(shape(width), range(networks), *points, sgd, device="cpu")

    return median(work) / (epochs * -(-split.n // batch))


def time_trace(split: data.Split, width: int, networks: int) -> float:
    """Return the median CPU seconds of the trace of all the networks, one call."""
    stack = initialise(shape(width), range(networks))
    calls = max(1, 512 // (width * networks))

    def work() -> None:
        for _ in range(calls):
            hessian_trace(stack, split.train_images)

    return median(work) / calls


def median(work: Callable[[], None]) -> float:
    work()  # compiles, and fills the caches
    return statistics.median(seconds(work) for _ in range(REPEATS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="leave the two largest sizes out")
    parser.add_argument("--publish", action="store_true", help="write results/growth_training")
    chosen = parser.parse_args()
    pin_to_one_core()
    dataset = data.load("mnist")
    split = data.split(dataset, N)
    rows = []
    for name, measure in (("training step", time_training), ("Hessian trace", time_trace)):
        rows += measure_growth(
            SIZES,
            BASE,
            lambda setting, measure=measure: {"cpu_seconds": measure(split, **setting)},
            chosen.quick,
            work=name,
        )
    large = measure_growth(
        LARGE_SIZES,
        LARGE_BASE,
        lambda setting: {
            "cpu_seconds": time_training(
                data.split(dataset, setting["points"]),
                *(setting[name] for name in ("width", "networks", "batch")),
            )
        },
        chosen.quick,
        work="training step",
    )
    show("Training and trace: growth, one core", rows)
    show("Training: growth with points and batch, one core", large)
    print(save("training_growth", rows, points_and_batch=large))
    if chosen.publish:
        publish(pd.DataFrame(rows), time.process_time())


def publish(frame: pd.DataFrame, taken: float) -> None:
    """Write the table to results/ with its provenance."""
    from helpers.sweeps import results
    from helpers.sweeps.fingerprint import code_fingerprint

    codes = (
        code_fingerprint("helpers.training.run", "train"),
        code_fingerprint("helpers.measures.sharpness.trace", "hessian_trace"),
    )
    provenance = results.provenance(
        {
            "base": BASE,
            "sizes": SIZES,
            "shape": "784-2w-w-10",
            "dataset": "mnist",
            **{"n": N, "batch_size": BATCH, "learning_rate": RATE, "repeats": REPEATS},
        },
        seeds=range(max(SIZES["networks"])),
        device="cpu",
        wall_seconds=taken,
        code_fingerprint="-".join(codes),
        command="python benchmarks/training_growth.py --publish",
    )
    print(results.write("growth_training", frame, provenance))


if __name__ == "__main__":
    main()
