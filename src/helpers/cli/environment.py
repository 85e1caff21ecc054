"""Commands for what the book stands on: data, doctor, bench."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from helpers.cli.base import DeviceOption, app
from helpers.errors import UserError


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


@app.command(
    epilog="Examples: python -m helpers bench patterns · python -m helpers bench --list · "
    "python -m helpers bench training --device cuda"
)
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help="Benchmarks by name; default: all.")
    ] = None,
    list_only: Annotated[bool, typer.Option("--list", help="Only list them.")] = False,
    device: DeviceOption = "auto",
) -> None:
    """Run the side-by-side timings in benchmarks/, one after the other, one thread each."""
    from helpers.device import refuse_impossible
    from helpers.press.project import find_root

    refuse_impossible(device)
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
        environment = {"OMP_NUM_THREADS": "1", **os.environ, "DEVICE": device}
        done = subprocess.run([sys.executable, str(found[name])], env=environment, check=False)
        if done.returncode:
            failed.append(name)
    if failed:
        raise UserError(f"failed: {', '.join(failed)}; the output above says why")
