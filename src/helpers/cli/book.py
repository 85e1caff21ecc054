"""Commands for the book and what it states: book, claims, metadata."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from helpers.cli.base import DeviceOption, ProfileOption, WorkersOption, app, say_error
from helpers.errors import UserError


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
        say_error("interrupted: finished chapters are kept, and the same command resumes")
        raise typer.Exit(130) from None
    for failure in tally.failures:
        _show_failure(console, failure)
    if tally.failures:
        count = f"{len(tally.failures)} failed, {len(tally.ran)} ran, {len(tally.reused)} unchanged"
        if tally.skipped:
            count += f", {len(tally.skipped)} not started (they read the others)"
        say_error(f"chapters: {count}; the site was left as it was")
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
