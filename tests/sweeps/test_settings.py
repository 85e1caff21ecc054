"""Settings of a protocol changed by name: deep, typed, and refused in one line."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from helpers import experiments
from helpers.errors import UserError
from helpers.sweeps import results
from helpers.sweeps import sweep as sweeps
from helpers.sweeps.settings import change, parse, spell

PLAIN = experiments.find("vanishing_mnist_500")


def test_what_is_not_named_stays_as_it_was() -> None:
    changed = change(PLAIN, {"n": 300, "how": {"hutchinson_vectors": 10}})
    assert changed == replace(PLAIN, n=300, how=replace(PLAIN.how, hutchinson_vectors=10))
    changed = change(PLAIN, {"small_batch": {"learning_rate": 1, "seeds": [3, 4]}})
    assert changed == replace(
        PLAIN, small_batch=replace(PLAIN.small_batch, learning_rate=1.0, seeds=(3, 4))
    )
    assert isinstance(changed.small_batch.learning_rate, float)  # 1 would be another cell
    assert change(PLAIN, {"drop_at": 0.5}).drop_at == 0.5
    assert change(change(PLAIN, {"drop_at": 0.5}), {"drop_at": None}) == PLAIN


@pytest.mark.parametrize("name", experiments.known())
@pytest.mark.parametrize("profile", ["paper", "smoke"])
def test_every_protocol_is_made_of_settings_that_fit(name: str, profile: str) -> None:
    protocol = experiments.protocol(name, profile)
    assert change(protocol, asdict(protocol)) == protocol
    assert change(protocol, json.loads(json.dumps(asdict(protocol)))) == protocol


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"m": 1}, r"protocol Vanishing has no field 'm'; expected one of name, dataset, n, small"),
        (
            {"how": {"hutchinson_vectors": 3, "typo": 1}},
            r"setting 'how' has no field 'typo'; expected one of hutchinson_vectors, curv",
        ),
        ({"n": "abc"}, r"setting 'n' is 'abc'; expected a valid integer"),
        ({"n": 300.0}, r"setting 'n' is 300\.0; expected a valid integer"),
        ({"n": True}, r"setting 'n' is True; expected a valid integer"),
        ({"max_epochs": -3}, r"setting 'max_epochs' is -3; expected a whole number, 0 or more"),
        ({"dataset": 5}, r"setting 'dataset' is 5; expected a valid string"),
        ({"how": 5}, r"setting 'how' is 5; expected some of its own settings: hutchinson_vectors"),
        (
            {"small_batch": {"learning_rate": "fast"}},
            r"setting 'small_batch\.learning_rate' is 'fast'; expected a valid number",
        ),
        ({"small_batch": {"learning_rate": float("inf")}}, r"'small_batch\.learning_rate' is inf"),
        ({"small_batch": {"learning_rate": 0}}, r"is 0\.0; expected a number, more than 0"),
        ({"small_batch": {"batch_size": 0}}, r"is 0; expected a whole number, 1 or more"),
        ({"small_batch": {"seeds": []}}, r"seeds' is \(\); expected a list that is not empty"),
        ({"small_batch": {"seeds": 5}}, r"'small_batch\.seeds' is 5; expected a valid array"),
        ({"small_batch": {"seeds": [0, "x"]}}, r"'small_batch\.seeds\.1' is 'x'; expected a valid"),
        ({"drop_at": "late"}, r"setting 'drop_at' is 'late'; expected a valid number"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        sweeps.change(PLAIN, settings)
    assert "\n" not in str(error.value)


def test_lists_of_protocols_and_choices_are_checked_too() -> None:
    bounds = experiments.find("pac_bayes")
    sizes = [{"n": 100, "networks": 4}]
    assert [size.networks for size in change(bounds, {"sizes": sizes}).sizes] == [4]
    with pytest.raises(UserError, match=r"setting 'sizes\.0\.n' is -1"):
        change(bounds, {"sizes": [{"n": -1}]})
    more = [{}] * len(bounds.sizes) + [{"n": 100}]  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"networks' is missing; expected n, networks, max_epochs"):
        change(bounds, {"sizes": more})
    with pytest.raises(UserError, match=r"'stops\.0' is 'bored'; expected 'memorised' or 'match"):
        change(experiments.find("batch_or_rate_mnist_500"), {"stops": ["bored"]})


def test_assignments_are_read_as_nested_settings_and_spelled_again() -> None:
    texts = ["n=300", "how.hutchinson_vectors=10", "how.unseen_points=null", 'dataset="a=b"']
    settings = parse(texts)
    assert settings == {
        "n": 300,
        "how": {"hutchinson_vectors": 10, "unseen_points": None},
        "dataset": "a=b",
    }
    assert spell(settings) == texts
    assert parse(["dataset=mnist"]) == {"dataset": "mnist"}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["n"], "'n' is not a setting; expected NAME=VALUE"),
        (["=3"], "'=3' is not a setting"),
        (["how..x=3"], r"'how\.\.x=3' is not a setting"),
        (["n=1", "n=2"], "'n' is set twice"),
        (["how=1", "how.x=2"], r"'how\.x' is set twice"),
        (["how.x=1", "how=2"], "'how' is set twice"),
    ],
)
def test_assignments_that_cannot_be_read_are_refused(texts: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse(texts)


def test_a_changed_protocol_has_a_table_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(experiments, "TABLES", tmp_path)
    options = {"profile": "smoke", "device": "cpu", "progress": False}
    checks = experiments.protocol("theory", "smoke").checks[:2]
    plain = experiments.compute("theory", **options)
    before = {path: path.read_bytes() for path in (tmp_path / "smoke").glob("theory.*")}
    settings = {"checks": list(checks)}
    changed = experiments.compute("theory", settings=settings, **options)
    assert (len(before), len(changed.frame)) == (2, len(checks))
    assert all(path.read_bytes() == content for path, content in before.items())
    name = experiments.changed("theory", settings, "smoke").name
    assert name.startswith("theory~")
    kept = results.read(name, tmp_path / "smoke").provenance
    assert kept["command"].startswith(
        "python -m helpers run theory --profile smoke --set 'checks=["
    )
    assert "--publish" not in kept["command"]
    again = experiments.compute("theory", settings=settings, **options)
    assert again.provenance == kept
    assert experiments.changed("theory", {}, "smoke").name == plain.provenance["table"] == "theory"
    with pytest.raises(UserError, match="setting 'name' cannot be chosen"):
        experiments.changed("theory", {"name": "theory_pair_proxy"})
    with pytest.raises(UserError, match="unknown table 'theory~"):
        experiments.publish(name)
