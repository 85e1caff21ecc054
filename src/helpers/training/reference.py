"""The plain PyTorch loop, slow and plain to see: the oracle for the fast ways of training."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from helpers.networks import Stack, check_widths
from helpers.training.protocol import SGD, Trained, finished


def train_reference(
    widths: Sequence[int],
    seed: int,
    images: Tensor,
    labels: Tensor,
    sgd: SGD,
    dtype: torch.dtype = torch.float32,
) -> Trained:
    """Train one network the plain way: nn.Module, autograd, torch.optim.SGD, on the images' device.

    The global generator is seeded and drawn from as protocol E says, and put back afterwards.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(check_widths(widths)):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        net = nn.Sequential(*layers[:-1]).to(images.device, dtype)
        optimiser = torch.optim.SGD(net.parameters(), lr=sgd.learning_rate)
        images = images.to(dtype)
        for epoch in range(1, sgd.max_epochs + 1):
            for group in optimiser.param_groups:
                group["lr"] = sgd.rate(epoch)
            for batch in torch.randperm(len(images)).split(sgd.batch_size):
                optimiser.zero_grad()
                nn.functional.cross_entropy(net(images[batch]), labels[batch]).backward()
                optimiser.step()
            if sgd.checks(epoch):
                with torch.no_grad():
                    scores = net(images)
                    right = int((scores.argmax(1) == labels).sum())
                    loss = float(nn.functional.cross_entropy(scores, labels, reduction="sum"))
                outcome = finished(sgd, epoch, len(images), right, loss)
                if outcome is not None:
                    break
    assert outcome is not None  # The last epoch always ends it.
    linears = [layer for layer in net if isinstance(layer, nn.Linear)]
    return outcome.with_stack(
        Stack(
            tuple(layer.weight.detach()[None] for layer in linears),
            tuple(layer.bias.detach()[None] for layer in linears),
        )
    )
