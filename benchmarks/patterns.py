"""Time the exact count of distinct activation patterns against two Python loops, one core.

    python benchmarks/patterns.py [--quick] [--full]

69,500 points × 256 units: the unseen pool at n = 500 and the first hidden layer of 784-256-128-10,
from a network as initialised (nearly all patterns differ) and from synthetic layers with few
patterns or none in common. All three ways start from the same boolean array and pack it.
The loop that copies the packed array once per row is quadratic: by default it is timed on 2,000 of
its rows, each still copying the whole array, and scaled to all of them; `--full` runs them all.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
from _harness import compare, pin_to_one_core, save, seconds, show

from helpers import data
from helpers.measures.regions import count_patterns, count_patterns_by_row, count_patterns_copying
from helpers.networks import activations, initialise

POINTS, UNITS, SAMPLED_ROWS = 69_500, 256, 2_000


def layers() -> dict[str, np.ndarray]:
    """Return the boolean arrays to count, (69,500, 256) each."""
    rng = np.random.default_rng(0)
    pool = rng.random((3_000, UNITS)) < 0.5
    split = data.split(data.load("mnist"), 500)
    images = split.unseen_images[:POINTS]
    stack = initialise((784, UNITS, 128, 10), [0])
    on = [(activations(stack, part)[0][0] > 0).numpy() for part in images.split(4096)]
    return {
        "MNIST, layer 1": np.concatenate(on),
        "random, all distinct": rng.random((POINTS, UNITS)) < 0.5,
        "random, 3,000 distinct": pool[rng.integers(0, len(pool), POINTS)],
    }


def ours(active: np.ndarray) -> int:
    """Count as the book does: pack, then one pass through an exact hash table."""
    return int(count_patterns(np.packbits(active, axis=1)[None])[0])


def time_layer(name: str, active: np.ndarray, repeats: int, full: bool) -> dict[str, object]:
    """Check that the three ways agree and time them."""
    count = ours(active)
    assert count == count_patterns_by_row(active)
    hoisted = compare(name, lambda: count_patterns_by_row(active), lambda: ours(active), repeats)
    sampled = len(active) if full else SAMPLED_ROWS
    times = [seconds(lambda: count_patterns_copying(active, sampled)) for _ in range(3 - 2 * full)]
    copying = statistics.median(times) * (len(active) / sampled)
    return {
        "layer": name,
        "patterns": count,
        "copy per row, s": copying,
        "rows run": sampled,
        "copy hoisted, ms": 1e3 * hoisted.slow,
        "ours, ms": 1e3 * hoisted.fast,
        "times copy per row": copying / hoisted.fast,
        "times hoisted": hoisted.ratio,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--full", action="store_true", help="run the quadratic loop to the end")
    arguments = parser.parse_args()
    pin_to_one_core()
    repeats = 5 if arguments.quick else 15
    rows = [time_layer(name, on, repeats, arguments.full) for name, on in layers().items()]
    show("Distinct activation patterns, 69,500 × 256 (copy per row scaled from 'rows run')", rows)
    print(f"Saved to {save('patterns', rows)}")


if __name__ == "__main__":
    main()
