"""What the commands share: the app that they join, its options, how tables and errors are shown."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

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


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Accept --debug before the command too; `main` acts on it."""


def say_error(text: str) -> None:
    """Print an error in one line, whatever line breaks it came with."""
    line = " ".join(text.split())
    Console(stderr=True).print(f"[red]error:[/] {escape(line)}", highlight=False, soft_wrap=True)


def show_frame(console: Console, frame: Any) -> None:
    """Print a data frame as a table."""
    from rich.table import Table

    table = Table(*map(str, frame.columns))
    for row in frame.itertuples(index=False):
        table.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row))
    console.print(table)
