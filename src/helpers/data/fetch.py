"""Keep a cache of raw data files in which every file is whole and right, or absent.

Whoever supplied a file, its SHA-256 is checked before it is moved into place, under a lock that
parallel callers share.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np

from helpers.errors import UserError
from helpers.files import place

log = logging.getLogger(__name__)

LARGEST = 64 * 2**20  # bytes: no file is larger, whatever its gzip says

Source = Callable[[Sequence[str], Path], Path]
"""Get files of these names, or NAME.gz, into a scratch folder; return the folder they are in."""


class SourceError(Exception):
    """Say why one source could not supply a file; another source may."""


@dataclass(frozen=True)
class Collection:
    """Describe a data set's files: SHA-256 by name, their folder under the cache, who has them.

    `sources` returns the sources by a name people can recognise; they are tried in that order.
    """

    title: str
    folder: str
    sha256: Mapping[str, str]
    sources: Callable[[], Mapping[str, Source]] = dict


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
                _fetch(collection, folder, list(wrong))
                held, wrong = _held(collection, folder)
    except filelock.Timeout as error:
        raise UserError(
            f"another process has held {error.lock_file} for 15 minutes; expected it to finish "
            "fetching; end it, or delete that file"
        ) from None
    except OSError as error:
        raise UserError(
            f"cannot write the data folder {cache} ({error.strerror or error}); expected one with "
            "room for 55 MB a data set; free some space or set HELPERS_DATA to another folder"
        ) from error
    if wrong:
        raise UserError(
            f"{collection.title} was fetched but does not read back: {'; '.join(wrong.values())}; "
            f"expected whole files in {folder}; check the disk"
        )
    return held


def _held(collection: Collection, folder: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    held, wrong = {}, {}
    for name, expected in collection.sha256.items():
        try:
            content = np.fromfile(folder / name, dtype=np.uint8)
            _check(name, content.data, expected)
            held[name] = content
        except OSError as error:
            wrong[name] = f"{name}: {error.strerror or error}"
        except SourceError as error:
            wrong[name] = str(error)
    return held, wrong


def _check(name: str, content: bytes | memoryview, expected: str) -> None:
    if hashlib.sha256(content).hexdigest() != expected:
        raise SourceError(f"{name} has the wrong SHA-256 ({len(content):,} bytes)")


def _fetch(collection: Collection, folder: Path, wanted: Sequence[str]) -> None:
    for leftover in folder.glob(".*.part"):  # of a process that was killed
        leftover.unlink()
    tried: list[str] = []
    by_hand = {f"the folder {folder}": lambda *_: folder}
    for name, source in {**by_hand, **collection.sources()}.items():
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            try:
                found = source(wanted, Path(scratch))
                contents = {each: _unpacked(found / each) for each in wanted}
                for each, content in contents.items():
                    _check(each, content, collection.sha256[each])
            except SourceError as error:
                tried.append(f"{name}: {error}")
                log.info("%s: not from %s: %s", collection.title, name, error)
                continue
        for each, content in contents.items():
            place(folder / each, content)
        log.info("%s: fetched from %s, checksums right", collection.title, name)
        return
    names = ", ".join(f"{name}.gz" for name in collection.sha256)
    raise UserError(
        f"could not get {collection.title}; tried {'; '.join(tried)}. To go on without a network, "
        f"put {names} into {folder} and run this again, or set HELPERS_DATA to a folder that has "
        "them already"
    )


def _unpacked(path: Path) -> bytes:
    """Read a file, or what its gzip holds."""
    packed = path.with_name(f"{path.name}.gz")
    try:
        if packed.is_file():
            with gzip.open(packed) as stream:
                return stream.read(LARGEST)
        return path.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        problem = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise SourceError(f"{path.name}: {problem}") from error
