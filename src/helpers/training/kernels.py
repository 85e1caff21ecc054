"""One ReLU network trained in a core's cache: compiled epochs of plain SGD, backward by hand.

Images are mostly zeros, so they are held as compressed sparse rows and the first layer, where four
fifths of the arithmetic is, is multiplied at the non-zero pixels only. A zero pixel adds an exact
zero to the logits and to the gradient, so what is left out changes nothing but the order of sums.

Weights are transposed here, (d_{l-1}, d_l), so that a pixel's weights lie side by side.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array

# Points that go through the network together: their activations and the weights share the L2 cache.
BLOCK = 128

Array = NDArray[Any]


class SparseRows(NamedTuple):
    """Hold images by their non-zero pixels: row i is columns[starts[i]:starts[i + 1]]."""

    starts: Array
    columns: Array
    values: Array


class Workspace(NamedTuple):
    """Hold what an epoch needs beside the parameters, allocated once a network."""

    layers: tuple[Array, ...]  # (BLOCK, d_l): activations after layer l, the logits last
    deltas: tuple[Array, ...]  # (BLOCK, d_l): gradients of the loss by the above
    gradients: tuple[Array, ...]  # (d_{l-1}, d_l): of one block; the first is not used
    weight_steps: tuple[Array, ...]  # (d_{l-1}, d_l): summed over the blocks of a large batch
    bias_steps: tuple[Array, ...]
    pixel_starts: Array  # the block again, column by column
    pixel_rows: Array
    pixel_values: Array


def sparse_rows(images: Array) -> SparseRows:
    """Return the non-zero entries of (n, d) images."""
    rows = csr_array(images)
    return SparseRows(
        rows.indptr.astype(np.int64), rows.indices.astype(np.int64), np.ascontiguousarray(rows.data)
    )


def workspace(
    weights: tuple[Array, ...], biases: tuple[Array, ...], rows: SparseRows, batch_size: int
) -> Workspace:
    """Allocate the buffers for batches of at most `batch_size` points."""
    dtype = weights[0].dtype
    block = min(BLOCK, batch_size)
    fullest = np.sort(np.diff(rows.starts))[-block:].sum()
    large = batch_size > BLOCK
    return Workspace(
        layers=tuple(np.empty((block, b.size), dtype) for b in biases),
        deltas=tuple(np.empty((block, b.size), dtype) for b in biases),
        gradients=tuple(np.empty(w.shape if i else (1, 1), dtype) for i, w in enumerate(weights)),
        weight_steps=tuple(np.zeros(w.shape if large else (1, 1), dtype) for w in weights),
        bias_steps=tuple(np.zeros(b.shape if large else (1,), dtype) for b in biases),
        pixel_starts=np.empty(weights[0].shape[0] + 1, np.int64),
        pixel_rows=np.empty(fullest, np.int64),
        pixel_values=np.empty(fullest, dtype),
    )


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _sparse_affine(rows, order, weight, bias, out):  # type: ignore[no-untyped-def]
    """Write x W + b for the points `order`, four non-zero pixels at a time."""
    width = weight.shape[1]
    for i in range(order.shape[0]):
        row = out[i]
        for h in range(width):
            row[h] = bias[h]
        k, end = rows.starts[order[i]], rows.starts[order[i] + 1]
        while k + 4 <= end:
            x0, x1, x2, x3 = (
                rows.values[k],
                rows.values[k + 1],
                rows.values[k + 2],
                rows.values[k + 3],
            )
            w0, w1 = weight[rows.columns[k]], weight[rows.columns[k + 1]]
            w2, w3 = weight[rows.columns[k + 2]], weight[rows.columns[k + 3]]
            for h in range(width):
                row[h] += x0 * w0[h] + x1 * w1[h] + x2 * w2[h] + x3 * w3[h]
            k += 4
        while k < end:
            x0 = rows.values[k]
            w0 = weight[rows.columns[k]]
            for h in range(width):
                row[h] += x0 * w0[h]
            k += 1


@njit(nogil=True, cache=True)
def _by_pixel(rows, order, scale, space):  # type: ignore[no-untyped-def]
    """Sort the non-zero pixels of the points `order` by pixel (a counting sort), times `scale`."""
    starts = space.pixel_starts
    starts[:] = 0
    for i in range(order.shape[0]):
        for k in range(rows.starts[order[i]], rows.starts[order[i] + 1]):
            starts[rows.columns[k]] += 1
    total = 0
    for j in range(starts.shape[0]):
        total += starts[j]
        starts[j] = total
    for i in range(order.shape[0] - 1, -1, -1):
        for k in range(rows.starts[order[i]], rows.starts[order[i] + 1]):
            starts[rows.columns[k]] -= 1
            place = starts[rows.columns[k]]
            space.pixel_rows[place] = i
            space.pixel_values[place] = scale * rows.values[k]


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _sparse_update(space, delta, weight):  # type: ignore[no-untyped-def]
    """Add (scaled x)^T delta to the first layer's weights, four points at a time."""
    width = weight.shape[1]
    values, points = space.pixel_values, space.pixel_rows
    for j in range(weight.shape[0]):
        row = weight[j]
        k, end = space.pixel_starts[j], space.pixel_starts[j + 1]
        while k + 4 <= end:
            x0, x1, x2, x3 = values[k], values[k + 1], values[k + 2], values[k + 3]
            d0, d1 = delta[points[k]], delta[points[k + 1]]
            d2, d3 = delta[points[k + 2]], delta[points[k + 3]]
            for h in range(width):
                row[h] += x0 * d0[h] + x1 * d1[h] + x2 * d2[h] + x3 * d3[h]
            k += 4
        while k < end:
            x0 = values[k]
            d0 = delta[points[k]]
            for h in range(width):
                row[h] += x0 * d0[h]
            k += 1


@njit(nogil=True, cache=True)
def _forward(weights, biases, rows, order, space):  # type: ignore[no-untyped-def]
    """Fill space.layers for the points `order`: ReLU after every layer but the last."""
    points = order.shape[0]
    last = len(weights) - 1
    _sparse_affine(rows, order, weights[0], biases[0], space.layers[0])
    for layer in range(last + 1):
        out = space.layers[layer][:points]
        if layer > 0:
            np.dot(space.layers[layer - 1][:points], weights[layer], out)
            for i in range(points):
                for h in range(out.shape[1]):
                    out[i, h] += biases[layer][h]
        if layer < last:
            for i in range(points):
                for h in range(out.shape[1]):
                    # Written so that NaN stays NaN, as in torch.relu.
                    out[i, h] = out[i, h] if not out[i, h] <= 0 else 0


@njit(nogil=True, cache=True)
def _loss_gradient(labels, order, scores, delta, weight_of_point):  # type: ignore[no-untyped-def]
    """Write (softmax - one-hot) times `weight_of_point` for each point."""
    for i in range(order.shape[0]):
        top = scores[i].max()
        total = 0.0
        for c in range(scores.shape[1]):
            delta[i, c] = np.exp(scores[i, c] - top)
            total += delta[i, c]
        factor = weight_of_point / total
        for c in range(scores.shape[1]):
            delta[i, c] *= factor
        delta[i, labels[order[i]]] -= weight_of_point


@njit(nogil=True, cache=True)
def _backward(  # type: ignore[no-untyped-def]
    weights, rows, order, rate, space, weight_targets, bias_targets
):
    """Subtract rate times the block's gradient from the targets; the last delta is filled."""
    points = order.shape[0]
    for layer in range(len(weights) - 1, -1, -1):
        delta = space.deltas[layer][:points]
        if layer > 0:
            # The lower delta first: it needs the weights as they were in the forward pass.
            lower, below = space.deltas[layer - 1][:points], space.layers[layer - 1][:points]
            np.dot(delta, weights[layer].T, lower)
            for i in range(points):
                for h in range(lower.shape[1]):
                    lower[i, h] = lower[i, h] if below[i, h] > 0 else 0
            gradient, target = space.gradients[layer], weight_targets[layer]
            np.dot(below.T, delta, gradient)
            for j in range(target.shape[0]):
                for h in range(target.shape[1]):
                    target[j, h] -= rate * gradient[j, h]
        else:
            _by_pixel(rows, order, -rate, space)
            _sparse_update(space, delta, weight_targets[0])
        bias = bias_targets[layer]
        for i in range(points):
            for h in range(bias.shape[0]):
                bias[h] -= rate * delta[i, h]


@njit(nogil=True, cache=True)
def train_epoch(  # type: ignore[no-untyped-def]
    weights, biases, rows, labels, order, batch_size, rate, space
):
    """Take one epoch of SGD steps in the order given, changing the parameters in place.

    `rate` has the parameters' own dtype. A batch that fits one block is applied at once; a larger
    one is summed block by block first. The last batch may be short: its mean is over its points.
    """
    one = rate / rate
    for start in range(0, order.shape[0], batch_size):
        batch = order[start : start + batch_size]
        points = batch.shape[0]
        large = points > space.layers[0].shape[0]
        weight_targets = space.weight_steps if large else weights
        bias_targets = space.bias_steps if large else biases
        blocks = -(-points // space.layers[0].shape[0])
        for b in range(blocks):
            block = batch[b * points // blocks : (b + 1) * points // blocks]
            _forward(weights, biases, rows, block, space)
            _loss_gradient(labels, block, space.layers[-1], space.deltas[-1], one / points)
            _backward(weights, rows, block, rate, space, weight_targets, bias_targets)
        if large:
            for layer in range(len(weights)):
                weights[layer][:] += space.weight_steps[layer]
                biases[layer][:] += space.bias_steps[layer]
                space.weight_steps[layer][:] = 0
                space.bias_steps[layer][:] = 0


@njit(nogil=True, cache=True)
def evaluate(weights, biases, rows, labels, space, stop_at_error):  # type: ignore[no-untyped-def]
    """Return how many points are right and the summed cross-entropy (in float64).

    With `stop_at_error` the count ends after the first block that holds a wrong point.
    """
    order = np.arange(labels.shape[0])
    right, loss = 0, 0.0
    block = space.layers[0].shape[0]
    for start in range(0, order.shape[0], block):
        points = order[start : start + block]
        _forward(weights, biases, rows, points, space)
        scores = space.layers[-1]
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
