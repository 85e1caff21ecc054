"""Sweeps: whatever happens to the process, the disk or a worker, the table comes out the same."""

from __future__ import annotations

import errno
import importlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import dask
import pandas as pd
import pytest
import torch

from helpers import experiments
from helpers.errors import UserError
from helpers.sweeps import engines, published, rowstore, spotchecks
from helpers.sweeps import sweep as sweeps
from helpers.sweeps.fingerprint import code_fingerprint, method_fingerprint
from toy_experiment import Toy, only_these

HERE = Path(__file__).parents[1]
SOURCE = HERE.parent / "src"
RUN = """
from pathlib import Path
from toy_experiment import Toy
from helpers.sweeps import sweep as sweeps
sweeps.run(Toy(seconds={seconds}), folder=Path({folder!r}), engine={engine!r}, workers={workers},
           progress=False)
"""


@pytest.fixture
def undisturbed(tmp_path_factory):
    return sweeps.run(Toy(), folder=tmp_path_factory.mktemp("calm"), progress=False).frame


def run_toy(folder, **options):
    return sweeps.run(Toy(), folder=folder, progress=False, **options)


def start(folder, seconds=0.4, engine="local", workers=1, **environment):
    code = RUN.format(seconds=seconds, folder=str(folder), engine=engine, workers=workers)
    path = os.pathsep.join([str(HERE), str(SOURCE)])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    )


def interruptible():
    """Undo what a shell does to jobs in the background: they are born deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def rows_on_disk(folder):
    file = folder / "toy" / "rows.jsonl"
    return file.read_bytes().count(b"\n") if file.is_file() else 0


def wait_for(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def computed(log):
    return [int(line.split()[1]) for line in log.read_text().splitlines()]


def test_diverged_network_is_a_row(undisturbed):
    assert undisturbed.loc[undisturbed["diverged"], "seed"].tolist() == [7]
    assert undisturbed["mean"].isna().sum() == 1


def test_rows_do_not_depend_on_the_engine(tmp_path, undisturbed):
    table = run_toy(tmp_path, engine="process", workers=2)
    pd.testing.assert_frame_equal(table.frame, undisturbed, check_exact=True)


def test_finished_sweep_computes_nothing_again(tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("TOY_LOG", str(log))
    first = run_toy(tmp_path)
    (tmp_path / "toy.csv").unlink()  # even without the table: the rows are there
    second = run_toy(tmp_path)
    assert sorted(computed(log)) == list(range(8))
    pd.testing.assert_frame_equal(first.frame, second.frame, check_exact=True)


@pytest.mark.parametrize(
    ("how", "engine", "workers"),
    [(signal.SIGKILL, "local", 1), (signal.SIGINT, "local", 1), (signal.SIGINT, "process", 2)],
)
def test_stopped_sweep_resumes_and_loses_only_the_cells_in_flight(
    tmp_path, undisturbed, how, engine, workers
):
    log = tmp_path / "log"
    process = start(tmp_path, engine=engine, workers=workers, TOY_LOG=str(log))
    wait_for(lambda: rows_on_disk(tmp_path) >= 3)
    process.send_signal(how)
    process.wait(timeout=60)
    kept = rows_on_disk(tmp_path)
    assert 3 <= kept < 8
    os.environ["TOY_LOG"] = str(log)
    try:
        table = sweeps.run(Toy(seconds=0.4), folder=tmp_path, progress=False)
    finally:
        del os.environ["TOY_LOG"]
    # At most the cells in flight are computed twice: under way, or on their way back from a worker.
    assert len(computed(log)) <= 8 + (1 if engine == "local" else 2 * workers)
    pd.testing.assert_frame_equal(table.frame, undisturbed, check_exact=True)


def test_killed_worker_process_is_replaced(tmp_path, undisturbed):
    log = tmp_path / "log"
    process = start(tmp_path, seconds=0.4, engine="process", workers=2, TOY_LOG=str(log))
    wait_for(lambda: rows_on_disk(tmp_path) >= 1)
    os.kill(int(log.read_text().splitlines()[-1].split()[0]), signal.SIGKILL)
    assert process.wait(timeout=120) == 0, process.stderr.read()
    frame = pd.read_csv(tmp_path / "toy.csv")
    assert frame["total"].tolist() == undisturbed["total"].tolist()


def setup_of(monkeypatch, commit, torch="2.14.1", hardware="EPYC"):
    """Let cells be computed, as far as their records tell, by another machine or environment."""
    setup = {"versions": {"torch": torch}, "hardware": hardware, "commit": commit}
    monkeypatch.setattr(sweeps, "_setup", lambda: setup)
    return setup


def sweep_by_two(folder, monkeypatch):
    """Compute three cells here and the other five there, which also makes the table."""
    first = setup_of(monkeypatch, "a" * 40)
    sweeps.run(Toy(seeds=(0, 1, 2)), folder=folder, progress=False)
    second = setup_of(monkeypatch, "b" * 40, torch="2.15.0", hardware="M4")
    return first, second, run_toy(folder)


def test_provenance_names_every_set_up_that_computed_rows(tmp_path, monkeypatch):
    first, second, table = sweep_by_two(tmp_path, monkeypatch)
    told = table.provenance
    assert told["setups"] == [{**first, "cells": 3}, {**second, "cells": 5}]
    assert (told["hardware"], told["versions"]) == ("EPYC; M4", {"torch": "2.14.1, 2.15.0"})
    assert told["assembled_by"] == second
    origin = published.origins(tmp_path).loc[0]
    assert origin["commit"] == "aaaaaaaa, bbbbbbbb"
    assert published.verified(tmp_path)[1]["hardware"].tolist() == ["EPYC; M4"]


def test_table_made_elsewhere_than_its_rows_credits_the_rows(tmp_path, monkeypatch):
    first = setup_of(monkeypatch, "a" * 40)
    run_toy(tmp_path)
    (tmp_path / "toy.csv").unlink()
    second = setup_of(monkeypatch, "b" * 40)
    told = run_toy(tmp_path).provenance
    assert {key: told[key] for key in first} == first
    assert told["assembled_by"] == second
    assert "setups" not in told


def test_one_set_up_is_told_as_ever(tmp_path):
    told = run_toy(tmp_path, engine="process", workers=2).provenance
    assert {key: told[key] for key in ("versions", "hardware", "commit")} == sweeps.results.setup()
    assert not {"setups", "assembled_by", "cells_of_unknown_setup"} & set(told)


def test_rows_that_do_not_tell_their_set_up_are_counted(tmp_path, monkeypatch):
    real = rowstore._digest
    with monkeypatch.context() as patch:  # records as they were before set-ups were kept

        def forget(record):
            record.pop("setup", None)
            return real(record)

        patch.setattr(rowstore, "_digest", forget)
        run_toy(tmp_path)
    (tmp_path / "toy.csv").unlink()
    told = run_toy(tmp_path).provenance
    assert told["cells_of_unknown_setup"] == 8
    assert told["versions"] == sweeps.results.setup()["versions"]


def is_running(pid):
    """Tell a process that computes from one that has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="no /proc to look at processes")
def test_workers_end_with_a_killed_parent_and_the_sweep_resumes(tmp_path, undisturbed, monkeypatch):
    log = tmp_path / "log"
    told = {"TOY_LOG": str(log), "TOY_STUCK_FROM": "4"}
    process = start(tmp_path, seconds=0.1, engine="process", workers=2, **told)
    wait_for(lambda: rows_on_disk(tmp_path) == 4 and set(computed(log)) == set(range(6)))
    workers = {int(line.split()[0]) for line in log.read_text().splitlines()}
    process.kill()
    process.wait(timeout=10)
    wait_for(lambda: not any(is_running(worker) for worker in workers), seconds=15)
    monkeypatch.setenv("TOY_LOG", str(log))
    table = sweeps.run(Toy(seconds=0.1), folder=tmp_path, progress=False)
    pd.testing.assert_frame_equal(table.frame, undisturbed, check_exact=True)
    assert sorted(computed(log)) == [0, 1, 2, 3, 4, 4, 5, 5, 6, 7]  # twice: those in flight


def test_torn_last_line_costs_one_row(tmp_path, undisturbed):
    run_toy(tmp_path)
    file = tmp_path / "toy" / "rows.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    (tmp_path / "toy.csv").unlink()
    assert sweeps.progress_of(Toy(), tmp_path) == (7, 8)
    pd.testing.assert_frame_equal(run_toy(tmp_path).frame, undisturbed, check_exact=True)
    assert sweeps.progress_of(Toy(), tmp_path) == (8, 8)


@pytest.mark.parametrize("text", ['[["abc", "d', "null", "[1, 2]", '[["abc"]]', "\x00"])
def test_damaged_list_of_equal_codes_is_named_and_loses_nothing(tmp_path, text):
    run_toy(tmp_path)
    equal = tmp_path / "toy" / "equal_codes.json"
    equal.write_text(text)
    (tmp_path / "toy.csv").unlink()
    with pytest.raises(UserError, match=r"cannot read .*equal_codes\.json.*helpers accept toy"):
        run_toy(tmp_path)
    assert rows_on_disk(tmp_path) == 8
    equal.unlink()
    assert sweeps.progress_of(Toy(), tmp_path) == (8, 8)


@pytest.mark.parametrize(("old", "new"), [('"mean": 1.', '"mean": 9.'), ("cpu", "gpu")])
def test_row_edited_by_hand_is_computed_again(tmp_path, undisturbed, old, new):
    run_toy(tmp_path)
    file = tmp_path / "toy" / "rows.jsonl"
    file.write_text(file.read_text().replace(old, new, 1))
    (tmp_path / "toy.csv").unlink()
    pd.testing.assert_frame_equal(run_toy(tmp_path).frame, undisturbed, check_exact=True)


@pytest.mark.parametrize("damage", ["lost", "cut short", "edited"])
def test_damaged_array_is_computed_again(tmp_path, undisturbed, damage):
    run_toy(tmp_path)
    file = next((tmp_path / "toy" / "arrays").iterdir())
    content = file.read_bytes()
    if damage == "lost":
        file.unlink()
    else:
        file.write_bytes(content[:-30] if damage == "cut short" else content[:-1] + b"x")
    assert sweeps.progress_of(Toy(), tmp_path) == (7, 8)
    (tmp_path / "toy.csv").unlink()
    pd.testing.assert_frame_equal(run_toy(tmp_path).frame, undisturbed, check_exact=True)


def test_hand_edited_table_in_the_work_folder_is_made_again(tmp_path, undisturbed):
    run_toy(tmp_path)
    csv = tmp_path / "toy.csv"
    csv.write_text(csv.read_text().replace("1.", "2.", 1))
    pd.testing.assert_frame_equal(run_toy(tmp_path).frame, undisturbed, check_exact=True)


def test_two_sweeps_of_one_table_are_refused_and_the_other_named(tmp_path):
    process = start(tmp_path, seconds=1.0)
    try:
        wait_for(lambda: (tmp_path / "toy" / "holder.json").is_file())
        with pytest.raises(UserError, match=rf"being swept by process {process.pid} on "):
            run_toy(tmp_path)
    finally:
        process.kill()
        process.wait(timeout=10)
    assert len(run_toy(tmp_path).frame) == 8  # the lock ended with its holder


def test_waiting_sweep_takes_the_other_ones_rows(tmp_path):
    log = tmp_path / "log"
    other = start(tmp_path, seconds=0.1, TOY_LOG=str(log))
    wait_for(lambda: (tmp_path / "toy" / "holder.json").is_file())
    os.environ["TOY_LOG"] = str(log)
    try:
        table = sweeps.run(Toy(seconds=0.1), folder=tmp_path, progress=False, wait=True)
    finally:
        del os.environ["TOY_LOG"]
    assert other.wait(timeout=60) == 0
    assert len(table.frame) == 8
    assert sorted(computed(log)) == list(range(8))


@pytest.mark.parametrize("failing", ["write", "fsync"])
def test_full_disk_keeps_finished_rows(tmp_path, undisturbed, monkeypatch, failing):
    appended = []
    real = os.fsync

    def full(descriptor):
        if len(appended) >= 9:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        appended.append(descriptor)
        real(descriptor)

    if failing == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        real_append = rowstore.RowStore._append_line

        def torn(self, line):
            if rows_on_disk(tmp_path) >= 4:
                with self.file.open("ab") as file:
                    file.write(line[: len(line) // 2])  # what a full disk may leave behind
                raise UserError("cannot add a row (No space left on device)")
            real_append(self, line)

        monkeypatch.setattr(rowstore.RowStore, "_append_line", torn)
    with pytest.raises(UserError, match="No space left"):
        run_toy(tmp_path)
    monkeypatch.undo()
    done, cells = sweeps.progress_of(Toy(), tmp_path)
    assert 2 <= done < cells
    assert not list((tmp_path / "toy" / "arrays").glob("*.part"))
    pd.testing.assert_frame_equal(run_toy(tmp_path).frame, undisturbed, check_exact=True)


def test_changed_protocol_invalidates_the_rows_it_touches_and_no_others(tmp_path):
    run_toy(tmp_path)
    more = Toy(seeds=tuple(range(10)))
    assert sweeps.progress_of(more, tmp_path) == (8, 10)
    assert sweeps.progress_of(Toy(scale=2.0), tmp_path) == (0, 8)
    assert len(sweeps.run(more, folder=tmp_path, progress=False).frame) == 10
    assert sweeps.progress_of(Toy(), tmp_path) == (8, 8)


def test_unknown_protocol_field_is_a_clear_error():
    with pytest.raises(UserError, match=r"no field 'sedes'.*seeds, scale, seconds"):
        sweeps.change(Toy(), {"sedes": [1]})
    assert sweeps.change(Toy(), {"seeds": [1]}) == Toy(seeds=(1,))


def test_unknown_engine_and_absent_scheduler_are_clear_errors(tmp_path):
    with pytest.raises(UserError, match="unknown engine 'cloud'"):
        run_toy(tmp_path, engine="cloud")
    with pytest.raises(UserError, match="0 workers"):
        run_toy(tmp_path, engine="process", workers=0)


def test_smoke_copy_is_the_same_protocol_made_small():
    assert Toy().smoke().seeds == (0, 1)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package: an experiment that reaches one function of `used` and none of `unused`."""
    files = {
        "__init__": "",
        "base": "LIMIT = 3\ndef cut(x):\n    return x[:LIMIT]\ndef spare(x):\n    return x\n"
        "class Base:\n    def assemble(self, x):\n        return cut(x)\n"
        "    def told(self):\n        return spare(1)\n",
        "table": "from typing import ClassVar\nfrom . import used\nfrom .base import Base\n"
        "class Table(Base):\n    offset: ClassVar[int] = 7\n    size: int = 5\n"
        "    def assemble(self, x):\n        return super().assemble(self.doubled(x))\n"
        "    def doubled(self, x):\n        return used.double(x) + self.offset + self.size\n"
        "    def run_cell(self):\n        return used.other(1)\n",
        "used": '"""Text."""\nRATE = 2\ndef double(x):\n    """Say."""\n    return RATE * x\n'
        "def other(x):\n    return x\n",
        "reached": "def helper(x):\n    return x + 1\n",
        "unused": "def lost(x):\n    return x\n",
        "trial": "from . import used, unused\nfrom .reached import helper as h\n"
        "class Trial:\n    def cells(self):\n        return unused.lost(1)\n"
        "    @staticmethod\n    def run_cell(cell, device):\n        return h(used.double(cell))\n",
    }
    folder = tmp_path / "toypackage"
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "toypackage"]:
        del sys.modules[name]


def rewrite(path, old, new):
    """Replace some text of a file, which must be there."""
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("used", "RATE = 2", "RATE = 3", True),
        ("used", "return RATE * x", "return RATE * x + 0", True),
        ("reached", "x + 1", "x + 2", True),
        ("trial", "used.double(cell)", "used.double(2 * cell)", True),
        ("used", "def other(x):\n    return x", "def other(x):\n    return -x", False),
        ("used", '"""Say."""', '"""Say more."""', False),
        ("used", "return RATE * x", "return RATE * x  # why", False),
        ("used", "def double(x):", "def double(x: float) -> float:", False),
        ("unused", "return x", "return -x", False),
        ("trial", "return unused.lost(1)", "return unused.lost(2)", False),
    ],
)
def test_fingerprint_follows_the_code_that_computes_rows(package, file, old, new, changes):
    before = code_fingerprint("toypackage.trial", "Trial.run_cell")
    rewrite(package / f"{file}.py", old, new)
    assert (code_fingerprint("toypackage.trial", "Trial.run_cell") != before) is changes


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("table", "super().assemble(self.doubled(x))", "super().assemble(x)", True),
        ("table", "used.double(x) +", "used.double(x) -", True),
        ("table", "offset: ClassVar[int] = 7", "offset: ClassVar[int] = 8", True),
        ("used", "RATE = 2", "RATE = 3", True),
        ("base", "return cut(x)", "return cut(x + x)", True),
        ("base", "LIMIT = 3", "LIMIT = 4", True),
        ("table", "size: int = 5", "size: int = 6", False),  # a setting: the protocol has it
        ("table", "return used.other(1)", "return used.other(2)", False),
        ("base", "return spare(1)", "return spare(2)", False),
        ("base", "def spare(x):\n    return x", "def spare(x):\n    return -x", False),
        ("table", "import ClassVar\n", "import ClassVar  # why\n", False),
    ],
)
def test_fingerprint_of_a_method_follows_its_class_and_what_that_inherits(
    package, file, old, new, changes
):
    kind = importlib.import_module("toypackage.table").Table
    before = method_fingerprint(kind, "assemble")
    rewrite(package / f"{file}.py", old, new)
    assert (method_fingerprint(kind, "assemble") != before) is changes


def test_fingerprint_of_a_method_that_is_not_there():
    with pytest.raises(KeyError, match=r"Toy\.fly"):
        code_fingerprint("toy_experiment", "Toy.fly")
    with pytest.raises(KeyError, match="Toy has no method fly"):
        method_fingerprint(Toy, "fly")


def test_every_experiment_has_a_fingerprint_of_its_assembly():
    codes = {
        name: sweeps.assembly_fingerprint(experiments.find(name)) for name in experiments.known()
    }
    assert codes["vanishing_mnist_500"] == codes["vanishing_fashion_mnist_500"]
    assert codes["vanishing_mnist_500"] != codes["theory"]  # which has the default
    assert codes["batch_or_rate_mnist_500"] == codes["theory"]


@pytest.fixture
def recode(tmp_path, monkeypatch):
    """Import the toy experiment with a line added to its code, under one module name, and another
    way to sum up its arrays.
    """
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(line, total="sum"):
        sys.modules.pop("recoded", None)
        source = (HERE / "toy_experiment.py").read_text()
        source = source.replace("        mean = ", f"        {line}\n        mean = ")
        source = source.replace("].sum()", f"].{total}()")
        (tmp_path / "recoded.py").write_text(source)
        sweeps._fingerprint.cache_clear()
        importlib.invalidate_caches()
        module = importlib.import_module("recoded")
        return module.Toy(seeds=(0, 1, 2, 3))

    yield load
    sys.modules.pop("recoded", None)
    sweeps._fingerprint.cache_clear()


def test_spot_check_stamps_a_table_whose_code_changed_harmlessly(tmp_path, recode):
    folder = tmp_path / "tables"
    sweeps.run(recode("pass"), folder=folder, progress=False)
    changed = recode("draws = draws * np.float32(1)")
    table = sweeps.results.read("toy", folder)
    assert not spotchecks.is_current(changed, table)
    worst = spotchecks.verify(changed, cells=2, folder=folder)
    assert set(worst["column"]) == {"mean", "diverged"}
    table = sweeps.results.read("toy", folder)
    assert spotchecks.is_current(changed, table)
    assert table.provenance["spot_checks"][0]["cells"] == 2
    assert sweeps.progress_of(changed, folder) == (0, 4)
    assert spotchecks.accept(changed, folder=folder) == 4
    assert sweeps.progress_of(changed, folder) == (4, 4)


def test_spot_check_refuses_changed_numbers(tmp_path, recode):
    folder = tmp_path / "tables"
    sweeps.run(recode("pass"), folder=folder, progress=False)
    changed = recode("draws = draws * np.float32(1.01)")
    with pytest.raises(UserError, match=r"mean differs by 0\.01"):
        spotchecks.verify(changed, cells=2, folder=folder)
    with pytest.raises(UserError, match="made by older code differ now"):
        spotchecks.accept(changed, folder=folder)
    assert "spot_checks" not in json.loads((folder / "toy.json").read_text())
    assert sweeps.progress_of(changed, folder) == (0, 4)


def test_changed_assembly_makes_the_table_again_from_the_kept_rows(tmp_path, recode, monkeypatch):
    log, folder = tmp_path / "log", tmp_path / "tables"
    monkeypatch.setenv("TOY_LOG", str(log))
    before = sweeps.run(recode("pass"), folder=folder, progress=False)
    changed = recode("pass", total="max")
    assert not spotchecks.is_current(changed, before)
    after = sweeps.run(changed, folder=folder, progress=False)
    assert spotchecks.is_current(changed, after)
    assert sorted(computed(log)) == [0, 1, 2, 3]
    assert (after.frame["total"] < before.frame["total"]).all()
    assert after.provenance["code_fingerprint"] == before.provenance["code_fingerprint"]


def test_table_that_does_not_say_what_assembled_it_is_made_again(tmp_path, recode, monkeypatch):
    toy = recode("pass")
    entry = dict(sweeps.run(toy, folder=tmp_path / "a", progress=False).provenance)
    code = entry.pop("assembly_fingerprint")
    frame = sweeps.results.read("toy", tmp_path / "a").frame
    sweeps.results.write("toy", frame.assign(total=0.0), entry, tmp_path / "a")
    old = sweeps.results.read("toy", tmp_path / "a")
    assert not spotchecks.is_current(toy, old)
    only_these(monkeypatch, {"toy": toy})
    monkeypatch.setattr(experiments, "folder_of", lambda profile: tmp_path / "a")
    with pytest.raises(UserError, match="computed by older code"):
        experiments.publish("toy")
    again = sweeps.run(toy, folder=tmp_path / "a", progress=False)
    assert again.provenance["assembly_fingerprint"] == code
    pd.testing.assert_frame_equal(again.frame, frame, check_exact=True)


def test_spot_check_cannot_vouch_for_a_column_made_from_all_cells(tmp_path, recode):
    folder = tmp_path / "tables"
    sweeps.run(recode("pass"), folder=folder, progress=False)
    with pytest.raises(UserError, match=r"code changed that makes total.*run toy --publish"):
        spotchecks.verify(recode("pass", total="max"), cells=2, folder=folder)
    assert "spot_checks" not in json.loads((folder / "toy.json").read_text())


def test_spot_check_vouches_for_the_assembly_where_every_column_was_compared(tmp_path):
    theory = experiments.find("theory")
    table = sweeps.results.read("theory")
    entry = {**table.provenance, "assembly_fingerprint": "older"}
    sweeps.results.write("theory", table.frame, entry, tmp_path)
    assert not spotchecks.is_current(theory, sweeps.results.read("theory", tmp_path))
    spotchecks.verify(theory, cells=1, folder=tmp_path, device="cpu")
    assert spotchecks.is_current(theory, sweeps.results.read("theory", tmp_path))


@pytest.fixture
def cluster(tmp_path):
    """A Dask scheduler and two workers, each a process of its own, as on a real cluster."""
    path = os.pathsep.join([str(HERE), str(SOURCE)])
    log = tmp_path / "log"
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": "1",
        "TOY_LOG": str(log),
    }
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    file = tmp_path / "scheduler.json"
    processes = {
        "scheduler": subprocess.Popen(
            [*dask, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)],
            **quiet,
        )
    }
    wait_for(lambda: file.is_file() and file.stat().st_size > 0)
    address = json.loads(file.read_text())["address"]
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    for name in ("first", "second"):
        place = ["--local-directory", str(tmp_path / name)]
        processes[name] = subprocess.Popen([*worker, "--name", name, *place], **quiet)
    from distributed import Client

    with Client(address, set_as_default=False, timeout="30s") as client:
        client.wait_for_workers(2, timeout=60)
    yield address, processes, log
    for process in processes.values():
        process.kill()
        process.wait(timeout=10)


def kill_after(rows, folder, *processes):
    """Kill processes, from a thread, once so many rows are on disk."""

    def watch():
        wait_for(lambda: rows_on_disk(folder) >= rows, seconds=120)
        for process in processes:
            process.kill()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.slow
def test_cluster_that_loses_a_worker_loses_nothing(tmp_path, cluster, undisturbed):
    address, processes, log = cluster
    slow = Toy(seconds=0.3)
    killer = kill_after(2, tmp_path, processes["first"])
    table = sweeps.run(slow, folder=tmp_path, engine=address, progress=False)
    killer.join()
    assert processes["first"].wait(timeout=5) == -signal.SIGKILL
    pd.testing.assert_frame_equal(table.frame, undisturbed, check_exact=True)
    assert set(computed(log)) == set(range(8))


@pytest.mark.slow
def test_cluster_whose_scheduler_goes_keeps_the_rows(tmp_path, cluster, undisturbed):
    address, processes, _ = cluster
    slow = Toy(seconds=0.5)
    killer = kill_after(2, tmp_path, processes["scheduler"])
    hasty = {"distributed.comm.timeouts.connect": "3s"}  # how long the client tries to get it back
    with (
        dask.config.set(hasty),
        pytest.raises(UserError, match=r"scheduler .* cannot be reached.*resume"),
    ):
        sweeps.run(slow, folder=tmp_path, engine=address, progress=False)
    killer.join()
    done, cells = sweeps.progress_of(slow, tmp_path)
    assert 2 <= done < cells
    table = sweeps.run(slow, folder=tmp_path, progress=False)
    pd.testing.assert_frame_equal(table.frame, undisturbed, check_exact=True)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "tcp://localhost",
            "tcp://localhost:many",
            "tcp://localhost:99999",
            "tcp://h:0",
            "tcp://",
        ),
        *("tcp://:8786", "tcp://[::1", "tcp://::1:8786", "foo://x:1", "tcp://h:1/x"),
    ],
)
def test_address_that_cannot_be_one_is_refused_at_once(tmp_path, monkeypatch, address):
    monkeypatch.setattr("distributed.Client", lambda *_, **__: pytest.fail("a client was made"))
    with pytest.raises(UserError, match=rf"'{re.escape(address)}' is not a sch.*tcp://HOST:PORT"):
        run_toy(tmp_path, engine=address)


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tls://host:1", "tcp://[::1]:8786"])
def test_address_that_could_be_one_is_not_refused(address):
    engines.refuse_address(address)


@pytest.mark.slow
def test_absent_scheduler_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "CONNECT_SECONDS", 1)
    with pytest.raises(UserError, match=r"tcp://127\.0\.0\.1:9 cannot be reached"):
        run_toy(tmp_path, engine="tcp://127.0.0.1:9")


@pytest.fixture
def small_cluster():
    """The address of a Dask scheduler with two workers in this process."""
    from distributed import LocalCluster

    options = {"processes": False, "protocol": "tcp", "dashboard_address": None}
    with LocalCluster(n_workers=2, threads_per_worker=1, **options) as found:
        yield found.scheduler_address


@pytest.mark.parametrize(
    ("there", "size"),
    [(["cuda", "cuda"], sweeps.MAX_STACK), (["cuda", "cpu"], 1), (["cpu"] * 2, 1)],
)
def test_cluster_gets_stacks_where_all_its_workers_have_a_gpu(
    small_cluster, monkeypatch, there, size
):
    devices = itertools.cycle(there)
    monkeypatch.setattr(engines, "choose_device", lambda name: torch.device(next(devices)))
    assert sorted(engines.worker_devices(small_cluster, "auto")) == sorted(there)
    assert sweeps._stack_size("auto", small_cluster) == size


def test_cluster_worker_without_the_gpu_asked_for_is_named(small_cluster, monkeypatch, tmp_path):
    def choose(name):
        raise UserError(f"device '{name}' was asked for, but torch sees no CUDA GPU here")

    monkeypatch.setattr(engines, "choose_device", choose)
    with pytest.raises(UserError, match=r"Dask worker tcp://.*'cuda' was asked for"):
        run_toy(tmp_path, engine=small_cluster, device="cuda")


def test_cluster_worker_of_several_threads_is_refused(tmp_path):
    from distributed import LocalCluster

    options = {"processes": False, "protocol": "tcp", "dashboard_address": None}
    with (
        LocalCluster(n_workers=1, threads_per_worker=4, **options) as found,
        pytest.raises(UserError, match=r"has 4 threads.*--nthreads 1 --nworkers 4"),
    ):
        run_toy(tmp_path, engine=found.scheduler_address)


@pytest.mark.slow
def test_cluster_without_workers_is_said_once_and_waited_for(
    tmp_path, cluster, undisturbed, monkeypatch, capsys
):
    address, processes, _ = cluster
    monkeypatch.setattr(engines, "LOOK_SECONDS", 0.5)
    killer = kill_after(2, tmp_path, processes["first"], processes["second"])
    said = []

    def help_comes():
        killer.join()
        wait_for(lambda: said.append(capsys.readouterr().out) or "no workers left" in "".join(said))
        time.sleep(2)  # time enough to say it again
        processes["third"] = subprocess.Popen(
            [sys.executable, "-m", "dask", "worker", address, "--nthreads", "1", "--no-nanny"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(SOURCE)])},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
        )

    rescue = threading.Thread(target=help_comes)
    rescue.start()
    table = sweeps.run(Toy(seconds=0.3), folder=tmp_path, engine=address, progress=False)
    rescue.join()
    said.append(capsys.readouterr().out)
    line = f"no workers left on {address}; waiting (Ctrl-C keeps the finished rows)"
    assert "".join(said).splitlines() == [line]
    pd.testing.assert_frame_equal(table.frame, undisturbed, check_exact=True)
