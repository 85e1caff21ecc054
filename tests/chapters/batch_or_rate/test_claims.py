"""What the chapter claims and predicts, in worlds where the answer is known."""

from __future__ import annotations

import pytest
from made_up_crossings import at_large_n, everywhere, gone_altogether, loader, world

from helpers.chapters.batch_or_rate import claims
from helpers.claims.predictions import Outcome
from helpers.claims.types import Verdict
from helpers.errors import MissingTableError
from helpers.experiments.batch_or_rate import SINGLE


def outcomes(load):
    return claims.predictions(load).frame["outcome"].to_dict()


def verdicts(load):
    return [one.read(load).verdict for one in claims.CLAIMS[:2]]


def test_if_it_is_the_rate_the_predictions_hold_and_the_inference_fails():
    load = loader(everywhere(rate=1.5, batch=-0.2) | at_large_n(gain=0.5, advantage=0.1))
    assert outcomes(load) == dict.fromkeys(("F1", "F2", "F3", "F4", "F5", "F6"), "held")
    assert verdicts(load) == [Verdict.FAILS, Verdict.FAILS]
    assert claims.CLAIMS[2].read(load).verdict is Verdict.FAILS


def test_if_it_is_the_batch_the_predictions_fail_and_the_inference_holds():
    load = loader(everywhere(rate=0.05, batch=1.5) | at_large_n(gain=0.0, advantage=0.05))
    found = outcomes(load)
    assert [found[name] for name in ("F2", "F3", "F4", "F6")] == ["failed"] * 4
    assert verdicts(load) == [Verdict.REPLICATES, Verdict.REPLICATES]
    assert claims.CLAIMS[2].read(load).verdict is Verdict.REPLICATES


def test_without_a_table_there_is_nothing_to_judge():
    assert [one.read(loader({})).verdict for one in claims.CLAIMS] == [Verdict.OPEN] * 3
    with pytest.raises(MissingTableError):
        claims.predictions(loader({}))


def test_one_size_that_goes_the_other_way_fails_a_prediction():
    tables = everywhere(rate=1.5, batch=-0.2) | at_large_n(gain=0.5, advantage=0.1)
    tables["batch_or_rate_mnist_6000"] = world(6_000, rate=-1.5)
    found = outcomes(loader(tables))
    assert (found["F1"], found["F5"], found["F6"]) == ("failed", "failed", "held")


def test_a_combination_that_diverged_altogether_fails_its_predictions():
    tables = everywhere(rate=1.5, batch=-0.2) | at_large_n(gain=0.5, advantage=0.1)
    gone_altogether(tables["batch_or_rate_mnist_500"])
    found = outcomes(loader(tables))
    assert [found[name] for name in ("F1", "F2", "F4", "F5")] == [Outcome.FAILED] * 4


def test_an_outcome_that_hangs_on_late_networks_is_named():
    tables = everywhere(rate=1.5, batch=-0.2) | at_large_n(gain=0.5, advantage=0.1)
    frame = tables["batch_or_rate_mnist_500"]
    late = (frame["batch_size"] == 64) & (frame["learning_rate"] == 0.5)
    late &= frame["seed"].between(1, 8)
    frame.loc[late, "test_accuracy"] -= 0.004
    assert claims.changed_by_stragglers(loader(tables)) == {}
    frame.loc[late, "stopped"] = False
    assert claims.changed_by_stragglers(loader(tables)) == {"F4": Outcome.HELD}


def test_late_networks_at_large_n_leave_nothing_to_judge():
    tables = everywhere(rate=1.5, batch=-0.2) | at_large_n(gain=0.5, advantage=0.1)
    ours = tables[f"batch_or_rate_mnist_{SINGLE}"]
    ours.loc[(ours["learning_rate"] == 0.3) & (ours["seed"] > 101), "stopped"] = False
    assert claims.changed_by_stragglers(loader(tables)) == {"F6": Outcome.OPEN}


def test_every_prediction_and_its_outcome_are_on_the_page():
    tables = everywhere(rate=1.5, batch=-0.2) | at_large_n(gain=0.5, advantage=0.1)
    view = claims.predictions(loader(tables))
    page = view._repr_html_()
    for one in view.reports:
        assert f"<strong>{one.prediction.id}.</strong>" in page
        assert f">{one.outcome}</span>" in page
    assert page.count('role="rowheader"') == len(claims.PREDICTIONS) == 6
