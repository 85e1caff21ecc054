"""Add up what the published tables took, against the paper's own hours, and weigh a worker.

    python benchmarks/whole_paper.py [--quick]

Time: the processor seconds of every published row, as its table's provenance records them, shared
by two workers; `python -m helpers run all` computes those rows again. The paper's 31 hours on an
A100 are the sum of its author's own logs. Memory: the peak of a fresh process that trains and
measures one network of each regime at the largest n, ten epochs long (more epochs take no more
memory). --quick leaves the memory out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import replace

from _harness import save, show

from helpers import experiments
from helpers.experiments import vanishing
from helpers.sweeps import published, results
from helpers.sweeps.forecast import core_seconds

PAPER_HOURS = 31.0
WORKERS = 2
SCALES = tuple(f"vanishing_mnist_{n}" for n in vanishing.REGIMES)
OTHERS = (
    "reparameterisation",
    "model_selection_mnist",
    "pair_proxy_mnist",
    "pair_proxy_fashion_mnist",
)
LARGEST = max(vanishing.REGIMES)


def time_table() -> list[dict[str, object]]:
    """Return a row for each part of the work: its tables, processor hours, hours of two cores."""
    beyond = [name for name in experiments.EXPERIMENTS if name not in (*SCALES, *OTHERS)]
    parts = {
        "Tables 1, 2, 6": SCALES,
        "Tables 3 to 5, rescaling": OTHERS,
        "the whole paper": (*SCALES, *OTHERS),
        "beyond the paper": beyond,
    }
    rows = []
    for part, names in parts.items():
        there = set(names) & set(published.names())
        hours = sum(core_seconds(results.read(name).provenance) for name in there) / 3600
        rows.append(
            {
                "work": part,
                "tables published": f"{len(there)} of {len(names)}",
                "processor hours": hours,
                "hours on two cores": hours / WORKERS,
                "the paper, hours on an A100": PAPER_HOURS if part == "the whole paper" else "–",
            }
        )
    return rows


def memory_table() -> list[dict[str, object]]:
    """Return the peak memory of a worker after a cell of each regime at the largest n."""
    done = subprocess.run(
        [sys.executable, __file__, "--worker"], check=True, capture_output=True, text=True
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    return [
        {"n": LARGEST, "regime": name, "peak of the worker, GB": float(gb)} for name, gb in lines
    ]


def work() -> None:
    """Run one short cell of each regime in this process and print its peak memory after each."""
    import resource

    protocol = replace(vanishing.paper_protocol("mnist", LARGEST), max_epochs=10)
    first = {cell.regime: cell for cell in reversed(protocol.cells())}
    unit = 1e9 if sys.platform == "darwin" else 1e6  # bytes there, kilobytes elsewhere
    for name, cell in first.items():
        protocol.run_cell(cell, "cpu")
        print(name, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="leave the memory of a worker out")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        work()
        return
    rows = time_table()
    show("The whole paper, from what its tables record", rows)
    memory = [] if chosen.quick else memory_table()
    if memory:
        show("Peak memory of a worker", memory)
    print("saved to", save("whole_paper", rows, memory=memory))


if __name__ == "__main__":
    main()
