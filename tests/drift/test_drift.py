"""Drift: what was altered on purpose is named with its amount, and an honest re-run is not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers import cli, experiments
from helpers.drift import rule
from helpers.drift.compare import compare, compare_frames
from helpers.drift.report import markdown, report
from helpers.errors import UserError
from helpers.sweeps import results, spotchecks

VANISHING = "vanishing_mnist_500"
SMALL, LARGE = "regime small_batch", "regime large_batch"


def rerun_of(name, change=lambda frame: frame, **provenance):
    table = results.read(name)
    return replace(
        table, frame=change(table.frame.copy()), provenance=table.provenance | provenance
    )


def compared(name, change, **provenance):
    table = results.read(name)
    return compare(experiments.find(name), table, rerun_of(name, change, **provenance), 0.01)


def shifted(column, amount, regime="small_batch"):
    def change(frame):
        frame.loc[frame["regime"] == regime, column] += amount
        return frame

    return change


def other_rounding(scale, seed=0):
    """Give every network measures that differ as another processor's would: by a share of an SD."""

    def change(frame):
        rng = np.random.default_rng(seed)
        for column in ("test_accuracy", "unseen_accuracy", "hessian_trace", "weight_l2_norm"):
            noise = rng.normal(size=len(frame)) * frame.groupby("regime")[column].transform("std")
            frame[column] += scale * noise
        return frame

    return change


def test_the_same_table_has_nothing_to_judge():
    found = compared(VANISHING, lambda frame: frame)
    assert found.within
    assert found.judged == ()


def test_a_small_shift_of_one_column_is_named_with_its_amount():
    (mean,) = compared(VANISHING, shifted("test_accuracy", 0.002)).judged[:1]
    assert mean.contrast.group == SMALL
    assert mean.contrast.column == "test_accuracy"
    assert mean.contrast.shift == pytest.approx(0.002)
    assert mean.outcome == "moved"
    published = results.read(VANISHING).frame.query("regime == 'small_batch'")["test_accuracy"]
    assert mean.in_units == pytest.approx(0.002 / published.std())


def test_a_shift_is_found_beneath_the_noise_of_another_processor():
    honest = compared(VANISHING, other_rounding(0.3))
    assert honest.within
    assert len(honest.judged) > 8

    def change(frame):
        return shifted("hessian_trace", 3.0, "large_batch")(other_rounding(0.3)(frame))

    moved = {
        (each.contrast.group, each.contrast.column) for each in compared(VANISHING, change).moved
    }
    assert moved == {(LARGE, "hessian_trace")}


def test_a_shift_inside_the_band_holds():
    unit = results.read(VANISHING).frame.groupby("regime")["hessian_trace"].std()["small_batch"]
    found = compared(VANISHING, shifted("hessian_trace", 0.2 * unit))
    assert {each.outcome for each in found.judged} == {"held"}
    assert found.within
    assert not compared(VANISHING, shifted("hessian_trace", 0.3 * unit)).within


def test_networks_that_are_all_alike_have_lost_their_spread():
    def change(frame):
        rows = frame["regime"] == "small_batch"
        frame.loc[rows, "test_accuracy"] = frame.loc[rows, "test_accuracy"].median()
        return frame

    moved = compared(VANISHING, change).moved
    assert [(each.contrast.column, each.contrast.what) for each in moved] == [
        ("test_accuracy", "spread")
    ]


def test_exchanged_regimes_are_seen_as_such():
    def change(frame):
        frame["regime"] = frame["regime"].map(
            {"small_batch": "large_batch", "large_batch": "small_batch"}
        )
        return frame

    found = compared(VANISHING, change)
    assert f"the rows of {LARGE} are those published for {SMALL}" in found.changes
    assert any(change.startswith("50 rows are missing") for change in found.changes)


def test_regimes_exchanged_under_the_same_seeds_are_seen_as_such():
    def table(swap):
        rng = np.random.default_rng(0)
        rows = [
            {"dataset": "d", "n": 1, "regime": regime, "seed": seed, "x": rng.normal(mean)}
            for regime, mean in (("a", 0.0), ("b", 5.0))
            for seed in range(10)
        ]
        frame = pd.DataFrame(rows)
        return frame.assign(regime=frame["regime"].map({"a": "b", "b": "a"})) if swap else frame

    key = ("dataset", "n", "regime", "seed")
    changes, contrasts, _ = compare_frames(table(False), table(True), key, 1e-3)
    assert "the rows of regime b are those published for regime a" in changes
    shifts = {each.contrast.group: each.contrast.shift for each in rule.judge(contrasts, 0.01)[::2]}
    assert shifts["regime a"] == pytest.approx(5, abs=1)
    assert shifts["regime b"] == pytest.approx(-5, abs=1)


def test_a_dropped_seed_and_a_renamed_column_are_named():
    found = compared(VANISHING, lambda frame: frame.query("seed != 7"))
    assert found.changes == ("1 row is missing: regime small_batch, seed 7",)
    found = compared(VANISHING, lambda frame: frame.rename(columns={"l1_patterns": "patterns"}))
    assert found.changes == ("column `l1_patterns` is now called `patterns`",)
    found = compared(VANISHING, lambda frame: frame.drop(columns="train_loss").assign(new=1.0))
    assert found.changes == ("column `train_loss` is missing", "column `new` is new")
    found = compared(VANISHING, lambda frame: frame.drop(columns="seed"))
    assert found.changes == ("column `seed` is missing",)


def test_a_value_of_an_exact_table_must_agree():
    def change(frame):
        frame.loc[frame["check"] == "counts-agree", "failures"] = 1
        return frame

    (moved,) = compared("theory", change).moved
    assert moved.contrast.group == "check counts-agree"
    assert (moved.contrast.column, moved.contrast.shift) == ("failures", 1.0)


def test_rounding_that_is_left_of_zero_is_no_drift():
    def change(frame):
        frame["logit_change"] *= 40
        exact = frame["relative_change"].abs() < 1e-9
        frame.loc[exact, "relative_change"] = 1e-9
        return frame

    found = compared("invariance", change)
    assert found.within
    assert found.judged == ()


def test_missing_values_that_were_numbers_are_an_alarm():
    def change(frame):
        frame.loc[frame["regime"] == "small_batch", "hessian_trace"] = np.nan
        return frame

    moved = compared(VANISHING, change).moved
    assert [each.contrast.column for each in moved] == ["hessian_trace (missing)"]


def test_networks_trained_in_double_precision_hold():
    """The published twins are what a processor that rounds otherwise would have given."""
    single = results.read("pair_proxy_fashion_mnist").frame
    double = results.read("rounding_fashion_mnist").frame
    columns = [name for name in double if name != "pair_proxy_all"]  # of another set of probes
    pairs = single.merge(double, on="seed", suffixes=("", "_double"))
    assert (pairs["test_accuracy"] != pairs["test_accuracy_double"]).mean() > 0.2
    changes, contrasts, _ = compare_frames(
        single[columns], double[columns], ("dataset", "n", "seed"), 1e-3
    )
    assert not changes
    assert all(each.outcome != "moved" for each in rule.judge(contrasts, 0.01))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.05])
def test_an_honest_rerun_with_other_seeds_raises_no_more_alarms_than_declared(share):
    """Split real tables in two at random: one part published, the other run again."""
    rng = np.random.default_rng(1)
    alarms, splits = 0, 0
    for name in ("model_selection_mnist", "pair_proxy_fashion_mnist", VANISHING):
        experiment, frame = experiments.find(name), results.read(name).frame
        groups = "regime" if "regime" in frame else "n"
        for _ in range(60):
            order = frame.groupby(groups)["seed"].transform(
                lambda seeds: rng.permutation(len(seeds)) / len(seeds)
            )
            changes, contrasts, _ = compare_frames(
                *(frame[order >= share], frame[order < share]),
                *(experiment.key, experiment.tolerance),
                same_seeds=False,
            )
            assert not changes
            alarms += any(each.outcome == "moved" for each in rule.judge(contrasts, 0.01))
            splits += 1
    assert alarms <= 8  # of 180; more has probability 0.0003 at 1 % each
    assert splits == 180


def test_a_large_shift_between_different_networks_is_seen():
    frame = results.read("model_selection_mnist").frame
    old, new = frame[frame["seed"] < 150], frame[frame["seed"] >= 150].copy()
    new["test_accuracy"] += 0.8 * old["test_accuracy"].std()
    experiment = experiments.find("model_selection_mnist")
    _, contrasts, _ = compare_frames(old, new, experiment.key, 1e-3, same_seeds=False)
    moved = [each for each in rule.judge(contrasts, 0.01) if each.outcome == "moved"]
    assert [each.contrast.column for each in moved] == ["test_accuracy"]
    assert moved[0].in_units == pytest.approx(0.8, abs=0.3)
    assert abs(moved[0].in_units) >= moved[0].visible * 0.99


def test_one_odd_network_among_few_is_no_alarm():
    """Two new networks of which one fails are rare, not impossible, where 2 of 100 did before."""
    old, new = np.zeros(98), np.array([1.0, 0.0])
    old[0] = 1
    (contrast,) = rule.contrasts_of("g", "failed", new, old, 1e-3, paired=False)
    low, _ = contrast.interval(1e-4)
    assert low > 0  # the interval alone would have cried wolf
    assert rule.judge([contrast], 1e-4)[0].outcome == "open"


def test_another_protocol_cannot_be_compared():
    protocol = results.read(VANISHING).provenance["protocol"]
    with pytest.raises(UserError, match=r"another protocol \(differs in max_epochs\)"):
        compared(VANISHING, lambda frame: frame, protocol=protocol | {"max_epochs": 5})
    seeds = {**protocol["small_batch"], "seeds": [500, 501]}
    found = compared(VANISHING, lambda frame: frame, protocol=protocol | {"small_batch": seeds})
    assert not found.same_seeds
    assert found.within


@pytest.fixture
def folder(tmp_path):
    """A folder of re-runs, to be filled: write(name, change)."""

    def write(name, change=lambda frame: frame):
        table = rerun_of(name, change, hardware="another machine")
        results.write(name, table.frame, table.provenance, tmp_path)
        return tmp_path

    return write


def test_the_report_says_what_moved_and_between_which_machines(folder):
    folder(VANISHING, shifted("test_accuracy", 0.01))
    text, moved = report(against=folder("theory"))
    assert moved
    lines = text.splitlines()
    assert lines[2] == f"2 tables compared; **moved: {VANISHING}**."
    assert any("`test_accuracy` | mean" in line and "| +0.01 |" in line for line in lines)
    assert "| hardware | AMD EPYC, 2 logical cores, Linux | another machine |" in lines
    assert "pac_bayes" in text.split("## Not compared")[1]


def test_a_verdict_that_changes_is_reported(folder):
    def change(frame):
        frame.loc[frame["regime"] == "large_batch", "test_accuracy"] -= 0.1
        return frame

    text, _ = report([VANISHING], folder(VANISHING, change))
    section = text.split("## Claims that read differently")[1].split("##")[0]
    assert "replicates" in section
    assert " → " in section


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [("theory", None, 0), ("theory", lambda frame: frame.assign(cases=1), 1), ("no_such", None, 2)],
)
def test_exit_codes(name, change, code, folder, tmp_path, capsys):
    against = folder("theory", *([change] if change else []))
    output = tmp_path / "drift.md"
    with pytest.raises(SystemExit) as leaving:
        cli.main(["drift", name, "--against", str(against), "--output", str(output)])
    assert leaving.value.code == code
    assert output.is_file() == (code < 2)
    if code == 2:
        assert "unknown table 'no_such'" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["no folder", "empty folder", "edited", "not run again"])
def test_bad_input_is_one_line_and_exits_with_2(damage, folder, tmp_path, capsys):
    against, names = folder("theory"), []
    if damage == "no folder":
        against = tmp_path / "nowhere"
    elif damage == "empty folder":
        against = tmp_path / "empty"
        against.mkdir()
    elif damage == "edited":
        file = against / "theory.csv"
        file.write_text(file.read_text().replace("0", "1", 1))
    else:
        names = ["pac_bayes"]
    with pytest.raises(SystemExit) as leaving:
        cli.main(["drift", *names, "--against", str(against)])
    assert leaving.value.code == 2
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_an_agreeing_rerun_is_recorded_as_the_last_verification(folder, tmp_path):
    published = tmp_path / "published"
    for name in ("theory", VANISHING):
        table = results.read(name)
        results.write(name, table.frame, table.provenance, published)
    against = folder("theory")
    folder(VANISHING, shifted("test_accuracy", 0.01))
    report(against=against, published=published, record=True)
    last = spotchecks.last_verified(results.read("theory", published).provenance)
    assert (last["how"], last["hardware"]) == ("re-run", "another machine")
    moved = json.loads((published / f"{VANISHING}.json").read_text())
    assert "reruns" not in moved


def test_markdown_of_nothing_wrong_is_short():
    text = markdown([compared("theory", lambda frame: frame)], [])
    assert "1 table compared; all within their bands." in text
    assert "Every value is the same" in text
