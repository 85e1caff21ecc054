"""Work out what training the paper's networks takes on one H100, by arithmetic, without a GPU.

    python benchmarks/training_on_gpu.py

For each table and regime: the steps that the stack of `helpers.training.stack` takes (until its
last network stops, as the published table has it), times the slowest of three bounds on a step,
plus the checks.

- launches: the operations of one step that are not views, counted here by running one, each at
  LAUNCH seconds of the host: eager PyTorch hands a GPU one after the other;
- arithmetic: the dense products of one step, at half the peak of an H100 (SXM) without TF32;
- memory: each parameter read in both passes and read and written by the update, at half the peak.

Nothing here was timed on a GPU: `python benchmarks/training.py --device cuda` does that where there
is one. What the bounds say of CUDA graphs and torch.compile: where launches rule (batch 64), a
graph would win at most the ratio of the first bound to the larger of the others, printed as `a
graph could win`; a compiled step fuses the element-wise operations, fewer launches by about a half,
but is compiled anew whenever networks that have stopped leave the stack.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from _harness import save, show
from torch.utils._python_dispatch import TorchDispatchMode

from helpers import results
from helpers.experiments import vanishing
from helpers.experiments.row import WIDTHS
from helpers.networks import initialise
from helpers.training import stack

LAUNCH = 8e-6  # seconds of the host for one eager operation; 5 to 10 µs is usual
FLOPS = 0.5 * 67e12  # float32, no tensor cores
BYTES = 0.5 * 3.35e12
CHECK_EVERY = 10


class Count(TorchDispatchMode):
    """Count the operations that would each be at least one kernel."""

    launches = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.launches += not func.is_view
        return func(*args, **(kwargs or {}))


def launches() -> int:
    """Return the operations of one step of a small stack: as many as of a large one."""
    nets = initialise(WIDTHS, range(2))
    images, labels = torch.rand(20, WIDTHS[0]), torch.arange(20) % 10
    batch = torch.arange(8).view(2, 4)
    with Count() as count:
        stack._step(nets, images[batch], labels[batch], 0.01)
    return count.launches


def step_bounds(networks: int, batch: int, count: int) -> dict[str, float]:
    """Return the three bounds on one step of a stack, in seconds."""
    sizes = [a * b for a, b in pairwise(WIDTHS)]
    flops = 2 * networks * batch * (2 * sum(sizes) + sum(sizes[1:]))
    parameters, points = networks * sum(sizes), networks * batch * sum(WIDTHS)
    moved = 4 * (4 * parameters + 4 * points)
    return {"launches": LAUNCH * count, "arithmetic": flops / FLOPS, "memory": moved / BYTES}


def main() -> None:
    rows, count = [], launches()
    for n in vanishing.REGIMES:
        protocol = vanishing.paper_protocol("mnist", n)
        epochs = results.read(protocol.name).frame.groupby("regime")["epochs"].max()
        for name in ("small_batch", "large_batch"):
            regime = getattr(protocol, name)
            networks, batch = len(regime.seeds), min(n, regime.batch_size)
            bounds = step_bounds(networks, batch, count)
            taken = int(epochs[name]) * -(-n // batch)
            slowest = max(bounds.values())
            forward = 2 * networks * n * sum(a * b for a, b in pairwise(WIDTHS)) / FLOPS
            rows.append(
                {
                    "n": n,
                    "batch": batch,
                    "steps": taken,
                    **{f"{bound}, µs": 1e6 * value for bound, value in bounds.items()},
                    "minutes": (taken * slowest + epochs[name] / CHECK_EVERY * forward) / 60,
                    "a graph could win": slowest / max(bounds["arithmetic"], bounds["memory"]),
                }
            )
    show(f"{count} operations a step, stacks of 25, one H100: expected, not timed", rows)
    total = sum(row["minutes"] for row in rows)
    print(f"training for Tables 1, 2 and 6: about {total:.1f} minutes, not timed")
    print("saved to", save("training_on_gpu", rows, launches=count, minutes=total))


if __name__ == "__main__":
    main()
