"""All pairs of many networks at once: the answers, proofs and failures of the batch."""

import numpy as np
import pytest
import torch
from test_pair_proxy import SHAPES, check_every_certificate, digits_network, problem

from helpers.errors import UserError
from helpers.weakness.pair_proxy import (
    AMBIGUOUS,
    FEASIBLE,
    INFEASIBLE,
    batched,
    batched_steps,
    pair_proxy,
    pair_proxy_reference,
    verify,
)
from helpers.weakness.pair_proxy.batched import pair_proxy_batched

NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA GPU here")


def run(problems, **options):
    features, labels, probes = zip(*(item[:3] for item in problems), strict=True)
    return pair_proxy_batched(features, labels, probes, **{"device": "cpu"} | options)


def check(answers, problems):
    """Verify every certificate in a package function and anew from the definition."""
    for found, (features, labels, probes, *_) in zip(answers, problems, strict=True):
        check_every_certificate(found, features, labels, probes)
        for x, c in np.argwhere(found.status != AMBIGUOUS):
            assert verify(found.certificate(x, c), features, labels, probes[x], c)


def maps_of(features, probes, conditions):
    """Send features through invertible affine maps of given condition numbers."""
    rng = np.random.default_rng(3)
    d = features.shape[1]
    for condition in conditions:
        left, right = (np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(2))
        mapped = left @ np.diag(np.geomspace(1, condition, d)) @ right
        shift = rng.normal(size=d)
        yield features @ mapped + shift, probes @ mapped + shift


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_networks_of_any_shape_agree_with_one_linear_program_for_each_pair(classes):
    problems = [problem(s, classes, 1 + s % 6, 3 + 2 * s, SHAPES[s % 5]) for s in range(10)]
    answer = run(problems, classes=classes)
    for found, (features, labels, probes, _) in zip(answer.answers, problems, strict=True):
        expected = pair_proxy_reference(features, labels, probes, classes=classes)
        np.testing.assert_array_equal(found.status, expected)
    check(answer.answers, problems)
    assert answer.pair_proxy.tolist() == [found.pair_proxy for found in answer.answers]


def test_many_degenerate_sets_agree_with_the_cpu_solver_and_few_are_left_to_it():
    problems = [problem(s, 2 + s % 3, 1 + s % 5, 4 + s % 30, SHAPES[s % 5]) for s in range(90)]
    classes = [2 + s % 3 for s in range(90)]
    for k in (2, 3, 4):
        some = [item for item, count in zip(problems, classes, strict=True) if count == k]
        answer = run(some, classes=k)
        for found, (features, labels, probes, _) in zip(answer.answers, some, strict=True):
            expected = pair_proxy(features, labels, probes, classes=k)
            np.testing.assert_array_equal(found.status, expected.status)
        assert answer.undecided.sum() <= 0.02 * answer.pairs


def test_dead_units_missing_classes_one_class_and_labels_no_layer_can_fit_in_one_call():
    features, labels, probes, head = problem(2, 4, 3, 20, "gaussian", p=4)
    dead = np.hstack([features, np.zeros((20, 1))])
    awake = np.hstack([probes, [[0.0], [0.0], [0.5], [1e-6]]])
    random = np.random.default_rng(0).integers(0, 4, 20)
    problems = [
        (features, labels, probes),
        (dead, labels, awake),
        (features, 3 * (labels > 1), probes),
        (features[:1], labels[:1] * 0 + 2, probes),
        (features, random, probes),
        (np.vstack([features, features]), np.append(labels, labels), features[:6]),
        (np.vstack([features, features[:1]]), np.append(labels, (labels[0] + 1) % 4), probes),
    ]
    answer = run(problems, classes=4, last_layers=[head] + [None] * 6)
    for found, (known, told, asked) in zip(answer.answers, problems, strict=True):
        np.testing.assert_array_equal(
            found.status, pair_proxy_reference(known, told, asked, classes=4)
        )
    check(answer.answers, problems)
    assert answer.answers[0].start == "the trained last layer"
    assert answer.answers[1].outside == 2
    assert [found.separable for found in answer.answers] == [True] * 4 + [False, True, False]
    assert answer.undecided[[4, 6]].tolist() == [16, 16]  # no centre: all theirs to the CPU
    alone = run([(features, labels * 0, probes)])
    assert (alone.answers[0].status == FEASIBLE).all()
    assert alone.undecided.tolist() == [0]


def test_classes_may_differ_between_networks():
    problems = [problem(s, 2 + s, 3, 15, "gaussian") for s in range(3)]
    told = [p[1].max() + 1 for p in problems]
    answer = run(problems)
    assert [found.status.shape[1] for found in answer.answers] == told
    check(answer.answers, problems)


def test_little_of_a_trained_network_is_left_to_the_cpu_solver_under_any_invertible_map():
    features, labels, probes, head = digits_network()
    probes = probes[:15]
    plain = pair_proxy(features, labels, probes, classes=10, last_layer=head)
    assert 0 < plain.pair_proxy < plain.status.size
    mapped = [(features, probes), *maps_of(features, probes, [1e1, 1e3, 1e6])]
    answer = run([(known, labels, asked) for known, asked in mapped], classes=10)
    for found in answer.answers:
        np.testing.assert_array_equal(found.status, plain.status)
    assert (answer.undecided[:3] <= 0.01 * plain.status.size).all()
    assert answer.undecided[3] <= 0.05 * plain.status.size
    check(answer.answers[:1], [(features, labels, probes)])


def test_the_same_call_gives_the_same_certificates_and_any_chunk_the_same_answers():
    problems = [problem(s, 4, 3, 18, SHAPES[s % 5], p=6) for s in range(4)]
    first, again = run(problems, classes=4), run(problems, classes=4)
    for one, other in zip(first.answers, again.answers, strict=True):
        np.testing.assert_array_equal(one.owner, other.owner)
        for mine, its in zip(one.witnesses, other.witnesses, strict=True):
            np.testing.assert_array_equal(mine.weights, its.weights)
    for chunk in (1, 7, 1000):
        for one, other in zip(
            first.answers, run(problems, classes=4, chunk=chunk).answers, strict=True
        ):
            np.testing.assert_array_equal(one.status, other.status)


def test_out_of_memory_halves_the_chunk_and_goes_on(monkeypatch):
    problems = [problem(s, 4, 3, 18, "relu", p=6) for s in range(3)]
    expected, decide, sizes = run(problems, classes=4), batched.decide, []

    def tight(cones, board, net, *rest):
        sizes.append(len(net))
        decide(cones, board, net, *rest)
        if len(net) > 10:  # after work was done, as on a device
            raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(batched, "decide", tight)
    answer = run(problems, classes=4)
    for one, other in zip(expected.answers, answer.answers, strict=True):
        np.testing.assert_array_equal(one.status, other.status)
    check(answer.answers, problems)
    assert sizes[0] > 10
    assert sizes[1] <= (sizes[0] + 1) // 2
    assert answer.chunk <= 10

    def never(*given):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(batched, "decide", never)
    with pytest.raises(torch.OutOfMemoryError):
        run(problems, classes=4)


def test_what_the_batch_leaves_open_reaches_the_cpu_solver(monkeypatch):
    problems = [problem(s, 4, 3, 18, "gaussian", p=6) for s in range(3)]
    expected = run(problems, classes=4)
    monkeypatch.setattr(batched, "MAX_ROUNDS", 0)
    answer = run(problems, classes=4)
    assert (answer.undecided > 0).all()
    assert all(found.steps > 0 for found in answer.answers)
    for one, other in zip(expected.answers, answer.answers, strict=True):
        np.testing.assert_array_equal(one.status, other.status)
    check(answer.answers, problems)


@pytest.mark.parametrize("fault", ["witnesses", "owners", "proofs"])
def test_no_lie_of_the_batch_survives_its_check(monkeypatch, fault):
    problems = [problem(s, 4, 3, 18, "gaussian", p=6) for s in range(3)]
    expected, decide = run(problems, classes=4), batched.decide
    assert sum((found.status == INFEASIBLE).sum() for found in expected.answers) > 0

    def lie(cones, board, net, probe, wanted, rounds):
        decide(cones, board, net, probe, wanted, rounds)
        if fault == "witnesses":
            board.witnesses[:] = [(net, -points) for net, points in board.witnesses]
        elif fault == "owners":  # every pair is feasible, says the first centre
            board.owner.clamp_(max=0)
        else:
            board.proofs[:] = [
                proofs._replace(weights=1.1 + proofs.weights) for proofs in board.proofs
            ]

    monkeypatch.setattr(batched, "decide", lie)
    answer = run(problems, classes=4)
    assert answer.undecided.sum() > 0
    for one, other in zip(expected.answers, answer.answers, strict=True):
        np.testing.assert_array_equal(one.status, other.status)
    check(answer.answers, problems)


def test_a_dual_basis_that_drifted_is_put_right():
    generator = torch.Generator().manual_seed(0)
    active = torch.randn(1, 5, 20, dtype=torch.float64, generator=generator)
    row = torch.randn(1, 20, dtype=torch.float64, generator=generator)
    pairs = batched_steps._begin(*small_cone(), *torch.zeros(3, 1, dtype=torch.int64))
    pairs.active, pairs.row = active, row
    exact = torch.linalg.pinv(active).mT
    pairs.dual = exact + 1e-5 * (exact @ active.mT @ exact)
    change, rest = batched_steps._split(pairs)
    torch.testing.assert_close(change, (exact @ row[..., None])[..., 0], rtol=0, atol=1e-14)
    torch.testing.assert_close(rest @ active[0].T, torch.zeros(1, 5).double(), rtol=0, atol=1e-14)
    torch.testing.assert_close(pairs.dual, exact, rtol=0, atol=1e-14)


def small_cone():
    features, labels, probes, _ = problem(0, 3, 3, 15, "gaussian")
    run = batched._prepare(features, labels, probes, None, 3).run
    return [batched.stack_cones([(run.problem, run.middle)], torch.device("cpu"))]


def test_no_tensor_is_made_on_a_device_by_default():
    # Every tensor made without naming the device would land on meta, and clash with the others.
    problems = [problem(s, 3, 3, 15, "relu") for s in range(2)]
    expected = run(problems, classes=3)
    with torch.device("meta"):
        answer = run(problems, classes=3)
    for one, other in zip(expected.answers, answer.answers, strict=True):
        np.testing.assert_array_equal(one.status, other.status)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"device": "mps"}, "no float64.*use DEVICE=cpu"),
        ({"device": "tpu"}, "unknown device"),
        ({"chunk": 0}, "at least 1"),
        ({"chunk": 2.5}, "whole number"),
        ({"features": np.zeros((3, 2))}, "use pair_proxy for one network"),
        ({"features": []}, "no networks"),
        ({"probes": np.zeros((3, 1, 2))}, "one for each network"),
        ({"labels": [[0, 1, 2]] * 3}, "one for each network"),
        ({"last_layers": [None]}, "one for each network"),
        ({"last_layers": (np.zeros((2, 2, 2)), np.zeros((2, 2)))}, "last layer"),
        ({"features": np.full((2, 3, 2), np.nan)}, "NaN or infinity"),
    ],
)
def test_bad_input_is_named(change, message):
    features = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    given = {"features": [features] * 2, "labels": [0, 1, 2], "probes": np.zeros((2, 1, 2))}
    given |= {"classes": 3, "device": "cpu"} | change
    with pytest.raises(UserError, match=message) as caught:
        pair_proxy_batched(**given)
    assert "\n" not in str(caught.value)


def test_tensors_and_stacked_layers_are_taken_as_they_are():
    generator = torch.Generator().manual_seed(0)
    features, probes, weights = (
        torch.randn(*shape, generator=generator) for shape in ((2, 12, 3), (2, 4, 3), (2, 4, 3))
    )
    labels = (features @ weights.mT).argmax(-1)
    layers = (weights.requires_grad_(), torch.zeros(2, 4))
    answer = pair_proxy_batched(
        features, labels, probes, classes=4, last_layers=layers, device="cpu"
    )
    assert {found.start for found in answer.answers} == {"the trained last layer"}
    arrays = features.double().numpy(), labels.numpy(), probes.double().numpy()
    check(answer.answers, list(zip(*arrays, strict=True)))


@NO_CUDA
@pytest.mark.gpu
def test_a_gpu_gives_the_answers_of_the_cpu():
    features, labels, probes, head = digits_network()
    problems = [(features, labels, probes)] * 3
    answer = run(problems, classes=10, last_layers=[head, None, None], device="cuda")
    expected = pair_proxy(features, labels, probes, classes=10, last_layer=head)
    assert answer.device.startswith("cuda")
    for found in answer.answers:
        np.testing.assert_array_equal(found.status, expected.status)
    assert answer.undecided.sum() <= 0.02 * answer.pairs
    check(answer.answers, problems)
    again = run(problems, classes=10, last_layers=[head, None, None], device="cuda")
    for one, other in zip(answer.answers, again.answers, strict=True):
        np.testing.assert_array_equal(one.owner, other.owner)
