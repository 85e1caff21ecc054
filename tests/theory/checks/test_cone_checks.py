"""The checks of chapter 10: small runs, the oracle by hand, and verdicts that follow failures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.claims.types import Verdict
from helpers.ledger import find as claim
from helpers.measures.shared_layer import count_realisable
from helpers.theory.checks import cones as cone_checks

FALSE = {"pair-proxy-orders-extensions"}


@pytest.mark.parametrize("name", cone_checks.CONE_CHECKS)
def test_small_checks_find_counterexamples_only_to_what_is_false(name):
    found = cone_checks.CONE_CHECKS[name](True)
    assert found.check == name
    assert found.cases > 0
    assert (found.failures > 0) == (name in FALSE)


@pytest.mark.parametrize(
    ("positions", "labels", "possible"),
    [
        ((0, 1, 2), (0, 1, 2), True),
        ((0, 1, 2), (2, 0, 1), True),
        ((0, 1, 2), (0, 1, 0), False),
        ((1, 1), (0, 1), False),
        ((1, 1), (2, 2), True),
    ],
)
def test_the_oracle_wants_every_class_in_one_piece(positions, labels, possible):
    found = cone_checks.classes_are_apart(np.array(positions), np.array(labels))
    assert found is possible


def test_the_two_feature_maps_are_ordered_both_ways():
    line, plane = cone_checks.two_feature_maps()
    assert cone_checks.single_extensions(line) == [2, 2, 2, 2]
    assert cone_checks.single_extensions(plane) == [2, 2, 2, 1]
    # On the line m thresholds allow Σ_s C(m, s)(s + 1) partial labellings; in the plane one of the
    # 27 of three probes fails, and the fourth may speak or be silent.
    assert count_realisable(line) == 48
    assert count_realisable(plane) == 2 * 26


@pytest.mark.parametrize(
    ("name", "failing", "verdict"),
    [
        ("theorem-15", "", Verdict.PROVED),
        ("theorem-15", "theorem-15-invariant", Verdict.REFUTED),
        ("proposition-14", "theorem-15-exact", Verdict.PROVED),
        ("proxy-is-weakness", "pair-proxy-orders-extensions", Verdict.REFUTED),
        ("proxy-is-weakness", "", Verdict.OPEN),
    ],
)
def test_verdicts_follow_the_failures(name, failing, verdict):
    rows = [
        {"check": check, "cases": 100, "failures": int(check == failing), "detail": "scope"}
        for check in cone_checks.CONE_CHECKS
    ]
    assert claim(name).read(lambda _: pd.DataFrame(rows)).verdict is verdict


def test_claims_of_table_4_read_any_table():
    random = np.random.default_rng(0)
    skill = random.normal(size=80)
    table = pd.DataFrame(
        {
            "test_accuracy": 0.80 + 0.01 * skill,
            "pair_proxy": np.round(800 + 30 * (skill + random.normal(size=80))),
            "hessian_trace": random.normal(size=80),
            "weight_l2_norm": random.normal(size=80),
        }
    )
    reading = claim("mnist-pair-proxy").read(lambda _: table)
    assert reading.estimate.low is not None
    assert reading.estimate.low > 0
    assert claim("mnist-outperforms").read(lambda _: table).verdict is not Verdict.FAILS
    assert claim("mnist-accuracy").read(lambda _: table).verdict is Verdict.REPLICATES
    shifted = table.assign(test_accuracy=table["test_accuracy"] - 0.1)
    assert claim("mnist-accuracy").read(lambda _: shifted).verdict is Verdict.FAILS
