"""Time the pair proxy against one linear program for each pair, on one core; count differences.

    python benchmarks/pair_proxy.py [--networks 10] [--quick]

Networks 784-64-8-10 trained on real MNIST by the protocol of Tables 4 and 5 (n = 250, batch 64,
rate .1), 100 probes × 10 classes. The published way calls scipy's linprog (HiGHS, default options)
for each pair: 2,250 training rows and 9 more, 90 free unknowns. Both answer the same pairs on the
same networks in turns, and every certificate is proved; --quick takes 10 probes of two networks.
CPU seconds; our time is the median of ten runs, five before and five after the slow way. Also
printed: the time of 1,000 probes against that of 100.
"""

from __future__ import annotations

import argparse
import statistics

import torch
from _harness import pin_to_one_core, save, seconds, show

from helpers import data
from helpers.measures.pair_proxy import pair_proxy, pair_proxy_reference
from helpers.networks import features
from helpers.training import SGD, train

WIDTHS = (784, 64, 8, 10)
REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    networks, probes = (2, 10) if chosen.quick else (chosen.networks, 100)
    pin_to_one_core()
    split = data.split(data.load("mnist"), 250)
    x, y = split.train_images, split.train_labels
    many = split.unseen_images[data.probe_indices(len(split.unseen_images), 10 * probes)]
    asked = many[:probes]
    trained = train(WIDTHS, list(range(networks)), x, y, SGD(0.1, 64, 500), device="cpu")
    rows = []
    for seed in range(networks):
        net = trained.stack[seed]
        known, new, more = (features(net, part)[0].double().numpy() for part in (x, asked, many))
        head = net.weights[-1][0].double().numpy(), net.biases[-1][0].double().numpy()
        answers = {}

        def fast(known=known, new=new, head=head, answers=answers):
            answers["fast"] = pair_proxy(known, y, new, classes=10, last_layer=head)

        def slow(known=known, new=new, answers=answers):
            answers["slow"] = pair_proxy_reference(known, y, new, classes=10, careful=False)

        fast()  # loads the compiled code
        before = [seconds(fast) for _ in range(REPEATS)]
        slow_seconds = seconds(slow)
        after = [seconds(fast) for _ in range(REPEATS)]
        quick = statistics.median(before + after)
        longer = statistics.median(
            seconds(lambda k=known, m=more, h=head: pair_proxy(k, y, m, classes=10, last_layer=h))
            for _ in range(3)
        )
        answer, expected = answers["fast"], answers["slow"]
        rows.append(
            {
                "network": f"seed {seed}",
                "pair_proxy": answer.pair_proxy,
                "linprog_s": slow_seconds,
                "ours_ms": 1e3 * quick,
                "ratio": slow_seconds / quick,
                "ten_times_the_probes": longer / quick,
                "disagreements": int((answer.status != expected).sum()),
                "ambiguous": answer.ambiguous,
                "settled_exactly": answer.settled,
            }
        )
        print(rows[-1], flush=True)
    summary = [
        {"network": name} | {key: pick([row[key] for row in rows]) for key in list(rows[0])[1:]}
        for name, pick in (("median", statistics.median), ("least", min), ("most", max))
    ]
    print(f"pairs that differ: {sum(row['disagreements'] for row in rows)}")
    show(f"Pair proxy, {probes} probes × 10 classes, one core", [*rows, *summary])
    print(save("pair_proxy", [*rows, *summary], probes=probes, torch=torch.__version__))


if __name__ == "__main__":
    main()
