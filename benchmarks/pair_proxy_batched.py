"""Time the pair proxy of many networks as one batch against one network after another on a core.

    python benchmarks/pair_proxy_batched.py [--networks 10] [--probes 1000] [--device auto]

Networks 784-64-8-10 trained on real MNIST by the protocol of Tables 4 and 5, probes × 10 classes.
Wall time, as a GPU leaves the CPU idle. Without a GPU both ways run on the CPU, where the batch is
the slower one: it is written for many cores at once.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from _harness import pin_to_one_core, save, show

from helpers import data
from helpers.device import choose_device, device_name
from helpers.networks import features
from helpers.training import SGD, train
from helpers.weakness.pair_proxy import pair_proxy
from helpers.weakness.pair_proxy.batched import pair_proxy_batched

WIDTHS = (784, 64, 8, 10)
REPEATS = 3


def wall(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--probes", type=int, default=1000)
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    device = choose_device(chosen.device).type
    if device == "cpu":
        print("no GPU here: both ways are timed on one core of the CPU")
    pin_to_one_core()
    split = data.split(data.load("mnist"), 250)
    x, y = split.train_images, split.train_labels
    asked = split.unseen_images[data.probe_indices(len(split.unseen_images), chosen.probes)]
    seeds = list(range(chosen.networks))
    stack = train(WIDTHS, seeds, x, y, SGD(0.1, 64, 500), device="cpu").stack
    known, new = (features(stack, part).double().numpy() for part in (x, asked))
    heads = stack.weights[-1].double().numpy(), stack.biases[-1].double().numpy()
    answers = {}

    def single():
        answers["single"] = [
            pair_proxy(known[at], y, new[at], classes=10, last_layer=(heads[0][at], heads[1][at]))
            for at in seeds
        ]

    def batch():
        answers["batch"] = pair_proxy_batched(
            known, y, new, classes=10, last_layers=heads, device=device
        )

    single(), batch()  # loads compiled code and libraries
    times = [(wall(single), wall(batch)) for _ in range(REPEATS)]
    one, many = (statistics.median(part) / len(seeds) for part in zip(*times, strict=True))
    found = answers["batch"]
    row = {
        "device": device_name(chosen.device),
        "networks": len(seeds),
        "probes": chosen.probes,
        "one_core_ms": 1e3 * one,
        "batch_ms": 1e3 * many,
        "ratio": one / many,
        "disagreements": sum(
            int((a.status != b.status).sum())
            for a, b in zip(answers["single"], found.answers, strict=True)
        ),
        "left_to_cpu": int(found.undecided.sum()),
    }
    show("Pair proxy as one batch, per network", [row])
    print(save("pair_proxy_batched", [row], torch=torch.__version__))


if __name__ == "__main__":
    main()
