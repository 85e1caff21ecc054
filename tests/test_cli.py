"""The command line: help at once, errors in one line, exit codes."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import psutil
import pytest
import torch

from helpers import cli, experiments
from helpers import device as devices
from helpers.doctor import examine
from helpers.errors import UserError
from helpers.press.book import Tally
from helpers.press.project import Chapter
from helpers.press.runner import Failure
from helpers.sweeps import engines

COMMANDS = [
    *("data", "tables", "run", "verify", "accept", "book", "claims", "drift", "metadata"),
    *("bench", "doctor"),
]


def call(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "helpers", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
    )


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    done = call("--help")
    assert done.returncode == 0
    assert all(f" {name} " in done.stdout for name in COMMANDS)
    code = (
        "import helpers.cli, sys; heavy = {'torch', 'numpy', 'pandas', 'papermill', 'sphinx'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        cli.main([name, "--help"])
    assert leaving.value.code == 0
    shown = capsys.readouterr().out
    assert "Usage:" in shown
    assert f"python -m helpers {name}" in " ".join(shown.split())
    assert "Example" in shown


def test_an_error_is_one_line_unless_debugging(tmp_path: Path) -> None:
    done = call("book", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: no _toc.yml in ")
    assert "Traceback" in call("book", "--debug", cwd=tmp_path).stderr


def test_wrong_usage_exits_with_2() -> None:
    done = call("book", "--no-such-option")
    assert done.returncode == 2
    assert "No such option" in done.stderr
    assert call("books").returncode == 2


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "the disk is read-only")],
)
def test_a_disk_that_refuses_is_one_line(
    number: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), "_build/cache/x.json")

    monkeypatch.setattr("helpers.press.book.build_book", refuse)
    with pytest.raises(SystemExit) as leaving:
        cli.main(["book"])
    assert leaving.value.code == 1
    shown = capsys.readouterr().err
    assert "cannot write _build/cache/x.json" in shown
    assert words in shown
    assert shown.count("\n") == 1


def test_a_failed_chapter_shows_its_cell_and_traceback_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chapter = Chapter("book/02-two", Path("book/02-two.ipynb"), {"cells": [{"cell_type": "code"}]})
    traceback = "\x1b[31mZeroDivisionError\x1b[0m: division by zero"
    failure = Failure(chapter, "raised", 1, "x = [1]\nprint(x[0] / 0)", traceback, "[1] / 0")
    tally = Tally(ran=["book/01-one"], failures=[failure], skipped=["book/index"])
    monkeypatch.setattr("helpers.press.book.build_book", lambda *_: tally)
    with pytest.raises(SystemExit) as leaving:
        cli.main(["book"])
    assert leaving.value.code == 1
    shown = capsys.readouterr()
    assert "02-two.ipynb, code cell 1 of 1 raised: [1] / 0" in shown.out
    assert "print(x[0] / 0)" in shown.out
    assert "ZeroDivisionError: division by zero" in shown.out
    assert "1 failed, 1 ran, 0 unchanged, 1 not started" in shown.err


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (tmp_path / "index.md").write_text("# x\n")
    (tmp_path / "taken").write_text("")
    done = call("book", "--build-dir", "taken", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--list", "--verify", "--accept"])
def test_an_option_that_became_a_command_names_it(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        cli.main(["run", "theory", option])
    assert leaving.value.code == 1
    command = {"--list": "tables", "--verify": "verify NAME", "--accept": "accept NAME"}[option]
    shown = capsys.readouterr().err
    assert shown == f"error: `run {option}` is now `python -m helpers {command}`\n"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("not\nfine"), "ValueError: not fine; this should not happen: --debug shows"),
        (FileNotFoundError(2, "No such file", "/proc/x"), "cannot use /proc/x: No such file; use"),
    ],
)
def test_what_nobody_foresaw_is_one_line_too(
    error: Exception,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("helpers.press.book.build_book", fail)
    with pytest.raises(SystemExit) as leaving:
        cli.main(["book"])
    assert leaving.value.code == 1
    shown = capsys.readouterr().err
    assert words in shown
    assert shown.count("\n") == 1
    with pytest.raises(type(error)):
        cli.main(["book", "--debug"])


def test_a_benchmark_is_told_the_device(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "one.py").write_text("import os; print('on', os.environ['DEVICE'])")
    monkeypatch.setattr("helpers.press.project.find_root", lambda: tmp_path)
    cli.app(["bench", "one", "--device", "cpu"], standalone_mode=False)
    assert "on cpu" in capfd.readouterr().out
    with pytest.raises(UserError, match="unknown device 'gpu'"):
        cli.app(["bench", "one", "--device", "gpu"], standalone_mode=False)


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    assert "unknown data set 'mnisst'" in call("data", "mnisst").stderr
    assert "no benchmark 'speed' in benchmarks/" in call("bench", "speed").stderr


def test_the_doctor_finds_what_is_wrong(tmp_path: Path) -> None:
    assert [each.level for each in examine()].count("bad") == 0
    (tmp_path / "requirements.txt").write_text(
        "numpy==0.1\nno-such-thing==1.0\nother==1 ; sys_platform == 'amiga'\n"
    )
    texts = {each.text: each.level for each in examine(tmp_path)}
    assert texts["not installed: no-such-thing; run `make env`"] == "bad"
    assert any(text.startswith("other versions: numpy ") for text in texts)
    assert any(text.startswith("helpers is imported from ") for text in texts)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Compute nothing: note with which options each table would be computed."""
    calls: list[dict[str, Any]] = []

    def compute(name: str, profile: str, **options: Any) -> Any:
        calls.append({"name": name, "profile": profile, **options})
        return SimpleNamespace(frame=[])

    monkeypatch.setattr(experiments, "compute", compute)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    memory(monkeypatch, 100e9)
    return calls


def memory(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))


def run(*arguments: str) -> None:
    cli.app(["run", *arguments], standalone_mode=False)


@pytest.mark.parametrize(
    ("free", "workers", "engine"), [(100e9, 8, "process"), (7e9, 2, "process"), (1e9, 1, "local")]
)
def test_a_sweep_has_one_worker_a_core_as_far_as_memory_goes(
    computed: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    free: float,
    workers: int,
    engine: str,
) -> None:
    memory(monkeypatch, free)
    run("theory", "--device", "cpu")
    assert (computed[0]["workers"], computed[0]["engine"]) == (workers, engine)
    run("theory", "--device", "cpu", "--workers", "3")
    assert (computed[1]["workers"], computed[1]["engine"]) == (3, "process")


@pytest.mark.parametrize(("there", "workers"), [("cuda", 1), ("cpu", 8)])
def test_a_gpu_that_auto_finds_has_one_worker_unless_more_are_asked_for(
    computed: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, there: str, workers: int
) -> None:
    monkeypatch.setattr(engines, "choose_device", lambda name: torch.device(there))
    run("theory")
    assert computed[0]["workers"] == workers
    assert computed[0]["engine"] == ("process" if workers > 1 else "local")
    run("theory", "--workers", "2")
    assert (computed[1]["workers"], computed[1]["engine"]) == (2, "process")


def test_a_run_of_tables_says_how_far_it_is_and_what_is_left_in_all(
    computed: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(experiments, "TABLES", tmp_path)
    run("theory", "invariance", "--workers", "2")
    shown = capsys.readouterr().out.splitlines()
    assert [line.split(" · ")[0] for line in shown[::2]] == [
        "theory: table 1 of 2",
        "invariance: table 2 of 2",
    ]
    assert all(re.search(r" · about \d+:\d\d left in all$", line) for line in shown[::2])
    run("theory", "--profile", "smoke")
    assert capsys.readouterr().out.splitlines()[0] == "theory: table 1 of 1"


def test_a_scheduler_is_asked_for_its_devices_and_this_machine_is_not(
    computed: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = ["cuda", "cuda"]
    monkeypatch.setattr(devices, "cuda_driver", lambda: None)
    monkeypatch.setattr(engines, "worker_devices", lambda *_: there)
    run("theory", "--scheduler", "tcp://host:8786", "--device", "cuda")
    assert computed[0]["engine"] == "tcp://host:8786"
    assert (computed[0]["workers"], computed[0]["device"]) == (2, "cuda")
    assert "workers at tcp://host:8786: 2 on cuda\n" in capsys.readouterr().out
    there[0] = "cpu"
    run("theory", "--scheduler", "tcp://host:8786")
    assert "1 on cpu, 1 on cuda; networks go one by one" in capsys.readouterr().out


@pytest.mark.parametrize("address", ["", "local", "host:8786", "tcp://localhost"])
def test_a_scheduler_that_is_no_address_is_refused_in_one_line(address: str) -> None:
    done = call("run", "theory", "--scheduler", address)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: '{address}' is not a scheduler's address; ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_changed_protocol_is_computed_under_another_name_and_never_published(
    computed: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(experiments, "TABLES", tmp_path)
    changes = ["--set", "n=300", "--set", "how.hutchinson_vectors=10"]
    run("vanishing_mnist_500", *changes)
    assert computed[0]["settings"] == {"n": 300, "how": {"hutchinson_vectors": 10}}
    assert re.search(r"✓ vanishing_mnist_500~[0-9a-f]{8}: 0 rows", capsys.readouterr().out)
    with pytest.raises(UserError, match=r"\(--set\) is never published"):
        run("vanishing_mnist_500", *changes, "--publish")
    with pytest.raises(UserError, match="has no field 'm'"):
        run("theory", "vanishing_mnist_500", "--set", "m=3")
    assert len(computed) == 1


@pytest.mark.parametrize("place", ["file", "file/deeper", "/proc/book"])
def test_a_build_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    done = call("book", "--no-site", "--build-dir", str(tmp_path / place))
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot ")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "file").read_text() == "in the way"


def test_the_ledger_is_printed_for_machines() -> None:
    found = json.loads(call("claims", "--json").stdout)
    assert {one["id"] for one in found["predictions"]} == {f"F{i}" for i in range(1, 7)}
    assert len(found["claims"]) >= 51
    for claim in found["claims"]:
        assert claim["verdict"]
        assert claim["rule"]
        assert claim["value"] is None or claim["low"] <= claim["value"] <= claim["high"]
