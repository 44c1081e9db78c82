"""Files of named datasets in the data home."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.hostile.arrays import npy, zeros_deflated
from tests.faults.hostile.case import DATA, Payload, Place, hostile, simple


def home(place: Place) -> Path:
    """The data home."""
    path = place.root / "home" / "data"
    path.mkdir()
    return path


def cifar(place: Place, fill: Callable[[tarfile.TarFile], None]) -> list[str]:
    """`bm check --build` of CIFAR-10 out of an archive."""
    with tarfile.open(home(place) / "cifar-10-python.tar.gz", "w:gz", compresslevel=1) as archive:
        fill(archive)
    return place.build("name: cifar10")


def member(archive: tarfile.TarFile, name: str, content: bytes = b"", **more: Any) -> None:
    """Add a member."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(content))


BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


@hostile("cifar: a pickle that runs code", DATA, "it wants to run")
def _(place: Place) -> list[str]:
    def fill(archive: tarfile.TarFile) -> None:
        for name in BATCHES:
            member(archive, f"cifar-10-batches-py/{name}", pickle.dumps(Payload(place.canary)))

    return cifar(place, fill)


@hostile("cifar: a tower of nested lists", DATA, "data_batch_1", slow=True)
def _(place: Place) -> list[str]:
    def fill(archive: tarfile.TarFile) -> None:
        for name in BATCHES:
            member(archive, f"cifar-10-batches-py/{name}", b"(" * 1_000_000 + b"l" * 1_000_000 + b".")

    return cifar(place, fill)


@hostile("cifar: a pickle that claims 4 GiB of bytes", DATA, "data_batch_1", slow=True)
def _(place: Place) -> list[str]:
    def fill(archive: tarfile.TarFile) -> None:
        for name in BATCHES:
            member(
                archive, f"cifar-10-batches-py/{name}", b"\x80\x04\x8e" + struct.pack("<Q", 2**32) + b"abc."
            )

    return cifar(place, fill)


@hostile("cifar: members that leave the folder", DATA, "incomplete")
def _(place: Place) -> list[str]:
    def fill(archive: tarfile.TarFile) -> None:
        member(archive, "../../escaped", b"x")
        member(archive, str(place.root / "absolute"), b"x")
        member(archive, "cifar-10-batches-py/../../../escaped", b"x")
        outside = str(place.root / "outside")
        member(archive, "cifar-10-batches-py", type=tarfile.SYMTYPE, linkname=outside)
        member(archive, "cifar-10-batches-py/written", b"x")
        link = f"{outside}/secret.txt"
        member(archive, "cifar-10-batches-py/data_batch_1", type=tarfile.SYMTYPE, linkname=link)
        member(archive, "cifar-10-batches-py/data_batch_2", type=tarfile.LNKTYPE, linkname=link)
        member(archive, "cifar-10-batches-py/test_batch", type=tarfile.FIFOTYPE)

    return cifar(place, fill)


@hostile("cifar: an archive cut short", DATA, "damaged", slow=True)
def _(place: Place) -> list[str]:
    noise = np.random.default_rng(0).bytes(100_000)
    args = cifar(place, lambda archive: member(archive, "cifar-10-batches-py/data_batch_1", noise))
    path = place.root / "home/data/cifar-10-python.tar.gz"
    path.write_bytes(path.read_bytes()[:50_000])
    return args


@hostile("cifar: a batch of 100 GB in a folder", DATA, "data_batch_1", "larger")
def _(place: Place) -> list[str]:
    folder = home(place) / "cifar-10-batches-py"
    folder.mkdir()
    for name in BATCHES:
        (folder / name).touch()
    os.truncate(folder / "data_batch_1", 10**11)
    return place.build("name: cifar10")


IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx(place: Place, content: bytes, suffix: str = "") -> list[str]:
    """`bm check --build` of MNIST out of four such files."""
    folder = home(place) / "mnist"
    folder.mkdir()
    for name in IDX:
        (folder / f"{name}{suffix}").write_bytes(content)
    return place.build("name: mnist")


simple(
    "mnist: dimensions beyond the data",
    DATA,
    "do not fit its header",
    slow=True,
    make=lambda p: idx(p, b"\0\0\x08\x03" + b"\xff" * 12),
)
simple(
    "mnist: 255 dimensions",
    DATA,
    "not an IDX file",
    slow=True,
    make=lambda p: idx(p, b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"x"),
)
simple(
    "mnist: a header cut short", DATA, "train-images", slow=True, make=lambda p: idx(p, b"\0\0\x08\x03\0\0")
)
simple(
    "mnist: a gz bomb",
    DATA,
    "too large",
    slow=True,
    make=lambda p: idx(
        p, b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + zeros_deflated(4 * 2**30) + bytes(8), suffix=".gz"
    ),
)


@hostile("mnist: a file of 100 GB", DATA, "train-images", "too large")
def _(place: Place) -> list[str]:
    args = idx(place, b"")
    os.truncate(place.root / "home/data/mnist" / IDX[0], 10**11)
    return args


@hostile("mnist: a .npz of objects", DATA, "Python objects", slow=True)
def _(place: Place) -> list[str]:
    data = npy(np.array([Payload(place.canary)] * 10, dtype=object))
    with zipfile.ZipFile(home(place) / "mnist.npz", "w") as archive:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(f"{name}.npy", data)
    return place.build("name: mnist")


@hostile("imdb: an archive that leaves the folder", DATA, "")
def _(place: Place) -> list[str]:
    with tarfile.open(home(place) / "aclImdb_v1.tar.gz", "w:gz") as archive:
        for name in ("../../escaped.txt", "/escaped.txt", "aclImdb/train/pos/../../../../escaped.txt"):
            member(archive, name, b"x")
        link = str(place.root / "outside/secret.txt")
        member(archive, "aclImdb/train/pos/0_9.txt", type=tarfile.SYMTYPE, linkname=link)
        member(archive, "aclImdb/train/neg/0_9.txt", type=tarfile.LNKTYPE, linkname=link)
        member(archive, "aclImdb/train/neg/1_9.txt", type=tarfile.FIFOTYPE)
    return place.build("name: imdb", "gru")


@hostile("imdb: an archive of garbage", DATA, "damaged", slow=True)
def _(place: Place) -> list[str]:
    (home(place) / "aclImdb_v1.tar.gz").write_bytes(gzip.compress(b"no tar at all" * 100))
    return place.build("name: imdb", "gru")
