"""Published tables: what is written is what is read, and anything else is refused by name."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.errors import UserError
from helpers.sweeps import results
from toy_experiment import Toy

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "dataset": ["mnist", "mnist", "mnist"],
            "seed": [2, 0, 1],
            "hessian_trace": [1 / 3, 1e-300, float("nan")],
            "diverged": [False, False, True],
        }
    )


@pytest.fixture
def published(tmp_path, frame):
    results.write("small", frame, entry(), tmp_path)
    return tmp_path


def entry():
    return results.provenance(
        Toy(), seeds=[0, 1, 2], device="cpu", wall_seconds=1.5, code_fingerprint="abc"
    )


def test_table_reads_back_sorted_with_every_digit_and_type(published, frame):
    table = results.read("small", published, protocol=Toy())
    expected = frame.sort_values("seed").reset_index(drop=True)
    pd.testing.assert_frame_equal(table.frame, expected, check_exact=True)
    assert table.provenance["protocol"]["seeds"] == list(range(8))
    assert table.provenance["versions"]["torch"]


def test_row_order_does_not_change_the_file(tmp_path, frame):
    first = results.write("a", frame, entry(), tmp_path).read_bytes()
    second = results.write("b", frame.iloc[::-1], entry(), tmp_path).read_bytes()
    assert first == second


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_any_float_survives(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("floats")
    results.write("floats", pd.DataFrame({"i": range(len(values)), "x": values}), entry(), folder)
    assert results.read("floats", folder).frame["x"].tolist() == values


def test_text_that_looks_like_a_gap_stays_text(tmp_path):
    frame = pd.DataFrame({"name": ["NA", "nan", "", "1"], "x": [1.0, 2.0, np.nan, 4.0]})
    results.write("text", frame, entry(), tmp_path)
    back = results.read("text", tmp_path).frame
    assert set(back["name"]) == {"NA", "nan", "", "1"}


@pytest.mark.parametrize("damage", ["edit", "truncate", "extra row", "other provenance", "empty"])
def test_damaged_table_is_refused_and_the_mending_command_named(published, damage):
    csv, record = published / "small.csv", published / "small.json"
    text = csv.read_text()
    if damage == "edit":
        csv.write_text(text.replace("False", "True", 1))
    elif damage == "truncate":
        csv.write_text(text[: len(text) // 2])
    elif damage == "extra row":
        csv.write_text(text + text.splitlines()[-1] + "\n")
    elif damage == "empty":
        csv.write_text("")
    else:
        record.write_text(record.read_text().replace('"table": "small"', '"table": "large"'))
    with pytest.raises(UserError, match="python -m helpers run small --publish"):
        results.read("small", published)


@pytest.mark.parametrize("damage", ["not json", "missing entry", "missing file", "a list", "null"])
def test_damaged_provenance_is_refused(published, damage):
    record = published / "small.json"
    whole = json.loads(record.read_text())
    if damage == "not json":
        record.write_text(record.read_text()[:-20])
    elif damage == "missing entry":
        del whole["commit"]
        record.write_text(json.dumps(whole))
    elif damage in ("a list", "null"):
        record.write_text("[]" if damage == "a list" else "null")
    else:
        record.unlink()
    with pytest.raises(UserError, match="run small"):
        results.read("small", published)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hardware", "an H100"),
        ("seeds", [0, 1]),
        ("code_fingerprint", "abcd"),
        ("versions", {}),
        ("wall_seconds", 1.6),
        ("record_sha256", None),
        ("remark", "added"),
        ("date", None),
    ],
)
def test_provenance_edited_by_hand_is_refused(published, key, value):
    record = published / "small.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {key: value}))
    with pytest.raises(UserError, match=r"small\.json is not as it was written.*run small"):
        results.read("small", published)


@given(data=st.data())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_other_value_of_any_entry_is_refused(published, data):
    record = published / "small.json"
    whole = json.loads(record.read_text())
    key = data.draw(st.sampled_from(sorted(whole)))
    other = data.draw(JSON.filter(lambda value: json.dumps(value) != json.dumps(whole[key])))
    try:
        record.write_text(json.dumps(whole | {key: other}))
        with pytest.raises(UserError, match="run small"):
            results.read("small", published)
    finally:
        record.write_text(json.dumps(whole))


def test_check_of_the_provenance_cannot_be_dodged_by_leaving_it_out(published):
    record = published / "small.json"
    whole = json.loads(record.read_text())
    del whole["record_sha256"]
    record.write_text(json.dumps(whole))
    with pytest.raises(UserError, match=r"small\.json lacks record_sha256; run .*run small"):
        results.read("small", published)


def test_layout_of_the_provenance_is_no_damage(published, frame):
    record = published / "small.json"
    whole = json.loads(record.read_text())
    record.write_text(json.dumps(dict(sorted(whole.items())), indent=4).replace("\n", "\r\n"))
    assert len(results.read("small", published).frame) == len(frame)


def test_table_written_again_with_more_provenance_is_read(published):
    table = results.read("small", published)
    results.write("small", table.frame, {**table.provenance, "remark": "added"}, published)
    assert results.read("small", published).provenance["remark"] == "added"


@pytest.mark.parametrize(
    "change",
    [
        lambda columns: {("set" if key == "dataset" else key): columns[key] for key in columns},
        lambda columns: {key: kind for key, kind in columns.items() if key != "seed"},
        lambda columns: {**columns, "more": "int"},
        list,
        lambda columns: None,
        lambda columns: {**columns, "dataset": "float"},
        lambda columns: {**columns, "diverged": "int"},
        lambda columns: {**columns, "hessian_trace": ["float"]},
        lambda columns: {**columns, "hessian_trace": "double"},
    ],
)
def test_wrong_columns_are_refused_even_with_a_right_checksum(published, change):
    record = published / "small.json"
    whole = json.loads(record.read_text())
    whole["columns"] = change(whole["columns"])
    whole["record_sha256"] = results._record_digest(whole)
    record.write_text(json.dumps(whole))
    with pytest.raises(UserError, match=r"small\.json does not describe.*small\.csv.*run small"):
        results.read("small", published)


def test_other_protocol_is_refused_and_the_field_named(published):
    with pytest.raises(UserError, match=r"another protocol \(differs in scale\)"):
        results.read("small", published, protocol=Toy(scale=2.0))


def test_line_ends_changed_by_a_checkout_are_no_damage(published, frame):
    csv = published / "small.csv"
    csv.write_bytes(csv.read_bytes().replace(b"\n", b"\r\n"))
    assert len(results.read("small", published).frame) == len(frame)


def test_half_written_pair_is_detected(published, frame, monkeypatch):
    """Killed between the two files, the new CSV lies beside the old provenance."""
    real = results.write_text

    def stop_before_json(path, text):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        real(path, text)

    monkeypatch.setattr(results, "write_text", stop_before_json)
    with pytest.raises(KeyboardInterrupt):
        results.write("small", frame.assign(seed=[5, 6, 7]), entry(), published)
    with pytest.raises(UserError, match="half written"):
        results.read("small", published)


def test_full_disk_leaves_the_old_table_and_no_litter(published, frame, monkeypatch):
    before = results.read("small", published).frame

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"No space left.*nothing was changed"):
        results.write("small", frame.assign(seed=[5, 6, 7]), entry(), published)
    monkeypatch.undo()
    pd.testing.assert_frame_equal(results.read("small", published).frame, before)
    assert sorted(p.name for p in published.iterdir()) == ["small.csv", "small.json"]


def test_unwritable_folder_is_a_clear_error(tmp_path, frame):
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(UserError, match="cannot write"):
        results.write("small", frame, entry(), blocker / "results")


def test_incomplete_provenance_is_refused(tmp_path, frame):
    with pytest.raises(UserError, match=r"lacks .*commit"):
        results.write("small", frame, {"protocol": {}}, tmp_path)
