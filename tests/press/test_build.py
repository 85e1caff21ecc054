"""The build, on small books made for the purpose: what runs again, what fails, what survives."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_client.asynchronous import AsyncKernelClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from rich.console import Console

from helpers.errors import UserError
from helpers.files import write_text
from helpers.press import jupyter_book as site
from helpers.press import worker
from helpers.press.book import Options, Tally, build_book
from helpers.press.cache import Record, load_record
from helpers.press.jupyter_book import effective_parameters, warnings_in
from helpers.press.project import Chapter, Project, chapters, find_root
from helpers.press.provenance import chapter_times, read_times

TOC = "format: jb-book\nroot: book/index\nchapters:\n- file: book/notes\n"
CONFIG = "title: Small\nexecute: {execute_notebooks: 'off'}\nonly_build_toc_files: true\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "book").mkdir()
    (tmp_path / "_config.yml").write_text(CONFIG)
    (tmp_path / "_toc.yml").write_text(TOC)
    (tmp_path / "book" / "index.md").write_text("# A small book\n")
    (tmp_path / "book" / "notes.md").write_text("# Notes\n")
    return Project(tmp_path, tmp_path / "_build")


def put(
    project: Project, name: str, cells: Sequence[str], prose: str = "Prose.", **metadata: Any
) -> None:
    """Write a notebook into the small book, and list it."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(metadata={"kernelspec": kernel, **metadata})
    parameters = 'profile = "laptop"  # how much\ndevice = "auto"'
    notebook.cells = [
        new_markdown_cell(f"# {name}\n\n{prose}", id="title"),
        new_code_cell(parameters, id="parameters", metadata={"tags": ["parameters"]}),
        *(new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(cells)),
    ]
    nbformat.write(notebook, project.root / "book" / f"{name}.ipynb")
    toc = project.root / "_toc.yml"
    entry = f"- file: book/{name}\n"
    if entry not in toc.read_text():
        toc.write_text(toc.read_text() + entry)


def build(project: Project, **options: Any) -> Tally:
    settings = {"profile": "smoke", "device": "cpu", "workers": 2, "with_site": False, **options}
    return build_book(project, Options(**settings), Console(quiet=True))


def output(project: Project, name: str) -> str:
    notebook = nbformat.read(project.executed / "book" / f"{name}.ipynb", 4)
    return "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", []))


@pytest.mark.slow
def test_failures_are_told_apart_and_only_what_changed_runs_again(project: Project) -> None:
    put(project, "01-good", ["print(profile, device)", "print('first')"])
    put(project, "02-raises", ["x = 1", "print(x / 0)"])
    put(project, "03-hangs", ["import time\ntime.sleep(600)"])
    put(project, "05-dies", ["import os\nos._exit(9)"])
    reads_the_others = [
        "from helpers.press.provenance import read_times",
        "print(sorted(read_times()['chapters']))",
    ]
    put(project, "04-last", reads_the_others, helpers={"after": "all"})

    tally = build(project, cell_timeout=3)
    assert tally.ran == ["book/01-good"]
    assert tally.skipped == ["book/04-last"]
    failures = {failure.chapter.path.stem: failure for failure in tally.failures}
    assert failures.keys() == {"02-raises", "03-hangs", "05-dies"}
    assert (failures["02-raises"].kind, failures["02-raises"].cell) == ("raised", 3)
    assert failures["02-raises"].source == "print(x / 0)"
    assert "ZeroDivisionError" in failures["02-raises"].traceback
    assert (failures["03-hangs"].kind, failures["03-hangs"].cell) == ("hung", 2)
    assert (failures["05-dies"].kind, failures["05-dies"].cell) == ("died", 2)
    assert "03-hangs.ipynb, code cell 2 of 2 hangs" in failures["03-hangs"].headline()

    put(project, "02-raises", ["x = 1", "print(x / 2)"])
    put(project, "03-hangs", ["print('awake')"])
    put(project, "05-dies", [])
    tally = build(project)
    assert set(tally.ran) == {f"book/{name}" for name in (*failures, "04-last")}
    assert tally.reused == ["book/01-good"]
    assert output(project, "01-good") == "smoke cpu\nfirst\n"
    assert output(project, "04-last") == "['01-good', '02-raises', '03-hangs', '05-dies']\n"
    times = chapter_times(project.times).set_index("chapter")
    assert (times["seconds"] > 0).all()
    assert (times["peak_process_mb"] <= times["peak_mb"]).all()

    put(project, "01-good", ["print(profile, device)", "print('first')"], prose="Better prose.")
    provenance = project.executed / "book" / "_provenance.json"
    before = provenance.read_text()
    tally = build(project)
    assert tally.ran == []
    page = nbformat.read(project.executed / "book" / "01-good.ipynb", 4)
    assert "Better prose." in page.cells[0].source
    assert page.cells[1].source == 'profile = "smoke"  # how much\ndevice = "cpu"'
    assert provenance.read_text() == before

    put(project, "01-good", ["print(profile, device)", "print('second')"])
    tally = build(project)
    assert tally.ran == ["book/01-good", "book/04-last"]
    assert output(project, "01-good") == "smoke cpu\nsecond\n"


@pytest.mark.slow
def test_a_kernel_that_never_answered_is_started_again(tmp_path: Path, monkeypatch: Any) -> None:
    """Another process may take the ports a kernel was told to take; no cell has run by then."""
    path = tmp_path / "chapter.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [new_code_cell("print(6 * 7)")]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    limits = {"cell_timeout": 60, "start_timeout": 60}
    request = {
        "notebook": path,
        "folder": tmp_path,
        "events": tmp_path / "events",
        "parameters": {},
    }
    start = AsyncKernelClient._async_wait_for_ready
    taken: list[Any] = []

    async def lose_the_ports(client: Any, timeout: float | None = None) -> None:
        if len(taken) < losses:
            taken.append(client)
            raise RuntimeError("Kernel died before replying to kernel_info")
        await start(client, timeout)

    monkeypatch.setattr(AsyncKernelClient, "_async_wait_for_ready", lose_the_ports)
    monkeypatch.setattr(AsyncKernelClient, "wait_for_ready", lose_the_ports)
    losses = 2
    assert worker.run(request | limits)["outputs"][0][0]["text"] == "42\n"
    losses = 5
    with pytest.raises(RuntimeError, match="before replying"):
        worker.run(request | limits)
    assert len(taken) == 5


def test_an_interrupt_keeps_what_is_finished_and_leaves_no_process(project: Project) -> None:
    put(project, "01-quick", ["print('done')"])
    put(project, "02-slow", ["import time\ntime.sleep(600)"])
    command = [sys.executable, "-m", "helpers", "book", "--no-site", "-w", "2", "-d", "cpu"]
    running = subprocess.Popen(
        command,
        cwd=project.root,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # A shell's jobs in the background are born deaf to Ctrl-C, and their children too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    quick = chapters(project)[0]
    events = project.build / "running" / "book--02-slow" / "events.jsonl"
    deadline = time.monotonic() + 120
    while not (load_record(project, quick, "laptop") and _last_cell(events) == 2):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.1)
    family = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert errors.strip() == (
        "error: interrupted: finished chapters are kept, and the same command resumes"
    )
    _, alive = psutil.wait_procs(family, timeout=10)
    assert family
    assert not alive

    put(project, "02-slow", ["print('awake')"])
    tally = build(project, profile="laptop")
    assert tally.reused == ["book/01-quick"]
    assert tally.ran == ["book/02-slow"]


def _last_cell(events: Path) -> int:
    lines = events.read_text().splitlines() if events.is_file() else []
    return int(json.loads(lines[-1])["cell"]) if lines else 0


@pytest.mark.slow
def test_a_site_with_warnings_leaves_the_last_good_one(project: Project) -> None:
    assert build(project, with_site=True).site_built
    page = project.html / "book" / "index.html"
    good = page.read_text()
    assert "A small book" in good
    assert not build(project, with_site=True).site_built

    (project.root / "book" / "index.md").write_text("# A small book\n\nSee {ref}`nowhere`.\n")
    with pytest.raises(UserError, match=r"book/index\.md.*undefined label: 'nowhere'"):
        build(project, with_site=True)
    assert page.read_text() == good


def test_a_broken_notebook_is_named_before_anything_runs(project: Project) -> None:
    put(project, "01-good", ["print(1)"])
    (project.root / "book" / "01-good.ipynb").write_text('{"cells": [')
    with pytest.raises(UserError, match=r"book/01-good\.ipynb is not a valid notebook"):
        build(project)
    (project.root / "book" / "01-good.ipynb").write_text('{"nbformat": 3, "worksheets": []}')
    with pytest.raises(UserError, match="expected format 4"):
        build(project)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profile": "huge"}, "unknown profile 'huge'; expected one of smoke, laptop, paper"),
        ({"device": "tpu"}, "unknown device 'tpu'; expected one of auto, cpu, cuda, mps"),
        ({"only": ["07"]}, "no chapter '07' in _toc.yml; expected one of 01-good"),
    ],
)
def test_wrong_options_are_refused(project: Project, options: dict[str, Any], message: str) -> None:
    put(project, "01-good", ["print(1)"])
    with pytest.raises(UserError, match=message):
        build(project, **options)


def test_a_missing_page_and_a_missing_book_are_named(project: Project, tmp_path: Path) -> None:
    (project.root / "_toc.yml").write_text(TOC + "- file: book/05-gone\n")
    with pytest.raises(UserError, match=r"_toc.yml lists 'book/05-gone'"):
        build(project)
    (project.root / "_toc.yml").write_text("format: jb-book\nroot: [")
    with pytest.raises(UserError, match=r"_toc.yml cannot be read"):
        build(project)
    (project.root / "_toc.yml").unlink()
    with pytest.raises(UserError, match=r"no _toc.yml in"):
        find_root(tmp_path)


def test_two_builds_in_one_folder_do_not_mix(project: Project) -> None:
    project.build.mkdir()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import filelock, sys; lock = filelock.FileLock(sys.argv[1]); lock.acquire();"
            "print(1, flush=True); sys.stdin.read()",
            str(project.build / ".lock"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(UserError, match="another build is running"):
            build(project)
    finally:
        holder.kill()
        holder.wait()


def test_a_write_that_the_disk_refuses_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    write_text(path, "old")
    code = (
        "import sys; from pathlib import Path\n"
        "from helpers.files import write_text\n"
        "write_text(Path(sys.argv[1]), 'x' * 100_000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert "UserError: cannot write" in done.stderr
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["kept.json"]


def test_times_that_are_missing_or_damaged_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no times are measured yet"):
        read_times(tmp_path / "chapters.json")
    (tmp_path / "chapters.json").write_text("{")
    with pytest.raises(UserError, match=r"chapters\.json is damaged"):
        read_times(tmp_path / "chapters.json")


def test_pages_show_effective_parameters() -> None:
    source = (
        '# size\nprofile: str = "laptop"  # how much\nseeds = [1, 2]\ndevice = (\n    "auto"\n)\n'
    )
    shown = effective_parameters(source, {"profile": "smoke", "device": "cpu"})
    values: dict[str, Any] = {}
    exec(shown, values)
    assert (values["profile"], values["device"], values["seeds"]) == ("smoke", "cpu", [1, 2])
    assert shown.startswith('# size\nprofile: str = "smoke"  # how much\n')


def test_a_chapter_edited_while_it_ran_is_named(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": "1", "metadata": {}}
    chapter = Chapter("book/01-one", tmp_path / "01-one.ipynb", {"cells": [cell, dict(cell)]})
    record = Record("", [[]], [1], {}, 0.0, 0, 0, "", "")
    with pytest.raises(UserError, match=r"01-one.* was edited while it ran"):
        site.executed_notebook(chapter, record, {})


def test_only_warnings_are_shown(project: Project) -> None:
    log = (
        f"reading\n{project.executed}/book/01.md:3: \x1b[31mWARNING: no such label\x1b[39;49m\n"
        "writing\nbuild finished with problems, 1 warning.\n"
    )
    assert warnings_in(log, project) == "book/01.md:3: WARNING: no such label"
    assert warnings_in("odd\n", project) == "odd"


def test_files_that_no_longer_belong_are_removed(project: Project) -> None:
    site.gather_sources(project, {})
    stale = project.executed / "book" / "old.md"
    stale.write_text("# Old\n")
    site.gather_sources(project, {})
    assert not stale.exists()
    assert (project.executed / "book" / "index.md").is_file()
