"""Measure how the pair proxy's time grows with features, classes, training points and probes.

    python benchmarks/pair_proxy_growth.py [--quick] [--publish]

One setting at a time moves away from d = 8, K = 10, n = 250, 100 probes. Features are Gaussian,
rectified, with labels from a random linear head that gets every one of them right, so each size is
separable; the head is the starting point. CPU seconds, one core, the median of three draws. The
exponent is the slope of a straight line through log time against log size, over the upper half of
the sizes. --publish writes the table to results/.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
import pandas as pd
from _harness import measure_growth, pin_to_one_core, save, seconds, show

from helpers.measures.pair_proxy import pair_proxy

BASE = {"d": 8, "classes": 10, "n": 250, "probes": 100}
SIZES = {
    "d": (4, 8, 16, 32, 64, 128),
    "classes": (2, 5, 10, 20, 50, 100),
    "n": (100, 250, 500, 1_000, 2_500, 5_000),
    "probes": (10, 30, 100, 300, 1_000),
}
DRAWS = 3
SECONDS_A_SIZE = 40.0  # a size that takes longer is measured on one draw only


def draw(seed: int, d: int, classes: int, n: int, probes: int) -> dict:
    """Draw rectified Gaussian features and a head; its answers are the labels."""
    rng = np.random.default_rng(seed)
    points = np.maximum(rng.normal(size=(n + probes, d)), 0.0)
    weights, bias = rng.normal(size=(classes, d)), 0.1 * rng.normal(size=classes)
    return {
        "features": points[:n],
        "labels": (points[:n] @ weights.T + bias).argmax(axis=1),
        "probes": points[n:],
        "classes": classes,
        "last_layer": (weights, bias),
    }


def measure(setting: dict[str, int]) -> dict:
    """Time one setting and describe the answers."""
    times, answers = [], []
    for seed in range(DRAWS):
        inputs = draw(seed, **setting)
        times.append(seconds(lambda inputs=inputs: answers.append(pair_proxy(**inputs))))
        if times[-1] > SECONDS_A_SIZE / DRAWS:
            break
    return {
        "cpu_seconds": statistics.median(times),
        "draws": len(times),
        "feasible_share": float(np.mean([a.status == 1 for a in answers])),
        "steps": int(np.mean([a.steps for a in answers])),
        "ambiguous": sum(a.ambiguous for a in answers),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="leave the two largest sizes out")
    parser.add_argument("--publish", action="store_true", help="write results/growth_pair_proxy")
    chosen = parser.parse_args()
    pin_to_one_core()
    pair_proxy(**draw(0, **BASE))  # compiles
    rows = measure_growth(SIZES, BASE, measure, chosen.quick)
    show("Pair proxy: growth, one core", rows)
    print(save("pair_proxy_growth", rows))
    if chosen.publish:
        publish(pd.DataFrame(rows))


def publish(frame: pd.DataFrame) -> None:
    """Write the table to results/ with its provenance."""
    from helpers.sweeps import results
    from helpers.sweeps.fingerprint import code_fingerprint

    provenance = results.provenance(
        {"base": BASE, "sizes": SIZES, "draws": DRAWS},
        seeds=range(DRAWS),
        device="cpu",
        wall_seconds=float((frame["cpu_seconds"] * frame["draws"]).sum()),
        code_fingerprint=code_fingerprint("helpers.measures.pair_proxy.solve", "pair_proxy"),
        command="python benchmarks/pair_proxy_growth.py --publish",
    )
    print(results.write("growth_pair_proxy", frame, provenance))


if __name__ == "__main__":
    main()
