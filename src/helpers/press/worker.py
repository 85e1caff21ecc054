"""Run one chapter with papermill, in a process of its own that can be killed.

    python -m helpers.press.worker REQUEST.json

The request names the notebook, its parameters and the limits. Progress goes to an events file, one
JSON object a line; the outputs, or what went wrong, go to a result file.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from helpers.files import write_text
from helpers.press.project import source_of, tags_of

INJECTED = "injected-parameters"
KERNEL_STARTS = 3
NO_KERNEL = "Kernel died before replying"  # as jupyter_client says it; no cell has run
Result = TypeVar("Result")


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Run the notebook of a request; return its outputs and cost, or how it failed."""
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    try:
        notebook = nbformat.read(request["notebook"], as_version=4)
        nbformat.validate(notebook)
    except (nbformat.ValidationError, nbformat.reader.NotJSONError, ValueError) as error:
        return _failure("invalid", message=str(error).splitlines()[0])
    watch = _Watch(Path(request["events"]))
    try:
        executed = _with_a_kernel(
            lambda: papermill.execute_notebook(
                notebook,
                None,
                parameters=request["parameters"],
                cwd=request["folder"],
                progress_bar=False,
                execution_timeout=request["cell_timeout"],
                start_timeout=request["start_timeout"],
                on_cell_start=watch.cell_starts,
            )
        )
    except PapermillExecutionError as error:
        return watch.failure("raised", "\n".join(error.traceback), f"{error.ename}: {error.evalue}")
    except CellTimeoutError:
        return watch.failure("hung", message=f"not finished after {request['cell_timeout']:g} s")
    except DeadKernelError:
        return watch.failure("died", message="the kernel died (out of memory, or a crash)")
    cells = [
        cell
        for cell in executed.cells
        if cell.cell_type == "code" and INJECTED not in tags_of(cell)
    ]
    return {
        "outputs": [[_plain(output) for output in cell.outputs] for cell in cells],
        "counts": [cell.execution_count for cell in cells],
        "language": dict(executed.metadata.get("language_info", {})),
        "cell_seconds": watch.finish(),
        "peak_process_mb": _peak_of_children_mb(),
    }


def _with_a_kernel(execute: Callable[[], Result]) -> Result:
    """Execute; begin again, twice at most, where the kernel ends before it has answered.

    A kernel is told which ports to take, and another process can take one of them first.
    """
    for _ in range(KERNEL_STARTS - 1):
        try:
            return execute()
        except RuntimeError as error:
            if NO_KERNEL not in str(error):
                raise
    return execute()


class _Watch:
    """Note which code cell is running, for the progress bar and for the report of a failure."""

    def __init__(self, events: Path) -> None:
        self.events = events
        self.cell = 0
        self.source = ""
        self.starts: list[float] = []

    def cell_starts(self, cell: Any, cell_index: int) -> None:
        if cell.cell_type != "code" or INJECTED in tags_of(cell):
            return
        self.cell += 1
        self.source = source_of(cell)
        self.starts.append(time.perf_counter())
        with self.events.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"cell": self.cell}) + "\n")

    def finish(self) -> list[float]:
        ends = [*self.starts[1:], time.perf_counter()]
        return [round(end - start, 3) for start, end in zip(self.starts, ends, strict=True)]

    def failure(self, kind: str, traceback: str = "", message: str = "") -> dict[str, Any]:
        return _failure(kind, self.cell, self.source, traceback, message)


def _failure(
    kind: str, cell: int = 0, source: str = "", traceback: str = "", message: str = ""
) -> dict[str, Any]:
    return {
        "failure": kind,
        "cell": cell,
        "source": source,
        "traceback": traceback,
        "message": message,
    }


def _plain(output: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(output))
    return plain


def _peak_of_children_mb() -> int:
    """Return the largest memory that one finished child ever held, in MB (0 where not known)."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3))


def _end_with_parent() -> None:
    """Wait until the parent closes our standard input, then end the kernel and this process."""
    import psutil

    sys.stdin.buffer.read()
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(1)


def main(path: Path) -> None:
    """Run the request in the file `path` and write its result beside it."""
    request = json.loads(path.read_text(encoding="utf-8"))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    write_text(Path(request["result"]), json.dumps(run(request)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
