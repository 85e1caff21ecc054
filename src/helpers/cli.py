"""The command line: python -m helpers COMMAND.

Heavy imports happen inside the commands, so that --help answers at once.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from helpers.errors import UserError

app = typer.Typer(
    name="python -m helpers",
    help="Build the book, fetch its data, run its experiments and print its ledger of claims.",
    epilog="Errors are one line; --debug, with any command, shows the whole traceback.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

PROFILE_HELP = "smoke (seconds a chapter), laptop (minutes in all), or paper (all from nothing)."
DEVICE_HELP = "auto, cpu, cuda or mps."
ProfileOption = Annotated[str, typer.Option("--profile", "-p", envvar="PROFILE", help=PROFILE_HELP)]
DeviceOption = Annotated[str, typer.Option("--device", "-d", envvar="DEVICE", help=DEVICE_HELP)]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", "-w", min=1, help="Processes at once; default: by cores and memory."),
]

DISK = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EROFS: "the disk is read-only; use a folder that can be written to",
    errno.EACCES: "permission denied; use a folder that you may write to",
    errno.EPERM: "not permitted; use a folder that you may write to",
    errno.EFBIG: "the file is larger than the limit set for files (ulimit -f); raise the limit",
    errno.EEXIST: "something else of that name is in the way; move it, or use another folder",
    errno.ENOTDIR: "a file is in the way of a folder; move it, or use another folder",
}


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Accept --debug before the command too; `main` acts on it."""


@app.command(epilog="Example: python -m helpers data mnist fashion_mnist")
def data(
    names: Annotated[
        list[str] | None, typer.Argument(help="Data sets; default: mnist fashion_mnist.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Cache folder; default: HELPERS_DATA or the user's cache.")
    ] = None,
) -> None:
    """Fetch the data sets, or check that they are there, by checksum."""
    from helpers.data import default_folder, load

    console = Console()
    console.print(f"data in {folder or default_folder()}", highlight=False, soft_wrap=True)
    for name in names or ["mnist", "fashion_mnist"]:
        with console.status(f"{name}: fetching and checking"):
            found = load(name, folder=folder)
        sizes = f"{len(found.train_images):,} training and {len(found.test_images):,} test images"
        console.print(f"[green]✓[/] {name}: {sizes}", highlight=False)


@app.command(
    epilog="Examples: python -m helpers book · python -m helpers book --profile smoke 03 · "
    "python -m helpers book --workers 1 --cell-timeout 3600"
)
def book(
    chapters: Annotated[
        list[str] | None,
        typer.Argument(help="Run these alone (03 is enough), without building the site."),
    ] = None,
    profile: ProfileOption = "laptop",
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    cell_timeout: Annotated[
        float | None, typer.Option(min=1, help="Seconds one cell may take; default: by profile.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Run every chapter, changed or not.")] = False,
    site: Annotated[bool, typer.Option(help="Build the site after the chapters.")] = True,
    build_dir: Annotated[
        Path | None, typer.Option(help="Where to build; default: _build beside _toc.yml.")
    ] = None,
) -> None:
    """Run the chapters that have changed, with papermill, and build the site."""
    from helpers.press.book import Options, build_book
    from helpers.press.project import find_project

    console = Console()
    project = find_project(build_dir)
    options = Options(
        profile, device, workers, cell_timeout, tuple(chapters or ()), force, with_site=site
    )
    try:
        tally = build_book(project, options, console)
    except KeyboardInterrupt:
        _say_error("interrupted: finished chapters are kept, and the same command resumes")
        raise typer.Exit(130) from None
    for failure in tally.failures:
        _show_failure(console, failure)
    if tally.failures:
        count = f"{len(tally.failures)} failed, {len(tally.ran)} ran, {len(tally.reused)} unchanged"
        if tally.skipped:
            count += f", {len(tally.skipped)} not started (they read the others)"
        _say_error(f"chapters: {count}; the site was left as it was")
        raise typer.Exit(1)
    site_note = ""
    if site and not chapters:
        site_note = f"; site {'built' if tally.site_built else 'up to date'}: "
        site_note += os.path.relpath(project.html / "index.html")
    console.print(
        f"chapters: {len(tally.ran)} ran, {len(tally.reused)} unchanged{site_note}",
        highlight=False,
        soft_wrap=True,
    )


@app.command(epilog="Example: python -m helpers tables")
def tables() -> None:
    """List the tables of experiments: published by which code, and how far a re-run has come."""
    from helpers import experiments

    _show_frame(Console(), experiments.status())


@app.command(
    epilog="Examples: python -m helpers run all --workers 2 · "
    "python -m helpers run NAME --publish · python -m helpers run NAME --scheduler tcp://host:8786 "
    "· python -m helpers run NAME --set n=300 --set how.hutchinson_vectors=10"
)
def run(
    names: Annotated[list[str], typer.Argument(help="Tables by name, or 'all'.")],
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="paper (the full protocol) or smoke (tiny).")
    ] = "paper",
    device: DeviceOption = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            "-w",
            min=1,
            help="Processes at once; default: by cores and memory, 1 a GPU.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a running Dask scheduler to send the cells to.")
    ] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Copy into results/ after.")] = False,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change a setting of the protocol, as n=300 or how.hutchinson_vectors=10; "
            "repeatable. The table is then called NAME~HASH, and is never published.",
        ),
    ] = None,
) -> None:
    """Compute the tables of experiments, cell by cell; a stopped run resumes where it was."""
    from helpers.device import refuse_impossible, refuse_unknown

    # Before the slow imports; a scheduler's workers have devices of their own.
    (refuse_impossible if scheduler is None else refuse_unknown)(device)
    from helpers.sweeps.engines import choose_engine, refuse_address, worker_devices

    if scheduler is not None:
        refuse_address(scheduler)
    from helpers import experiments
    from helpers.sweeps.results import RESULTS
    from helpers.sweeps.settings import parse

    console = Console()
    chosen = experiments.known() if names == ["all"] else list(names)
    settings = parse(assignments or ())
    if settings and publish:
        raise UserError(
            "a changed protocol (--set) is never published; leave out --set, or run without "
            "--publish"
        )
    called = {name: experiments.changed(name, settings, profile).name for name in chosen}
    if publish and profile != "paper":
        raise UserError(f"only tables of the paper profile are published; got profile '{profile}'")
    try:
        if scheduler is not None:
            found = worker_devices(scheduler, device)
            engine, count = scheduler, len(found)
            console.print(_describe_workers(scheduler, found), highlight=False, soft_wrap=True)
        else:
            engine, count = choose_engine(device, workers)
        journey = experiments.journey(chosen, profile, count, settings)
        for name in chosen:
            console.print(journey.start(name), highlight=False, soft_wrap=True)
            table = experiments.compute(
                name, profile, settings=settings, engine=engine, workers=count, device=device
            )
            journey.end(name)
            console.print(f"[green]✓[/] {called[name]}: {len(table.frame):,} rows", highlight=False)
            if called[name] != name:
                where = os.path.relpath(experiments.folder_of(profile))
                console.print(f"  changed protocol, kept in {where}", highlight=False)
            if publish:
                experiments.publish(name)
                console.print(f"  published in {os.path.relpath(RESULTS)}", highlight=False)
    except KeyboardInterrupt:
        _say_error("interrupted: finished cells are kept, and the same command resumes")
        raise typer.Exit(130) from None


@app.command(epilog="Examples: python -m helpers verify NAME · python -m helpers verify all")
def verify(
    names: Annotated[list[str], typer.Argument(help="Published tables by name, or 'all'.")],
    cells: Annotated[int, typer.Option(min=1, help="Cells to compute again, a table.")] = 3,
    device: DeviceOption = "auto",
) -> None:
    """Compute a few cells of published tables again, and record in results/ that they agree."""
    from helpers import experiments
    from helpers.device import refuse_impossible

    refuse_impossible(device)
    console = Console()
    for name in experiments.known() if names == ["all"] else names:
        console.print(f"{name}: published cells computed again; largest differences:")
        _show_frame(console, experiments.verify(name, cells, device))


@app.command(epilog="Example: python -m helpers accept NAME && python -m helpers run NAME")
def accept(
    names: Annotated[list[str], typer.Argument(help="Tables by name.")],
    device: DeviceOption = "auto",
) -> None:
    """Keep the rows of a stopped run that older code computed, where a sample shows them equal."""
    from helpers import experiments

    for name in names:
        kept = experiments.accept(name, device=device)
        Console().print(f"{name}: {kept} rows of older code kept", highlight=False)


@app.command(
    epilog="Examples: python -m helpers drift · python -m helpers drift vanishing_mnist_500 "
    "--against downloaded/tables --output drift.md"
)
def drift(
    tables: Annotated[
        list[str] | None, typer.Argument(help="Tables; default: all that were run again.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Folder of re-runs; default: where `run` leaves them.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the Markdown report here instead of printing it.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Note in results/ which re-runs agree, and where.")
    ] = False,
) -> None:
    """Compare re-run tables with the published ones: 0 within bands, 1 moved, 2 bad input."""
    from helpers.drift.report import report
    from helpers.files import write_text

    try:
        text, moved = report(tables or (), against, record=record)
    except UserError as error:
        _say_error(str(error))
        raise typer.Exit(2) from error
    if output is None:
        typer.echo(text)
    else:
        write_text(output, text)
        Console().print(f"{text.splitlines()[2]} {output}", highlight=False, soft_wrap=True)
    if moved:
        raise typer.Exit(1)


@app.command(
    epilog="Examples: python -m helpers claims · "
    "python -m helpers claims --json | jq '.claims[] | .id, .verdict'"
)
def claims(
    profile: ProfileOption = "laptop",
    device: DeviceOption = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="For machines: print JSON.")] = False,
) -> None:
    """Print the ledger, every claim with its verdict, and our predictions with their outcomes."""
    from helpers.experiments import loader
    from helpers.ledger import ledger_json, print_ledger, print_predictions
    from helpers.profiles import choose_profile

    choose_profile(profile)
    load = loader(profile, device)
    if as_json:
        typer.echo(ledger_json(load))
        return
    print_ledger(load)
    print_predictions(load)


@app.command(epilog="Example: python -m helpers metadata --check")
def metadata(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where a file is not as it should.")
    ] = False,
) -> None:
    """Make codemeta.json and .zenodo.json from CITATION.cff."""
    from helpers.press.citation import derived_files, write_derived_files
    from helpers.press.project import find_root

    root = find_root()
    if not check:
        Console().print(f"written: {', '.join(write_derived_files(root))}", highlight=False)
        return
    for name, text in derived_files(root).items():
        file = root / name
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            raise UserError(
                f"{name} does not follow CITATION.cff; run `python -m helpers metadata`"
            )


@app.command(epilog="Example: python -m helpers bench trace · python -m helpers bench --list")
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help="Benchmarks by name; default: all.")
    ] = None,
    list_only: Annotated[bool, typer.Option("--list", help="Only list them.")] = False,
) -> None:
    """Run the side-by-side timings in benchmarks/, one after the other, one thread each."""
    from helpers.press.project import find_root

    folder = find_root() / "benchmarks"
    found = {p.stem: p for p in sorted(folder.glob("*.py")) if not p.name.startswith("_")}
    if unknown := [name for name in names or () if name not in found]:
        known = ", ".join(found) or "none yet"
        raise UserError(f"no benchmark '{unknown[0]}' in benchmarks/; expected one of {known}")
    console = Console()
    if list_only:
        for name in found:
            console.print(name, highlight=False)
        return
    failed = []
    for name in names or found:
        console.rule(name)
        environment = {"OMP_NUM_THREADS": "1", **os.environ}
        done = subprocess.run([sys.executable, str(found[name])], env=environment, check=False)
        if done.returncode:
            failed.append(name)
    if failed:
        raise UserError(f"failed: {', '.join(failed)}; the output above says why")


@app.command(epilog="Example: python -m helpers doctor --device cuda")
def doctor(device: DeviceOption = "auto") -> None:
    """Say what is wrong with this environment: versions, device, data, browser, disk, memory."""
    from helpers.doctor import examine

    findings = examine(device=device)
    console = Console()
    signs = {"good": "[green]✓[/]", "note": "[yellow]•[/]", "bad": "[red]✗[/]"}
    for finding in findings:
        console.print(f"{signs[finding.level]} {finding.text}", highlight=False, soft_wrap=True)
    if any(finding.level == "bad" for finding in findings):
        raise typer.Exit(1)


def _describe_workers(scheduler: str, devices: Sequence[str]) -> str:
    """Say how many workers a cluster has, and on what they will train."""
    counts = ", ".join(f"{count} on {kind}" for kind, count in sorted(Counter(devices).items()))
    line = f"workers at {scheduler}: {counts}"
    if "cuda" in devices and set(devices) != {"cuda"}:
        line += "; networks go one by one, in stacks only where every worker has a GPU"
    return line


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app([each for each in given if each != "--debug"], prog_name="python -m helpers")
    except UserError as error:
        if debug:
            raise
        _say_error(str(error))
    except OSError as error:
        if debug:
            raise
        remedy = DISK.get(error.errno or 0, f"{error.strerror or error}; use another place")
        _say_error(f"cannot write {error.filename or 'a file'}: {remedy}")
    sys.exit(1)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say_error(text: str) -> None:
    Console(stderr=True).print(f"[red]error:[/] {escape(text)}", highlight=False, soft_wrap=True)


def _show_failure(console: Console, failure: Any) -> None:
    """Print where a chapter failed: the cell's source and its traceback."""
    from rich.syntax import Syntax
    from rich.text import Text

    console.print()
    console.print(Text(failure.headline(), style="bold red"), soft_wrap=True)
    if failure.source:
        console.print(
            Syntax(failure.source, "python", line_numbers=True, background_color="default")
        )
    if failure.traceback:
        console.print(Text.from_ansi(failure.traceback), soft_wrap=True)


def _show_frame(console: Console, frame: Any) -> None:
    """Print a data frame as a table."""
    from rich.table import Table

    table = Table(*map(str, frame.columns))
    for row in frame.itertuples(index=False):
        table.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row))
    console.print(table)
