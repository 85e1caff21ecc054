"""What the Reproduce page says of the tables: where each came from, and was last verified."""

from __future__ import annotations

import pytest

from helpers import experiments
from helpers.sweeps import published, results, spotchecks


@pytest.fixture
def folder(tmp_path):
    for name in ("theory", "growth_training"):
        table = results.read(name)
        results.write(name, table.frame, table.provenance, tmp_path)
    return tmp_path


def check(date, hardware, **more):
    versions = {"python": "3.13.0", "torch": "9.9"}
    return {"date": date, "hardware": hardware, "versions": versions, "device": "cuda", **more}


def record(folder, **entries):
    table = results.read("theory", folder)
    results.write("theory", table.frame, {**table.provenance, **entries}, folder)


def test_every_published_table_has_an_origin_and_a_verification():
    origins, (checked, setups) = published.origins(), published.verified()
    assert set(experiments.known()) & set(origins["table"])
    assert list(origins["table"]) == list(checked["table"]) == published.names()
    assert set(checked["setup"]) == set(setups["setup"])
    for name in ("rows", "minutes", "device", "date", "commit", "command"):
        assert origins[name].notna().all()
    assert setups["versions"].str.contains("torch").all()


def test_last_verification_is_the_latest_that_says_where(folder):
    record(
        folder,
        spot_checks=[
            check("2031-01-01", "H100", cells=3, commit="abc"),
            {"date": "2032-01-01", "cells": 3},  # an older form, which does not say where
        ],
        reruns=[check("2030-01-01", "M4", commit="f00d")],
    )
    checked, setups = published.verified(folder)
    row = checked.set_index("table").loc["theory"]
    assert row[["date", "how", "device", "commit"]].tolist() == [
        *("2031-01-01", "3 cells again", "cuda", "abc")
    ]
    assert setups.set_index("setup").loc[row["setup"]].tolist() == [
        *("H100", "python 3.13.0, torch 9.9")
    ]


def test_spot_check_says_where_it_was_made(folder):
    spotchecks.verify(experiments.find("theory"), cells=1, folder=folder, device="cpu")
    last = spotchecks.last_verified(results.read("theory", folder).provenance)
    assert last["how"] == "1 cell again"
    assert (last["hardware"], last["device"]) == (results.here("cpu")["hardware"], "cpu")
    assert last["versions"] == results.here("cpu")["versions"]
