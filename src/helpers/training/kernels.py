"""One ReLU network trained in a core's cache: compiled epochs of plain SGD, backward by hand.

Images are mostly zeros, so they are held as compressed sparse rows and the first layer, where four
fifths of the arithmetic is, is multiplied at the non-zero pixels only. A zero pixel adds an exact
zero to the logits and to the gradient, so what is left out changes nothing but the order of sums.

Weights are transposed here, (d_{l-1}, d_l), so that a pixel's weights lie side by side; those of
the first layer are cut into strips of LANES units, (strips, pixels, LANES), of which the rows in
use fit the innermost cache. Functions change their last arguments in place.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from helpers.training.gather import LANES, fetch, gather_add, gather_on

# Points that go through the network together: their activations and the weights share the cache.
BLOCK = 128
# Pixels whose weights in one strip are gathered together: 48 kB in float32.
TILE = 192

Array = NDArray[Any]


class Parameters(NamedTuple):
    """Hold one network's parameters, or a step of all of them."""

    first: Array  # (strips, pixels, LANES)
    weights: tuple[Array, ...]  # (d_{l-1}, d_l) of the layers after the first
    biases: tuple[Array, ...]  # (d_l,) of all layers


class SparseRows(NamedTuple):
    """Hold images by their non-zero pixels, in as few bytes as name the very same values.

    Image i has those from starts[i, 0] to starts[i, -1], in ascending order of their columns; those
    in columns t TILE to (t + 1) TILE begin at starts[i, t]. Pixel k is table[codes[k]].
    """

    starts: Array  # (n, tiles + 1) int64
    columns: Array  # unsigned
    codes: Array  # unsigned
    table: Array


class Pixels(NamedTuple):
    """Hold the non-zero pixels of a block of points, point by point and again pixel by pixel."""

    starts: Array  # (BLOCK, tiles + 1) int64, as in SparseRows
    columns: Array
    values: Array
    column_starts: Array  # (pixels + 1,) int64
    points: Array  # uint8, ascending at each pixel
    scaled: Array  # the values again, times a factor


class Workspace(NamedTuple):
    """Hold what an epoch needs beside the parameters, allocated once a network."""

    layers: tuple[Array, ...]  # (BLOCK, d_l): activations after layer l, the logits last
    deltas: tuple[Array, ...]  # (BLOCK, d_l): gradients of the loss by the above
    strip: Array  # (BLOCK, LANES): a strip of the first of the deltas
    gradients: tuple[Array, ...]  # (d_{l-1}, d_l): of one block, from the second layer on
    step: Parameters  # summed over the blocks of a large batch
    pixels: Pixels


@njit(nogil=True, cache=True)
def lit(images):  # type: ignore[no-untyped-def]
    """Say of each pixel whether it is not zero in some of the (n, d) images."""
    found = np.zeros(images.shape[1], np.bool_)
    for i in range(images.shape[0]):
        for j in range(images.shape[1]):
            found[j] |= images[i, j] != 0
    return found


@njit(nogil=True, cache=True)
def _nonzeros(images, place, tiles):  # type: ignore[no-untyped-def]
    """Return starts, columns and values of the non-zero pixels; pixel j has column place[j]."""
    total = 0
    for i in range(images.shape[0]):
        for j in range(images.shape[1]):
            total += images[i, j] != 0
    starts = np.zeros((images.shape[0], tiles + 1), np.int64)
    columns, values = np.empty(total, place.dtype), np.empty(total, images.dtype)
    k = 0
    for i in range(images.shape[0]):
        begun = 0
        for j in range(images.shape[1]):
            if images[i, j] != 0:
                while begun <= place[j] // TILE:
                    starts[i, begun] = k
                    begun += 1
                columns[k], values[k] = place[j], images[i, j]
                k += 1
        starts[i, begun:] = k
    return starts, columns, values


@njit(nogil=True, cache=True)
def _encode(values, bits, codes, table):  # type: ignore[no-untyped-def]
    """Fill codes and table so that values are table[codes]; say whether they fit the table.

    `bits` are the values as unsigned integers, by which they are hashed.
    """
    slots = np.full(1 << 10, -1, np.int64)  # places in the table
    used = 0
    for k in range(values.shape[0]):
        slot = (np.uint64(bits[k]) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(54)
        while slots[slot] >= 0 and table[slots[slot]] != values[k]:
            slot = (slot + np.uint64(1)) % np.uint64(slots.shape[0])
        if slots[slot] < 0:
            if used == table.shape[0]:
                return False
            slots[slot], table[used] = used, values[k]
            used += 1
        codes[k] = slots[slot]
    return True


def sparse_rows(images: Array, live: Array) -> SparseRows:
    """Return the non-zero pixels of (n, d) images; the j-th of the live pixels becomes column j."""
    place = np.zeros(images.shape[1], np.min_scalar_type(max(len(live), TILE)))
    place[live] = np.arange(len(live))
    starts, columns, values = _nonzeros(images, place, -(-len(live) // TILE))
    codes, table = np.empty(len(values), np.uint8), np.empty(256, images.dtype)
    if not _encode(values, values.view(f"u{values.itemsize}"), codes, table):
        # More than 256 different values: not the pixels of a picture of 8 bits.
        table, places = np.unique(values, return_inverse=True)
        codes = places.astype(np.min_scalar_type(len(table)))
    return SparseRows(starts, columns, codes, table)


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return zeros that begin with a cache line, so that no vector of them straddles two."""
    line = 64
    size = int(np.prod(shape)) * dtype.itemsize
    room = np.zeros(size + line, np.uint8)
    start = -room.ctypes.data % line
    return room[start : start + size].view(dtype).reshape(shape)


def workspace(net: Parameters, rows: SparseRows, batch_size: int) -> Workspace:
    """Allocate the buffers for batches of at most `batch_size` points."""
    first, weights, biases = net
    dtype = first.dtype
    block = min(BLOCK, batch_size)
    fullest = int(np.sort(rows.starts[:, -1] - rows.starts[:, 0])[-block:].sum())
    large = batch_size > block

    def steps(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(aligned(a.shape if large else (1,) * a.ndim, dtype) for a in arrays)

    return Workspace(
        layers=tuple(aligned((block, b.size), dtype) for b in biases),
        deltas=tuple(aligned((block, b.size), dtype) for b in biases),
        strip=aligned((block, LANES), dtype),
        gradients=tuple(aligned(w.shape, dtype) for w in weights),
        step=Parameters(steps((first,))[0], steps(weights), steps(biases)),
        pixels=Pixels(
            np.zeros((block, rows.starts.shape[1]), np.int64),
            np.empty(fullest, rows.columns.dtype),
            np.empty(fullest, dtype),
            np.zeros(first.shape[1] + 1, np.int64),
            np.empty(fullest, np.uint8),
            np.empty(fullest, dtype),
        ),
    )


@njit(nogil=True, cache=True)
def _pick(rows, order, pixels):  # type: ignore[no-untyped-def]
    """Copy the points `order`, and count in column_starts how many of them light each pixel.

    They are drawn in a random order from more rows than a cache holds; once copied they stay near.
    """
    columns, values, counts = pixels.columns, pixels.values, pixels.column_starts
    tiles = rows.starts.shape[1] - 1
    counts[:] = 0
    filled = np.uint64(0)
    for i in range(order.shape[0]):
        begin, end = np.uint64(rows.starts[order[i], 0]), np.uint64(rows.starts[order[i], tiles])
        for t in range(tiles + 1):
            pixels.starts[i, t] = filled + np.uint64(rows.starts[order[i], t]) - begin
        for k in range(begin, end):
            column = rows.columns[k]
            columns[filled] = column
            counts[column] += 1
            values[filled] = rows.table[rows.codes[k]]
            filled += np.uint64(1)


@njit(nogil=True, cache=True)
def _fetch_ahead(rows, order):  # type: ignore[no-untyped-def]
    """Ask for the points `order`, which are picked next, while those before them are at work."""
    tiles = rows.starts.shape[1] - 1
    for i in range(order.shape[0]):
        begin, end = rows.starts[order[i], 0], rows.starts[order[i], tiles]
        fetch(rows.columns, begin, end)
        fetch(rows.codes, begin, end)


@njit(nogil=True, cache=True)
def _sort_by_column(pixels, points, scale):  # type: ignore[no-untyped-def]
    """Sort the pixels picked by column (a counting sort, counted before), times `scale`."""
    starts, columns, values = pixels.column_starts, pixels.columns, pixels.values
    total = 0
    for j in range(starts.shape[0]):
        total += starts[j]
        starts[j] = total
    last = pixels.starts.shape[1] - 1
    for i in range(points - 1, -1, -1):
        for k in range(np.uint64(pixels.starts[i, 0]), np.uint64(pixels.starts[i, last])):
            column = columns[k]
            place = np.uint64(starts[column] - 1)
            starts[column] = place
            pixels.points[place] = i
            pixels.scaled[place] = scale * values[k]


@njit(nogil=True, cache=True)
def _first_layer(first, pixels, out):  # type: ignore[no-untyped-def]
    """Write the pixels times the weights to out, tile by tile of the weights."""
    points, width = out.shape
    out[:] = 0
    for strip in range(first.shape[0]):
        weights = first[strip]
        for t in range(pixels.starts.shape[1] - 1):
            for i in range(points):
                begin, end = pixels.starts[i, t], pixels.starts[i, t + 1]
                place = i * width + strip * LANES
                gather_on(out, place, weights, 0, pixels.columns, pixels.values, begin, end)


@njit(nogil=True, cache=True)
def _forward(net, points, space):  # type: ignore[no-untyped-def]
    """Fill space.layers for the points picked: ReLU after every layer but the last."""
    for layer in range(len(net.biases)):
        out, bias = space.layers[layer][:points], net.biases[layer]
        if layer == 0:
            _first_layer(net.first, space.pixels, out)
        else:
            np.dot(space.layers[layer - 1][:points], net.weights[layer - 1], out)
        rectify = layer < len(net.biases) - 1
        for i in range(points):
            for h in range(bias.shape[0]):
                value = out[i, h] + bias[h]
                # Written so that NaN stays NaN, as in torch.relu.
                out[i, h] = 0 if rectify and value <= 0 else value


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
def _first_gradient(pixels, delta, rate, part, to_first):  # type: ignore[no-untyped-def]
    """Subtract rate times the first layer's gradient, strip by strip, from the target."""
    points = delta.shape[0]
    _sort_by_column(pixels, points, -rate)
    starts = pixels.column_starts
    for strip in range(to_first.shape[0]):
        target = to_first[strip]
        for i in range(points):
            for h in range(LANES):
                part[i, h] = delta[i, strip * LANES + h]
        for j in range(target.shape[0]):
            place, begin, end = j * LANES, starts[j], starts[j + 1]
            gather_add(target, place, part, 0, pixels.points, pixels.scaled, begin, end)


@njit(nogil=True, cache=True)
def _backward(net, points, rate, space, target):  # type: ignore[no-untyped-def]
    """Subtract rate times the block's gradient from the target; the last delta is filled."""
    for layer in range(len(net.biases) - 1, -1, -1):
        delta, bias = space.deltas[layer][:points], target.biases[layer]
        if layer > 0:
            # The lower delta first: it needs the weights as they were in the forward pass.
            lower, below = space.deltas[layer - 1][:points], space.layers[layer - 1][:points]
            np.dot(delta, net.weights[layer - 1].T, lower)
            for i in range(points):
                for h in range(lower.shape[1]):
                    lower[i, h] = lower[i, h] if below[i, h] > 0 else 0
            gradient, moved = space.gradients[layer - 1], target.weights[layer - 1]
            np.dot(below.T, delta, gradient)
            for j in range(moved.shape[0]):
                for h in range(moved.shape[1]):
                    moved[j, h] -= rate * gradient[j, h]
        else:
            _first_gradient(space.pixels, delta, rate, space.strip, target.first)
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
def train_epoch(net, rows, labels, order, batch_size, rate, space):  # type: ignore[no-untyped-def]
    """Take one epoch of SGD steps in the order given, changing the parameters in place.

    `rate` has the parameters' own dtype. A batch that fits one block is applied at once; a larger
    one is summed block by block first. The last batch may be short: its mean is over its points.
    """
    room = space.layers[0].shape[0]
    for start in range(0, order.shape[0], batch_size):
        batch = order[start : start + batch_size]
        points = batch.shape[0]
        blocks = -(-points // room)
        target = space.step if blocks > 1 else net
        for b in range(blocks):
            block = batch[b * points // blocks : (b + 1) * points // blocks]
            _pick(rows, block, space.pixels)
            _fetch_ahead(rows, order[start + (b + 1) * points // blocks :][: len(block)])
            _forward(net, len(block), space)
            _loss_gradient(labels, block, 1 / points, space.layers[-1], space.deltas[-1])
            _backward(net, len(block), rate, space, target)
        if blocks > 1:
            _move(space.step.first.ravel(), net.first.ravel())
            for layer in range(len(net.weights)):
                _move(space.step.weights[layer].ravel(), net.weights[layer].ravel())
            for layer in range(len(net.biases)):
                _move(space.step.biases[layer], net.biases[layer])


@njit(nogil=True, cache=True)
def evaluate(net, rows, labels, space, stop_at_error):  # type: ignore[no-untyped-def]
    """Return how many points are right and the summed cross-entropy (in float64).

    With `stop_at_error` the count ends after the first block that holds a wrong point.
    """
    order = np.arange(labels.shape[0])
    right, loss = 0, 0.0
    room = space.layers[0].shape[0]
    scores = space.layers[-1]
    for start in range(0, order.shape[0], room):
        points = order[start : start + room]
        _pick(rows, points, space.pixels)
        _forward(net, len(points), space)
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
