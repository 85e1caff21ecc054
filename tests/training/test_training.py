"""Training against the plain PyTorch loop, by both ways, and what happens at the edges."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from helpers import networks
from helpers.errors import UserError
from helpers.training import SGD, Prepared, Trained, cpu, kernels, train, train_reference
from helpers.training.cpu import train_on_cpu
from helpers.training.stack import train_in_chunks, train_stack

WIDTHS = (64, 32, 16, 10)
DIGITS = load_digits()
IMAGES = torch.tensor(DIGITS.data / 16, dtype=torch.float64)
LABELS = torch.tensor(DIGITS.target)
FIRST = IMAGES[:150], LABELS[:150]
# 150 points in batches of 64: the last batch holds 22.
MEMORISE = SGD(learning_rate=0.2, batch_size=64, max_epochs=200)
BOTH = pytest.mark.parametrize("way", ["cpu", "stack"])


def run(way, widths, seeds, images, labels, sgd):
    """Train by one of the two fast ways, in the dtype of the images."""
    return {"cpu": on_cpu, "stack": train_stack}[way](widths, seeds, images, labels, sgd)


def on_cpu(widths, seeds, images, labels, sgd):
    return train_on_cpu(widths, seeds, Prepared(images), labels, sgd)


def reference(widths, seeds, images, labels, sgd):
    return Trained.join(
        [train_reference(widths, seed, images, labels, sgd, images.dtype) for seed in seeds]
    )


def assert_same(ours, plain, tolerance):
    """Compare everything but the exact bits."""
    assert torch.equal(ours.epochs, plain.epochs)
    assert torch.equal(ours.memorised, plain.memorised)
    assert torch.equal(ours.diverged, plain.diverged)
    torch.testing.assert_close(ours.train_accuracy, plain.train_accuracy)
    torch.testing.assert_close(ours.train_loss, plain.train_loss, rtol=tolerance, atol=tolerance)
    for a, b in zip(parameters(ours), parameters(plain), strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def parameters(trained):
    return (*trained.stack.weights, *trained.stack.biases)


def assert_identical(a, b):
    for field in dataclasses.fields(Trained):
        if field.name != "stack":
            assert torch.equal(getattr(a, field.name), getattr(b, field.name)), field.name
    for p, q in zip(parameters(a), parameters(b), strict=True):
        assert torch.equal(p, q)


@pytest.fixture(scope="module")
def plain64():
    return reference(WIDTHS, range(12), *FIRST, MEMORISE)


@BOTH
def test_twelve_seeds_stop_where_the_plain_loop_stops_in_float64(way, plain64):
    ours = run(way, WIDTHS, range(12), *FIRST, MEMORISE)
    assert_same(ours, plain64, 1e-10)
    assert ours.memorised.all()
    assert len(set(ours.epochs.tolist())) > 2  # The seeds do differ in where they stop.


@BOTH
def test_twelve_seeds_stop_where_the_plain_loop_stops_in_float32(way):
    images, labels = FIRST[0].float(), FIRST[1]
    ours = run(way, WIDTHS, range(12), images, labels, MEMORISE)
    plain = reference(WIDTHS, range(12), images, labels, MEMORISE)
    assert torch.equal(ours.epochs, plain.epochs)
    assert ours.stack.dtype == torch.float32
    # A unit within rounding of its kink may fall on the other side in a seed or two: its network
    # then ends a little elsewhere. The typical network agrees to float32's own precision.
    pairs = zip(parameters(ours), parameters(plain), strict=True)
    gaps = [(a - b).abs().flatten(1).amax(1) for a, b in pairs]
    assert torch.stack(gaps).amax(0).median() < 1e-5


@settings(max_examples=30, deadline=None)
@given(
    way=st.sampled_from(["cpu", "stack"]),
    hidden=st.lists(st.integers(1, 140), min_size=1, max_size=2),
    n=st.integers(1, 200),
    batch_size=st.integers(1, 250),
    check_every=st.integers(1, 4),
    max_epochs=st.integers(1, 5),
    drop_at=st.none() | st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_any_shape_any_batch_is_the_plain_loop(
    way, hidden, n, batch_size, check_every, max_epochs, drop_at, seed
):
    # Batches of more than one block of the kernels, of one point, short last ones, all the points.
    widths = (64, *hidden, 10)
    sgd = SGD(0.1, batch_size, max_epochs, check_every, drop_at=drop_at)
    ours = run(way, widths, [seed], IMAGES[:n], LABELS[:n], sgd)
    plain = reference(widths, [seed], IMAGES[:n], LABELS[:n], sgd)
    assert_same(ours, plain, 1e-10)


def test_a_linear_classifier_trains_too():
    ours = train((64, 10), [3], *FIRST, MEMORISE, device="cpu", dtype=torch.float64)
    assert_same(ours, reference((64, 10), [3], *FIRST, MEMORISE), 1e-10)


@BOTH
def test_a_network_is_the_same_alone_and_in_company_and_frozen_once_stopped(way):
    together = run(way, WIDTHS, range(6), *FIRST, MEMORISE)
    longest = int(together.epochs.argmax())
    shortest = int(together.epochs.argmin())
    assert together.epochs[shortest] < together.epochs[longest]
    alone = run(way, WIDTHS, [shortest], *FIRST, MEMORISE)
    for a, b in zip(parameters(together), parameters(alone), strict=True):
        torch.testing.assert_close(a[shortest], b[0], rtol=1e-12, atol=1e-12)
    # What is reported of it is true of the parameters handed back.
    x, y = FIRST
    torch.testing.assert_close(networks.accuracy(together.stack, x, y), together.train_accuracy)
    torch.testing.assert_close(networks.cross_entropy(together.stack, x, y), together.train_loss)


@settings(max_examples=30, deadline=None)
@given(
    values=st.sampled_from(["bytes", "any"]),
    pixels=st.integers(1, 3 * kernels.TILE + 5),
    n=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_images_come_back_from_their_sparse_rows_to_the_last_bit(values, pixels, n, seed):
    # Up to 12 · 581 different values: more than 256 are held another way.
    draw = np.random.default_rng(seed)
    images = draw.integers(0, 256, (n, pixels)).astype(np.float32) / 255
    if values == "any":
        images = draw.standard_normal((n, pixels))
    images *= (draw.random((n, pixels)) < 0.7) & (draw.random(pixels) < 0.8)
    ready = Prepared(torch.from_numpy(images))
    rows, live, back = ready.rows, ready.live.numpy(), np.zeros_like(images)
    for i in range(n):
        for tile in range(rows.starts.shape[1] - 1):
            part = slice(rows.starts[i, tile], rows.starts[i, tile + 1])
            assert (rows.columns[part] // kernels.TILE == tile).all()
            back[i, live[rows.columns[part]]] = rows.table[rows.codes[part]]
    assert (back == images).all()


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_images_of_several_tiles_and_any_values_are_trained_on_as_by_the_plain_loop(noise):
    draw = torch.Generator().manual_seed(0)
    images = IMAGES[:70].repeat(1, 7)
    images = images + noise * torch.rand(images.shape, generator=draw) * (images != 0)
    widths, sgd = (448, 130, 16, 10), SGD(0.1, 32, 10)
    ours = train(widths, [3], images, LABELS[:70], sgd, device="cpu", dtype=torch.float64)
    assert_same(ours, reference(widths, [3], images, LABELS[:70], sgd), 1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_prepared_once_are_as_good_as_images(dtype):
    ready = Prepared(FIRST[0])
    once = train(WIDTHS, range(2), FIRST[0], FIRST[1], MEMORISE, device="cpu", dtype=dtype)
    for seed in range(2):
        again = train(WIDTHS, [seed], ready, FIRST[1], MEMORISE, device="cpu", dtype=dtype)
        for a, b in zip(parameters(once), parameters(again), strict=True):
            assert torch.equal(a[seed], b[0])


def test_workers_change_nothing():
    one = train(WIDTHS, range(5), *FIRST, MEMORISE, device="cpu", workers=1)
    two = train(WIDTHS, range(5), *FIRST, MEMORISE, device="cpu", workers=2)
    assert_identical(one, two)


def test_training_leaves_input_and_the_global_generator_alone():
    images, labels = FIRST[0].clone(), FIRST[1].clone()
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    train(WIDTHS, [0], images, labels, MEMORISE, device="cpu", dtype=torch.float64)
    train_reference(WIDTHS, 0, images, labels, MEMORISE, torch.float64)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(images, FIRST[0])
    assert torch.equal(labels, FIRST[1])


@BOTH
def test_a_pixel_that_is_always_zero_keeps_the_weights_it_was_drawn_with(way):
    dead = (FIRST[0] == 0).all(dim=0)
    assert 0 < dead.sum() < 64
    drawn = networks.initialise(WIDTHS, [4], dtype=torch.float64)
    ours = run(way, WIDTHS, [4], *FIRST, MEMORISE)
    assert torch.equal(ours.stack.weights[0][..., dead], drawn.weights[0][..., dead])
    plain = train_reference(WIDTHS, 4, *FIRST, MEMORISE, torch.float64)
    assert torch.equal(plain.stack.weights[0][..., dead], drawn.weights[0][..., dead])


def test_dropping_zero_pixels_is_training_without_them():
    live = (FIRST[0] != 0).any(dim=0)
    wide = on_cpu(WIDTHS, [2], *FIRST, MEMORISE)
    # The same network on the live pixels only, started from the same weights by hand.
    net, generator = networks.initialise_one(WIDTHS, 2)
    weights = [w[0].double() for w in net.weights]
    weights[0] = weights[0][:, live]
    biases = [b[0].double() for b in net.biases]
    for p in (*weights, *biases):
        p.requires_grad_()
    optimiser = torch.optim.SGD([*weights, *biases], lr=MEMORISE.learning_rate)
    x, y = FIRST[0][:, live], FIRST[1]
    for _ in range(int(wide.epochs)):
        for batch in torch.randperm(len(x), generator=generator).split(64):
            a = torch.relu(x[batch] @ weights[0].T + biases[0])
            a = torch.relu(a @ weights[1].T + biases[1])
            loss = torch.nn.functional.cross_entropy(a @ weights[2].T + biases[2], y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    torch.testing.assert_close(wide.stack.weights[0][0][:, live], weights[0].detach())
    torch.testing.assert_close(wide.stack.weights[2][0], weights[2].detach())


@BOTH
def test_divergence_is_recorded_and_spares_the_neighbours(way):
    wild = SGD(learning_rate=1e6, batch_size=64, max_epochs=200)
    ours = run(way, WIDTHS, range(3), FIRST[0].float(), FIRST[1], wild)
    assert len(ours) == 3
    assert not (ours.memorised & ours.diverged).any()
    assert ours.diverged.any()
    assert (ours.epochs[ours.diverged] < 200).all()
    assert not ours.train_loss[ours.diverged].isfinite().any()


def test_nan_is_divergence_even_where_argmax_would_call_it_right():
    """NaN logits read as class 0: points of class 0 only must not count as memorised."""
    zeros = LABELS == 0
    x, y = IMAGES[zeros].float(), LABELS[zeros]
    nan = networks.initialise(WIDTHS, [0])
    nan.weights[1][0, 0, 0] = float("nan")
    everywhere = torch.arange(64)
    packed = cpu.pack(nan, everywhere)
    rows = kernels.sparse_rows(x.numpy(), everywhere.numpy())
    space = kernels.workspace(packed, rows, 64)
    _, loss = kernels.evaluate(packed, rows, y.numpy(), space, False)
    assert np.isnan(loss)


@BOTH
def test_the_rate_drops_after_the_stated_share_of_the_epochs(way):
    sgd = SGD(0.1, 64, 10, check_every=10, drop_at=0.8, target_loss=0.0)
    assert [sgd.rate(epoch) for epoch in (1, 8, 9, 10)] == [0.1, 0.1, 0.1 * 0.1, 0.1 * 0.1]
    assert_same(run(way, WIDTHS, [1], *FIRST, sgd), reference(WIDTHS, [1], *FIRST, sgd), 1e-11)


@BOTH
def test_a_target_loss_replaces_the_stop_at_memorisation(way, plain64):
    target = SGD(0.2, 64, 400, target_loss=0.01)
    ours = run(way, WIDTHS, range(3), *FIRST, target)
    assert (ours.epochs > plain64.epochs[:3]).all()
    assert (ours.train_loss <= 0.01).all()
    assert_same(ours, reference(WIDTHS, range(3), *FIRST, target), 1e-9)


def test_the_stop_is_the_first_check_with_all_points_right(plain64):
    ours = on_cpu(WIDTHS, [0], *FIRST, MEMORISE)
    stop = int(ours.epochs)
    assert stop % 10 == 0
    earlier = dataclasses.replace(MEMORISE, max_epochs=stop - 10)
    assert not on_cpu(WIDTHS, [0], *FIRST, earlier).memorised


@BOTH
def test_out_of_epochs_is_not_memorised_but_kept(way):
    ours = run(way, WIDTHS, range(2), *FIRST, SGD(0.01, 64, 7))
    assert ours.epochs.tolist() == [7, 7]
    assert not ours.memorised.any()
    assert not ours.diverged.any()
    assert (ours.train_accuracy < 1).all()


def test_out_of_memory_halves_the_chunk_and_goes_on():
    asked = []

    def small_device(chunk):
        asked.append(len(chunk))
        if len(chunk) > 2:
            raise torch.OutOfMemoryError("no room")
        return train_stack(WIDTHS, chunk, *FIRST, MEMORISE)

    ours = train_in_chunks(small_device, range(5))
    assert asked == [5, 3, 2, 2, 1]
    whole = train_stack(WIDTHS, range(5), *FIRST, MEMORISE)
    assert torch.equal(ours.epochs, whole.epochs)
    with pytest.raises(torch.OutOfMemoryError):
        train_in_chunks(lambda chunk: (_ for _ in ()).throw(torch.OutOfMemoryError()), range(2))


def test_the_progress_bar_reaches_its_end(capsys):
    train(WIDTHS, range(2), *FIRST, MEMORISE, device="cpu", progress=True)
    assert "training" in capsys.readouterr().out


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA GPU here")
def test_a_gpu_trains_the_same_networks():
    ours = train(WIDTHS, range(4), *FIRST, MEMORISE, device="cuda", dtype=torch.float64)
    assert ours.stack.device.type == "cuda"
    moved = dataclasses.replace(ours, stack=ours.stack.to("cpu"))
    assert_same(moved, reference(WIDTHS, range(4), *FIRST, MEMORISE), 1e-9)


def call(**changes):
    arguments = {"images": FIRST[0], "labels": FIRST[1], "sgd": MEMORISE, "widths": WIDTHS}
    arguments |= {"seeds": [0], "device": "cpu"} | changes
    return train(**arguments)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: SGD(0.1, 0, 10), "batch_size"),
        (lambda: SGD(0.1, 64, 0), "max_epochs"),
        (lambda: SGD(0.1, 64, 10, check_every=0), "check_every"),
        (lambda: SGD(-0.1, 64, 10), "learning_rate"),
        (lambda: SGD(float("nan"), 64, 10), "learning_rate"),
        (lambda: SGD(0.1, 64, 10, drop_at=80), "drop_at"),
        (lambda: call(labels=FIRST[1] + 1), "expected whole numbers from 0 to 9"),
        (lambda: call(labels=FIRST[1] - 1), "labels run from -1"),
        (lambda: call(labels=FIRST[1].double()), "whole numbers"),
        (lambda: call(labels=FIRST[1][:9]), "150 images have labels"),
        (lambda: call(images=FIRST[0][:, :9]), "do not fit"),
        (lambda: call(images=FIRST[0].view(150, 8, 8)), "do not fit"),
        (lambda: call(images=FIRST[0][:0], labels=FIRST[1][:0]), "no images"),
        (lambda: call(images=(FIRST[0] * 16).to(torch.uint8)), "floating point"),
        (lambda: call(images=FIRST[0] / 0), "NaN or infinite"),
        (lambda: call(seeds=[]), "no seeds"),
        (lambda: call(device="tpu"), "unknown device"),
        (lambda: call(workers=0), "workers"),
        (lambda: call(dtype=torch.float16), "dtype"),
        (lambda: call(widths=(64,)), "make no network"),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(UserError, match=message):
        action()
