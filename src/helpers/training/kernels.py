"""One ReLU network trained in a core's cache: compiled epochs of plain SGD, backward by hand.

Images are mostly zeros, so they are held as compressed sparse rows and the first layer, where four
fifths of the arithmetic is, is multiplied at the non-zero pixels only. A zero pixel adds an exact
zero to the logits and to the gradient, so what is left out changes nothing but the order of sums.

Weights are transposed here, (d_{l-1}, d_l), so that a pixel's weights lie side by side. Functions
change their last arguments in place.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from helpers.training.gather import gather_add_64, gather_add_128

# Points that go through the network together: their activations and the weights share the cache.
BLOCK = 128

Array = NDArray[Any]


class SparseRows(NamedTuple):
    """Hold images by their non-zero pixels; image i has those from starts[i] to starts[i + 1]."""

    starts: Array  # (n + 1,) int64
    columns: Array  # uint32
    values: Array


class Workspace(NamedTuple):
    """Hold what an epoch needs beside the parameters, allocated once a network."""

    layers: tuple[Array, ...]  # (BLOCK, d_l): activations after layer l, the logits last
    deltas: tuple[Array, ...]  # (BLOCK, d_l): gradients of the loss by the above
    gradients: tuple[Array, ...]  # (d_{l-1}, d_l): of one block; the first is not used
    weight_steps: tuple[Array, ...]  # (d_{l-1}, d_l): summed over the blocks of a large batch
    bias_steps: tuple[Array, ...]
    pixel_starts: Array  # the block's non-zero pixels again, sorted by pixel
    pixel_points: Array
    pixel_values: Array


@njit(nogil=True, cache=True)
def sparse_rows(images, place):  # type: ignore[no-untyped-def]
    """Return the non-zero entries of (n, d) images; pixel j becomes column place[j], a uint32."""
    starts = np.zeros(images.shape[0] + 1, np.int64)
    for i in range(images.shape[0]):
        starts[i + 1] = starts[i]
        for j in range(images.shape[1]):
            starts[i + 1] += images[i, j] != 0
    columns, values = np.empty(starts[-1], np.uint32), np.empty(starts[-1], images.dtype)
    k = 0
    for i in range(images.shape[0]):
        for j in range(images.shape[1]):
            if images[i, j] != 0:
                columns[k], values[k] = place[j], images[i, j]
                k += 1
    return SparseRows(starts, columns, values)


def workspace(
    weights: tuple[Array, ...], biases: tuple[Array, ...], rows: SparseRows, batch_size: int
) -> Workspace:
    """Allocate the buffers for batches of at most `batch_size` points."""
    dtype = weights[0].dtype
    block = min(BLOCK, batch_size)
    fullest = int(np.sort(np.diff(rows.starts))[-block:].sum())
    large = batch_size > block
    return Workspace(
        layers=tuple(np.empty((block, b.size), dtype) for b in biases),
        deltas=tuple(np.empty((block, b.size), dtype) for b in biases),
        gradients=tuple(np.empty(w.shape if i else (1, 1), dtype) for i, w in enumerate(weights)),
        weight_steps=tuple(np.zeros(w.shape if large else (1, 1), dtype) for w in weights),
        bias_steps=tuple(np.zeros(b.shape if large else (1,), dtype) for b in biases),
        pixel_starts=np.empty(weights[0].shape[0] + 1, np.int64),
        pixel_points=np.empty(fullest, np.uint32),
        pixel_values=np.empty(fullest, dtype),
    )


@njit(nogil=True, cache=True)
def _add_rows(table, rows, factors, begin, end, i, out):  # type: ignore[no-untyped-def]
    """Add the sum over k in [begin, end) of factors[k] table[rows[k]] to out[i]."""
    width = out.shape[1]
    if width % 128 == 0:
        for h in range(0, width, 128):
            gather_add_128(out, i * width + h, table, h, rows, factors, begin, end)
    else:
        for h in range(0, width, 64):
            gather_add_64(out, i * width + h, table, h, rows, factors, begin, end)


@njit(nogil=True, cache=True)
def _sort_by_pixel(rows, order, scale, space):  # type: ignore[no-untyped-def]
    """Sort the non-zero pixels of the points `order` by pixel (a counting sort), times `scale`."""
    starts, points, values = space.pixel_starts, space.pixel_points, space.pixel_values
    columns, pixels = rows.columns, rows.values
    for j in range(starts.shape[0]):
        starts[j] = 0
    for i in range(order.shape[0]):
        for k in range(rows.starts[order[i]], rows.starts[order[i] + 1]):
            starts[columns[k]] += 1
    total = 0
    for j in range(starts.shape[0]):
        total += starts[j]
        starts[j] = total
    for i in range(order.shape[0] - 1, -1, -1):
        for k in range(rows.starts[order[i]], rows.starts[order[i] + 1]):
            column = columns[k]
            place = np.uint64(starts[column] - 1)
            starts[column] = place
            points[place] = i
            values[place] = scale * pixels[k]


@njit(nogil=True, cache=True)
def _forward(weights, biases, rows, order, space):  # type: ignore[no-untyped-def]
    """Fill space.layers for the points `order`: ReLU after every layer but the last."""
    points = order.shape[0]
    for layer in range(len(weights)):
        out, bias = space.layers[layer][:points], biases[layer]
        if layer == 0:
            for i in range(points):
                for h in range(bias.shape[0]):
                    out[i, h] = bias[h]
                begin, end = rows.starts[order[i]], rows.starts[order[i] + 1]
                _add_rows(weights[0], rows.columns, rows.values, begin, end, i, out)
        else:
            np.dot(space.layers[layer - 1][:points], weights[layer], out)
            for i in range(points):
                for h in range(bias.shape[0]):
                    out[i, h] += bias[h]
        if layer < len(weights) - 1:
            for i in range(points):
                for h in range(bias.shape[0]):
                    # Written so that NaN stays NaN, as in torch.relu.
                    out[i, h] = 0 if out[i, h] <= 0 else out[i, h]


@njit(nogil=True, cache=True)
def _loss_gradient(labels, order, share, scores, delta):  # type: ignore[no-untyped-def]
    """Write (softmax - one-hot) times `share`, a point's share of the mean, for each point."""
    for i in range(order.shape[0]):
        top = scores[i].max()
        total = 0.0
        for c in range(scores.shape[1]):
            delta[i, c] = np.exp(scores[i, c] - top)
            total += delta[i, c]
        for c in range(scores.shape[1]):
            delta[i, c] *= share / total
        delta[i, labels[order[i]]] -= share


@njit(nogil=True, cache=True)
def _backward(weights, rows, order, rate, space, to_weights, to_biases):  # type: ignore[no-untyped-def]
    """Subtract rate times the block's gradient from the targets; the last delta is filled."""
    points = order.shape[0]
    for layer in range(len(weights) - 1, -1, -1):
        delta, target, bias = space.deltas[layer][:points], to_weights[layer], to_biases[layer]
        if layer > 0:
            # The lower delta first: it needs the weights as they were in the forward pass.
            lower, below = space.deltas[layer - 1][:points], space.layers[layer - 1][:points]
            np.dot(delta, weights[layer].T, lower)
            for i in range(points):
                for h in range(lower.shape[1]):
                    lower[i, h] = lower[i, h] if below[i, h] > 0 else 0
            gradient = space.gradients[layer]
            np.dot(below.T, delta, gradient)
            for j in range(target.shape[0]):
                for h in range(target.shape[1]):
                    target[j, h] -= rate * gradient[j, h]
        else:
            _sort_by_pixel(rows, order, -rate, space)
            for j in range(target.shape[0]):
                begin, end = space.pixel_starts[j], space.pixel_starts[j + 1]
                _add_rows(delta, space.pixel_points, space.pixel_values, begin, end, j, target)
        for i in range(points):
            for h in range(bias.shape[0]):
                bias[h] -= rate * delta[i, h]


@njit(nogil=True, cache=True)
def _move(step, parameters):  # type: ignore[no-untyped-def]
    """Add the step to the parameters and clear it."""
    for i in range(step.shape[0]):
        parameters[i] += step[i]
        step[i] = 0


@njit(nogil=True, cache=True)
def train_epoch(  # type: ignore[no-untyped-def]
    weights, biases, rows, labels, order, batch_size, rate, space
):
    """Take one epoch of SGD steps in the order given, changing the parameters in place.

    `rate` has the parameters' own dtype. A batch that fits one block is applied at once; a larger
    one is summed block by block first. The last batch may be short: its mean is over its points.
    """
    room = space.layers[0].shape[0]
    for start in range(0, order.shape[0], batch_size):
        batch = order[start : start + batch_size]
        points = batch.shape[0]
        blocks = -(-points // room)
        to_weights = space.weight_steps if blocks > 1 else weights
        to_biases = space.bias_steps if blocks > 1 else biases
        for b in range(blocks):
            block = batch[b * points // blocks : (b + 1) * points // blocks]
            _forward(weights, biases, rows, block, space)
            _loss_gradient(labels, block, 1 / points, space.layers[-1], space.deltas[-1])
            _backward(weights, rows, block, rate, space, to_weights, to_biases)
        if blocks > 1:
            for layer in range(len(weights)):
                _move(to_weights[layer].ravel(), weights[layer].ravel())
                _move(to_biases[layer], biases[layer])


@njit(nogil=True, cache=True)
def evaluate(weights, biases, rows, labels, space, stop_at_error):  # type: ignore[no-untyped-def]
    """Return how many points are right and the summed cross-entropy (in float64).

    With `stop_at_error` the count ends after the first block that holds a wrong point.
    """
    order = np.arange(labels.shape[0])
    right, loss = 0, 0.0
    room = space.layers[0].shape[0]
    scores = space.layers[-1]
    for start in range(0, order.shape[0], room):
        points = order[start : start + room]
        _forward(weights, biases, rows, points, space)
        for i in range(points.shape[0]):
            label = labels[points[i]]
            top, total = scores[i].max(), 0.0
            for c in range(scores.shape[1]):
                total += np.exp(np.float64(scores[i, c]) - top)
            loss += top + np.log(total) - scores[i, label]
            right += np.argmax(scores[i]) == label
        if stop_at_error and right < start + points.shape[0]:
            break
    return right, loss
