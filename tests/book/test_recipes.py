"""The Reproduce page: every command it gives is one that the command line knows."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import typer

from helpers import cli, experiments
from helpers.sweeps.engines import refuse_address

PAGE = "book/reproduce.ipynb"


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    cells = json.loads((root / PAGE).read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def test_commands_of_the_page_are_understood(text: str) -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    found = re.findall(r"python -m helpers ([^`\n#]+)", text)
    assert len(found) >= 6
    for line in found:
        name, *arguments = shlex.split(line)
        options = commands[name].make_context(name, arguments).params
        for table in options.get("names") or []:
            assert table == "NAME" or name == "data" or table in experiments.known()
        if address := options.get("scheduler"):
            refuse_address(address.replace("HOST:", "host:").replace("ADDRESS", "tcp://host:1"))


@pytest.mark.parametrize(
    "recipe",
    [
        "dask scheduler ",
        "dask worker tcp://HOST:8786 --nthreads 1 --nworkers 2",
        "run invariance --scheduler tcp://HOST:8786",
        "SLURMCluster(",
        "CUDA_VISIBLE_DEVICES=0 dask worker",
    ],
)
def test_the_page_says_how_to_use_a_cluster(text: str, recipe: str) -> None:
    assert recipe in text


def test_the_readme_names_the_scheduler_option(root: Path) -> None:
    assert "--scheduler tcp://HOST:8786" in (root / "README.md").read_text(encoding="utf-8")
