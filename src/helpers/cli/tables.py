"""Commands for the tables of experiments: tables, run, verify, accept, drift."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from helpers.cli.base import DeviceOption, app, say_error, show_frame
from helpers.errors import UserError


@app.command(epilog="Example: python -m helpers tables")
def tables() -> None:
    """List the tables of experiments: published by which code, and how far a re-run has come."""
    from helpers import experiments

    show_frame(Console(), experiments.status())


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
        say_error("interrupted: finished cells are kept, and the same command resumes")
        raise typer.Exit(130) from None


@app.command(epilog="Examples: python -m helpers verify NAME · python -m helpers verify all")
def verify(
    names: Annotated[list[str], typer.Argument(help="Published tables by name, or 'all'.")],
    cells: Annotated[int, typer.Option(min=1, help="Cells to compute again, a table.")] = 3,
    device: DeviceOption = "auto",
) -> None:
    """Compute a few cells of published tables again, and record in results/ that they agree."""
    from helpers.device import refuse_impossible

    refuse_impossible(device)  # before the slow import
    from helpers import experiments

    console = Console()
    for name in experiments.known() if names == ["all"] else names:
        console.print(f"{name}: published cells computed again; largest differences:")
        show_frame(console, experiments.verify(name, cells, device))


@app.command(epilog="Example: python -m helpers accept NAME && python -m helpers run NAME")
def accept(
    names: Annotated[list[str], typer.Argument(help="Tables by name.")],
    device: DeviceOption = "auto",
) -> None:
    """Keep the rows of a stopped run that older code computed, where a sample shows them equal."""
    from helpers.device import refuse_impossible

    refuse_impossible(device)
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
        say_error(str(error))
        raise typer.Exit(2) from error
    if output is None:
        typer.echo(text)
    else:
        write_text(output, text)
        Console().print(f"{text.splitlines()[2]} {output}", highlight=False, soft_wrap=True)
    if moved:
        raise typer.Exit(1)


def _describe_workers(scheduler: str, devices: Sequence[str]) -> str:
    """Say how many workers a cluster has, and on what they will train."""
    counts = ", ".join(f"{count} on {kind}" for kind, count in sorted(Counter(devices).items()))
    line = f"workers at {scheduler}: {counts}"
    if "cuda" in devices and set(devices) != {"cuda"}:
        line += "; networks go one by one, in stacks only where every worker has a GPU"
    return line
