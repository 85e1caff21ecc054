"""Where cells are computed: this process, worker processes, or a Dask cluster that already runs.

Each engine takes a function and a list of tasks and yields (index, result) as tasks finish, in any
order.

A cluster is whatever answers at a Dask scheduler's address: the page "Reproduce it" says how to
start one by hand or on Slurm.

Rows are written by the process that started the sweep: only that one needs the book's folder.

Worker processes are joblib's (loky's executor). The loop over them is ours, not its `Parallel(
return_as="generator_unordered")`: that ends with the first worker that is killed, where a sweep
starts others and goes on; it tells no index, and warns of each cell that a stopped sweep cancels.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, TypeVar

from rich import get_console

from helpers.device import choose_device
from helpers.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")
CONNECT_SECONDS = 10
ADDRESS = re.compile(r"(tcp|tls|ws|wss|ucx)://([^\s:/\[\]]+|\[[0-9a-fA-F:.]+\]):(?P<port>\d+)")
MEMORY_PER_WORKER = 3e9
PARENT_SECONDS = 1.0  # how often a worker process looks whether its parent is still there
POLL = 0.05
LOOK_SECONDS = 5.0  # how often a cluster is asked whether it still has workers
LOST_WORKERS = 3  # how often a task may lose its worker before the task itself is suspected


def default_workers() -> int:
    """Return how many processes to run at once: one per core, as far as free memory goes."""
    import joblib
    import psutil

    room = int(psutil.virtual_memory().available // MEMORY_PER_WORKER)
    return max(1, min(joblib.cpu_count(), room))


def choose_engine(device: str, workers: int | None = None) -> tuple[str, int]:
    """Return the engine on this machine, and its number of workers, for a device.

    Without `workers`, a GPU gets one: more would share it, each with a copy of the data. The CPU
    gets `default_workers()`.

    Raises UserError for a device that this machine does not have.
    """
    on_cpu = choose_device(device).type == "cpu"
    count = workers or (default_workers() if on_cpu else 1)
    return ("process" if count > 1 else "local"), count


def stream(
    function: Callable[[Task], Result], tasks: Sequence[Task], engine: str, workers: int = 1
) -> Generator[tuple[int, Result], None, None]:
    """Yield (index, function(tasks[index])) as they finish, on the engine that `engine` names.

    `local` is this process, `process` is `workers` processes, and anything with '://' is the
    address of a running Dask scheduler. `function` must be importable on the workers.

    Raises UserError for an unknown engine, an unreachable scheduler, or a task that keeps losing
    workers; whatever `function` raises comes through.
    """
    if engine == "local":
        return _in_this_process(function, tasks)
    if engine == "process":
        return _on_processes(function, tasks, workers)
    if "://" in engine:
        return _on_cluster(function, tasks, engine)
    raise UserError(
        f"unknown engine '{engine}'; expected local, process, or a scheduler's address such as "
        "tcp://host:8786"
    )


def _in_this_process(
    function: Callable[[Task], Result], tasks: Sequence[Task]
) -> Generator[tuple[int, Result], None, None]:
    for index, task in enumerate(tasks):
        yield index, function(task)


def _on_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int
) -> Generator[tuple[int, Result], None, None]:
    from joblib.externals.loky import as_completed, get_reusable_executor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    if workers < 1:
        raise UserError(f"{workers} workers asked for; expected at least 1")
    left = dict(enumerate(tasks))
    losses = 0
    while left:
        executor = get_reusable_executor(
            max_workers=workers, initializer=_end_with_parent, initargs=(os.getpid(),)
        )
        futures = {executor.submit(function, task): index for index, task in left.items()}
        try:
            for future in as_completed(futures):
                result = future.result()
                index = futures.pop(future)
                del left[index]
                yield index, result
        except (
            BrokenProcessPool
        ) as error:  # a worker was killed, and its pool with it: start another
            losses += 1
            if losses > LOST_WORKERS:
                raise UserError(
                    f"worker processes were killed {losses} times ({len(left)} cells left), most "
                    "often for want of memory; finished rows are kept; run again with fewer workers"
                ) from error
        finally:
            executor.shutdown(wait=True, kill_workers=bool(left))


def _end_with_parent(parent: int) -> None:
    """End this worker within a second of its parent's end, also in the middle of a cell.

    A parent that is killed outright cannot end its workers, and they would go on computing rows
    that nobody writes. Where a process keeps its parent's id for good (Windows), nothing happens.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os._exit(1)  # this thread alone could not end the one that computes

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def refuse_address(address: str) -> None:
    """Raise UserError for what cannot be a Dask scheduler's address; asks nobody."""
    found = ADDRESS.fullmatch(address)
    if not found or not 0 < int(found["port"]) < 65_536:
        raise UserError(
            f"'{address}' is not a scheduler's address; expected tcp://HOST:PORT, as "
            "`dask scheduler` prints it (the port is 8786 unless you chose another)"
        )


def worker_devices(address: str, device: str) -> list[str]:
    """Ask the workers of a Dask cluster which device each chooses for `device`: one a worker.

    Raises UserError when the scheduler cannot be reached, has no workers, or has one without the
    device.
    """
    with _connected(address) as client:
        _check_workers(client, address)
        found = client.run(_device_here, device, on_error="return")
    for worker, answer in found.items():
        if isinstance(answer, Exception):
            raise UserError(f"Dask worker {worker}: {answer}") from answer
    return list(found.values())


def _device_here(device: str) -> str:
    return choose_device(device).type


def _on_cluster(
    function: Callable[[Task], Result], tasks: Sequence[Task], address: str
) -> Generator[tuple[int, Result], None, None]:
    from distributed.scheduler import KilledWorker

    if not tasks:
        return
    with _connected(address) as client:
        _check_workers(client, address)
        futures = client.map(function, tasks, pure=False, retries=0)
        index_of = {future.key: index for index, future in enumerate(futures)}
        for future in _as_finished(client, futures, address):
            if future.status == "cancelled":
                raise _gone(address)
            try:
                result = future.result(timeout=60)
            except KilledWorker as error:
                raise UserError(
                    f"a cell killed its Dask worker again and again ({error}), most often for "
                    "want of memory; finished rows are kept; run again with larger workers"
                ) from error
            except TimeoutError as error:
                raise _gone(address) from error
            future.release()
            yield index_of[future.key], result


def _as_finished(client: Any, futures: Sequence[Any], address: str) -> Iterator[Any]:
    """Yield futures as they finish; say so, once, when no worker is left to finish them."""
    from distributed import as_completed

    waiting = as_completed(futures, loop=client.loop)
    looked, without = time.monotonic(), 0
    while not waiting.is_empty():
        if waiting.has_ready():
            yield next(waiting)
        elif time.monotonic() - looked < LOOK_SECONDS:
            time.sleep(POLL)
        else:
            without = 0 if client.scheduler_info()["workers"] else without + 1
            looked = time.monotonic()
            if without == 2:  # a worker that is started anew is away for a moment
                get_console().print(
                    f"no workers left on {address}; waiting (Ctrl-C keeps the finished rows)",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    refuse_address(address)
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise _gone(address) from error
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):
            client.close(timeout=5)


def _gone(address: str) -> UserError:
    return UserError(
        f"the Dask scheduler at {address} cannot be reached; finished rows are kept; start it "
        "(`dask scheduler`) with at least one worker, then run the same command to resume"
    )


def _check_workers(client: Any, address: str) -> None:
    """Fail early when workers cannot import this package, or compute several cells at once."""
    found = client.run(_import_here, on_error="return")
    if not found:
        raise UserError(
            f"the Dask scheduler at {address} has no workers; start some "
            f"(`dask worker {address} --nthreads 1`), then run the same command"
        )
    for worker, threads in client.nthreads().items():
        if threads != 1:
            raise UserError(
                f"Dask worker {worker} has {threads} threads, and a cell is computed by one alone; "
                f"expected `dask worker {address} --nthreads 1 --nworkers {threads}`"
            )
    broken = [worker for worker, problem in found.items() if problem]
    if broken:
        raise UserError(
            f"Dask worker {broken[0]} cannot import helpers ({found[broken[0]]}); "
            "install this book in the workers' environment (`pip install -e .`)"
        )


def _import_here() -> str:
    try:
        import helpers  # noqa: F401
    except ImportError as error:
        return str(error)
    return ""


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, so that sums are taken in the same order whatever the engine."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(before)
