"""A stack of ReLU networks trained together by batched matrix products: the way for a GPU.

The mathematics is that of `kernels`, written with PyTorch so that it runs on any device.

Expected of one H100, by arithmetic (benchmarks/training_on_gpu.py; not timed, for want of one): a
step of 25 networks 784-256-128-10 at batch 64 is 26 operations, some 0.2 ms of launches against
0.05 ms of products and 0.07 ms of memory; at batch 4,096 the products take 3 ms. Training for the
paper's Tables 1, 2 and 6 then takes about 2 of the 15 minutes allowed. CUDA graphs would bring the
small batches closer to the memory's bound, at most 2.8 times nearer; a minute is not worth code
that nobody here could run, nor is torch.compile, which compiles anew when a stack shrinks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from helpers.networks import Stack, concatenate, initialise_one
from helpers.training.protocol import SGD, Trained, finished

Progress = Callable[[int], None]


def train_stack(
    widths: Sequence[int],
    seeds: Sequence[int],
    images: Tensor,
    labels: Tensor,
    sgd: SGD,
    *,
    advance: Progress = lambda epochs: None,
) -> Trained:
    """Train one network a seed, all at once, on the device and in the dtype of `images`.

    Each network has its own order of the points; at each check those that are done leave the stack,
    and so cannot change any more.
    """
    drawn = [initialise_one(widths, seed) for seed in seeds]
    generators = [generator for _, generator in drawn]
    stack = concatenate([net for net, _ in drawn]).to(images.dtype).to(images.device)
    results: list[Trained | None] = [None] * len(seeds)
    active = list(range(len(seeds)))
    n = len(images)
    for epoch in range(1, sgd.max_epochs + 1):
        orders = torch.stack([torch.randperm(n, generator=generators[i]) for i in active])
        rate = sgd.rate(epoch)
        for batch in orders.to(images.device).split(sgd.batch_size, dim=1):
            _step(stack, images[batch], labels[batch], rate)
        if sgd.checks(epoch):
            right, loss = _evaluate(stack, images, labels)
            advance(sgd.epochs_since_check(epoch) * len(active))
            done = [
                finished(sgd, epoch, n, int(r), float(total))
                for r, total in zip(right, loss, strict=True)
            ]
            for place, outcome in enumerate(done):
                if outcome is not None:
                    results[active[place]] = outcome.with_stack(stack[place])
                    advance(sgd.max_epochs - epoch)
            keep = [place for place, outcome in enumerate(done) if outcome is None]
            if not keep:
                break
            if len(keep) < len(active):
                stack, active = stack[keep], [active[place] for place in keep]
    return Trained.join([result for result in results if result is not None])


def _step(stack: Stack, x: Tensor, y: Tensor, rate: float) -> None:
    """Take one SGD step in place; x is (M, b, d_0) and y is (M, b)."""
    inputs = [x]
    for layer, (weight, bias) in enumerate(zip(stack.weights, stack.biases, strict=True)):
        x = torch.baddbmm(bias[:, None], x, weight.mT)
        if layer < len(stack.weights) - 1:
            inputs.append(x.relu_())
    delta = torch.softmax(x, dim=-1)
    delta.scatter_add_(-1, y[..., None], torch.full_like(delta[..., :1], -1.0))
    delta /= x.shape[1]
    for layer in range(len(stack.weights) - 1, -1, -1):
        weight, below = stack.weights[layer], inputs[layer]
        # The lower delta first: it needs the weights as they were in the forward pass.
        lower = torch.bmm(delta, weight).mul_(below > 0) if layer else delta
        weight.baddbmm_(delta.mT, below, alpha=-rate)
        stack.biases[layer].sub_(delta.sum(dim=1), alpha=rate)
        delta = lower


def _evaluate(stack: Stack, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the number of points right and the summed cross-entropy, each (M,)."""
    right = torch.zeros(len(stack), dtype=torch.int64, device=images.device)
    loss = torch.zeros(len(stack), dtype=torch.float64, device=images.device)
    block = max(256, 2**24 // (len(stack) * max(stack.widths[1:])))
    for x, y in zip(images.split(block), labels.split(block), strict=True):
        for weight, bias in zip(stack.weights[:-1], stack.biases[:-1], strict=True):
            x = torch.baddbmm(bias[:, None], x.expand(len(stack), *x.shape[-2:]), weight.mT).relu_()
        x = x.expand(len(stack), *x.shape[-2:])
        scores = torch.baddbmm(stack.biases[-1][:, None], x, stack.weights[-1].mT)
        right += (scores.argmax(-1) == y).sum(-1)
        chosen = scores.gather(-1, y.expand(scores.shape[:2])[..., None])[..., 0]
        loss += (scores.logsumexp(-1) - chosen).sum(-1, dtype=torch.float64)
    return right, loss


def train_in_chunks(
    train_chunk: Callable[[Sequence[int]], Trained], seeds: Sequence[int]
) -> Trained:
    """Train as many networks at a time as fit the device's memory.

    Out of memory, the chunk is halved and begun again; with one network left the error is raised.
    """
    return Trained.join(list(_chunks(train_chunk, seeds)))


def _chunks(
    train_chunk: Callable[[Sequence[int]], Trained], seeds: Sequence[int]
) -> Iterator[Trained]:
    size, start = len(seeds), 0
    while start < len(seeds):
        try:
            yield train_chunk(seeds[start : start + size])
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size = (size + 1) // 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        else:
            start += size


@contextmanager
def matmul_precision(tf32: bool) -> Iterator[None]:
    """Hold CUDA's float32 products at full precision, or at TF32 where it is asked for."""
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "tf32" if tf32 else "ieee"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.fp32_precision = before
