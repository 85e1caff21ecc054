"""Keep a cache of raw data files in which every file is whole and right, or absent.

Every source gives the same thing: the bytes of some of the files a data set consists of. They are
checked, written under a temporary name and moved into place, under a lock that parallel callers
share. Nothing is ever extracted to a path that an archive chose.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import filelock
import numpy as np

from helpers.errors import UserError
from helpers.files import place

log = logging.getLogger(__name__)


class SourceError(Exception):
    """Say why one source could not supply a file; another source may."""


@dataclass(frozen=True)
class RawFile:
    """Name one unpacked file, its size in bytes and its SHA-256."""

    name: str
    size: int
    sha256: str

    @property
    def archive(self) -> str:
        """Return what the mirrors call the compressed file that holds it."""
        return f"{self.name}.gz"


Contents = Mapping[str, bytes]
Source = Callable[[Sequence[RawFile], Path], Contents]  # the second argument is the raw folder


@dataclass(frozen=True)
class Collection:
    """Describe where a data set's files live (`folder` under the cache) and who can supply them.

    `sources` maps a name people can recognise to a function; they are tried in that order.
    """

    title: str
    folder: str
    files: tuple[RawFile, ...]
    sources: Mapping[str, Source] = field(default_factory=dict)


# ---------------------------------------------------------------- checking


def read_verified(path: Path, file: RawFile) -> np.ndarray:
    """Read one raw file as uint8, (bytes,); raise SourceError if it is not the right one."""
    try:
        size = path.stat().st_size
        if size != file.size:
            raise SourceError(f"{file.name} has {size:,} bytes, not {file.size:,}")
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise SourceError(f"{file.name}: {error.strerror or error}") from error
    if hashlib.sha256(content.data).hexdigest() != file.sha256:
        raise SourceError(f"{file.name} has the wrong SHA-256")
    return content


def unpack(payload: bytes, file: RawFile) -> bytes:
    """Undo gzip where needed and check size and SHA-256; never inflate past the expected size."""
    content = payload
    if payload[:2] == b"\x1f\x8b":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(payload)) as stream:
                content = stream.read(file.size + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise SourceError(f"{file.name}: truncated or corrupt gzip ({error})") from error
    if len(content) != file.size:
        raise SourceError(f"{file.name} has {len(content):,} bytes, not {file.size:,}")
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise SourceError(f"{file.name} has the wrong SHA-256")
    return content


# ---------------------------------------------------------------- the cache


def ensure(collection: Collection, cache: Path) -> dict[str, np.ndarray]:
    """Return the verified bytes of every file of a collection, fetching what is missing or damaged.

    Files lie in `cache / collection.folder / "raw"`, where torchvision's own classes look for them.
    Raises UserError when no source can supply a file, or when the folder cannot be written.
    """
    folder = cache / collection.folder / "raw"
    held, wrong = _held(collection, folder)
    if not wrong:
        return held
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(cache / f".{collection.folder}.lock", timeout=900):
            held, wrong = _held(collection, folder)  # another process may have fetched them
            if wrong:
                _fetch(collection, folder, [f for f in collection.files if f.name in wrong])
                held, wrong = _held(collection, folder)
    except filelock.Timeout as error:
        raise UserError(
            f"another process has held {error.lock_file} for 15 minutes; expected it to finish "
            "fetching; end it, or delete that file"
        ) from None
    except OSError as error:
        raise UserError(_cannot_write(cache, error)) from error
    if wrong:
        raise UserError(
            f"{collection.title} was fetched but does not read back: {'; '.join(wrong.values())}; "
            f"expected whole files in {folder}; check the disk"
        )
    return held


def _held(collection: Collection, folder: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    held, wrong = {}, {}
    for file in collection.files:
        try:
            held[file.name] = read_verified(folder / file.name, file)
        except SourceError as error:
            wrong[file.name] = str(error)
    return held, wrong


def _fetch(collection: Collection, folder: Path, files: list[RawFile]) -> None:
    for leftover in folder.glob(".*-ubyte.*"):  # of a process that was killed
        leftover.unlink()
    tried: list[str] = []
    sources = {f"the folder {folder}": from_folder, **collection.sources}
    for name, source in sources.items():
        try:
            contents = source(files, folder)
        except SourceError as error:
            tried.append(f"{name}: {error}")
            log.info("%s: not from %s: %s", collection.title, name, error)
            continue
        for file in files:
            place(folder / file.name, contents[file.name])
        log.info("%s: fetched from %s, checksums right", collection.title, name)
        return
    names = ", ".join(file.archive for file in collection.files)
    raise UserError(
        f"could not get {collection.title}; tried {'; '.join(tried)}. To go on without a network, "
        f"put {names} into {folder} and run this again, or set HELPERS_DATA to a folder that has "
        "them already"
    )


def from_folder(files: Sequence[RawFile], folder: Path) -> Contents:
    """Supply files from compressed ones that somebody placed in the raw folder by hand."""
    found = {}
    for file in files:
        archive = folder / file.archive
        if not archive.is_file():
            read_verified(folder / file.name, file)  # says what is wrong with the unpacked file
            raise SourceError(f"no {file.archive}")
        found[file.name] = unpack(archive.read_bytes(), file)
    return found


def _cannot_write(cache: Path, error: OSError) -> str:
    why = {
        errno.ENOSPC: "the disk is full (the four files need 55 MB)",
        errno.EROFS: "the disk is read-only",
        errno.EACCES: "this user may not write there",
        errno.EPERM: "this user may not write there",
        errno.EDQUOT: "the disk quota is used up",
        errno.ENOTDIR: "a part of that path is a file",
        errno.EEXIST: "a part of that path is a file",
    }.get(error.errno or 0, error.strerror or str(error))
    return (
        f"cannot write the data folder {cache}: {why}; expected a folder with room for the images; "
        "free some space or set HELPERS_DATA to another folder"
    )
