"""Inputs that are broken, or made to do harm, and what `bm` must answer to each.

A case is a function that puts the input into its `Place` and returns the command line that meets it. Whatever
could run code tries to make the place's canary.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from bmcli.runs.run import Run

CONFIG, DATA, DAMAGED, RESOURCES = 2, 3, 4, 6
KERAS = ("home/.cache", "home/.config", "home/.keras")
"""Where Keras and what it imports keep their own settings."""


@dataclass
class Place:
    """Where a case happens. root: all the command may know of; work: the working directory."""

    root: Path
    make_run: Callable[..., Run]
    make_text_run: Callable[[], Run]

    def __post_init__(self) -> None:
        self.work = self.root / "work"
        self.canary = self.root / "canary"
        for name in ("work", "home", "tmp", "outside"):
            (self.root / name).mkdir(parents=True)
        (self.root / "outside" / "secret.txt").write_text("do not read me")

    def file(self, name: str, content: str | bytes = b"") -> Path:
        """A file in the working directory."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def check(self, content: str | bytes, *more: str) -> list[str]:
        """`bm check` of a config."""
        self.file("c.yaml", content)
        return ["check", "c.yaml", *more]

    def build(self, data: str, model: str = "linear") -> list[str]:
        """`bm check --build` of a config with this `data:`, in flow style: it reads the data."""
        return self.check(f"data: {{{data}}}\nmodel: {model}\n", "--build")

    def run(self) -> Path:
        """The directory of a finished run on images of digits."""
        return self.make_run({"data": {"name": "digits", "limit": 100}}).path

    def spoiled(self, name: str, content: str | bytes) -> Path:
        """A run with a file of somebody else's, for which its manifest vouches."""
        path = self.run()
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        seal(path)
        return path

    def edited(self, file: str, **changes: Any) -> Path:
        """A run with other values in one of its JSON files, for which its manifest vouches."""
        path = self.run()
        document = json.loads((path / file).read_text())
        for key, value in changes.items():
            *above, last = key.split("__")
            inner = document
            for step in above:
                inner = inner[step]
            inner[last] = value
        (path / file).write_text(json.dumps(document))
        seal(path)
        return path

    def predict(self, *more: str) -> list[str]:
        """`bm predict` of a good image with the only run."""
        Image.new("L", (8, 8), 128).save(self.work / "good.png")
        return ["predict", "good.png", "--run", "trial", *more]

    def images(self) -> Path:
        """A folder of images in two classes, to which bad ones may be added."""
        for name, level in (("a", 40), ("b", 200)):
            (self.work / "photos" / name).mkdir(parents=True)
            for i in range(6):
                Image.new("RGB", (8, 8), (level, level + i, level)).save(
                    self.work / "photos" / name / f"{i}.png"
                )
        return self.work / "photos"

    def image(self, name: str, content: bytes) -> list[str]:
        """`bm check --build` of a folder with one bad image among good ones."""
        (self.images() / "a" / name).write_bytes(content)
        return self.build("path: photos")


def seal(run: Path) -> None:
    """Give a run the manifest of what it holds now."""
    manifest = json.loads((run / "manifest.json").read_text())
    for name in run.rglob("*"):
        inside = name.relative_to(run).as_posix()
        if name.is_file() and inside != "manifest.json" and not name.name.startswith("."):
            manifest["files"][inside] = sha256(name.read_bytes()).hexdigest()
    (run / "manifest.json").write_text(json.dumps(manifest))


@dataclass(frozen=True)
class Case:
    """make: puts the input there, returns the command line. code: the exit status; says: on stderr (or on
    stdout where the status is 0). writes: what may change below the root. env: more variables. slow: it needs
    TensorFlow, or much time to make. lines: how long the message may be: more where it lists many mistakes.
    fault: what is known to be wrong with bm here."""

    name: str
    make: Callable[[Place], list[str]]
    code: int
    says: tuple[str, ...]
    writes: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    slow: bool = False
    lines: int = 25
    fault: str | None = None


CASES: list[Case] = []
Make = Callable[[Place], list[str]]


def hostile(name: str, code: int, *says: str, **more: Any) -> Callable[[Make], Make]:
    """Enter a case into the table."""

    def enter(make: Make) -> Make:
        CASES.append(Case(name, make, code, says, **more))
        return make

    return enter


def simple(name: str, code: int, *says: str, make: Make, **more: Any) -> None:
    """The same for what fits in a line."""
    hostile(name, code, *says, **more)(make)


class Payload:
    """What a pickle runs when it is read by `pickle.load`."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.canary),)


# === Configs ===


def _bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    return "\n".join(lines)


def _merge_bomb() -> str:
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}" for i in range(1, 40)]
    return "\n".join(lines)


TAG = "data: !!python/object/apply:os.mkdir ['{}']\n"

simple("yaml: alias bomb", CONFIG, "aliases written out", make=lambda p: p.check(_bomb()))
simple("yaml: merge-key bomb", CONFIG, "merge keys", lines=100, make=lambda p: p.check(_merge_bomb()))
simple("yaml: 100,000 levels", CONFIG, "deeper than", make=lambda p: p.check("a: " + "[" * 100_000))
simple("yaml: huge key", CONFIG, "unknown", make=lambda p: p.check("? " + "k" * 900_000 + "\n: 1\n"))
simple("yaml: huge name", CONFIG, "name", slow=True, make=lambda p: p.check("name: " + "k" * 900_000))
simple("yaml: huge list", CONFIG, "values", make=lambda p: p.check("a: [" + "1," * 450_000 + "]"))
simple("yaml: python tag", CONFIG, "tag", make=lambda p: p.check(TAG.format(p.canary)))
simple(
    "yaml: python tag in an override",
    CONFIG,
    "tag",
    make=lambda p: p.check("data: digits\n", f"model=!!python/object/apply:os.mkdir ['{p.canary}']"),
)
simple(
    "yaml: the same key 10,000 times",
    CONFIG,
    "twice",
    lines=100,
    make=lambda p: p.check("seed: 1\n" * 10_000),
)
simple("yaml: NUL bytes", CONFIG, "NUL", make=lambda p: p.check(b"seed: 1\n" + b"\0" * 1000))
simple("yaml: UTF-16", CONFIG, "UTF-8", make=lambda p: p.check("data: digits\n".encode("utf-16")))
simple("yaml: not UTF-8", CONFIG, "0xff", make=lambda p: p.check(b"data: d\xff\n"))
simple("yaml: 50 MB", CONFIG, "larger", make=lambda p: p.check(b"# x\n" * (50_000_000 // 4)))
simple("yaml: terminal codes", CONFIG, r"\x1b[31m", make=lambda p: p.check('"\\e[31m\\e]0;x\\a": 1\n'))
simple(
    "yaml: text that turns round",
    CONFIG,
    r"\u202e",
    slow=True,
    make=lambda p: p.check("data: digits\nx\u202ey: 1\n"),
)
simple(
    "yaml: a name with dots",
    CONFIG,
    "name",
    slow=True,
    make=lambda p: p.check("name: ../../x\ndata: digits\n"),
)
simple(
    "override: a name with dots",
    CONFIG,
    "name",
    make=lambda p: p.check("data: digits\n", "name=../../x"),
)
simple(
    "override: a key with dots and slashes",
    CONFIG,
    "KEY=VALUE",
    make=lambda p: p.check("data: digits\n", "training.../../x=1"),
)
simple("extends: itself", CONFIG, "extends", make=lambda p: p.check("extends: c.yaml\n"))
simple("extends: /dev/zero", CONFIG, "/dev/zero", make=lambda p: p.check("extends: /dev/zero\n"))
simple("extends: a folder", CONFIG, "../outside", make=lambda p: p.check("extends: ../outside\n"))


@hostile("extends: a pipe", CONFIG, "pipe.yaml")
def _(place: Place) -> list[str]:
    os.mkfifo(place.work / "pipe.yaml")
    return place.check("extends: pipe.yaml\n")


@hostile("extends: a circle of three", CONFIG, "extends", slow=True)
def _(place: Place) -> list[str]:
    place.file("b.yaml", "extends: d.yaml\n")
    place.file("d.yaml", "extends: c.yaml\n")
    return place.check("extends: b.yaml\n")


@hostile("extends: thirty files that each name the next twice", CONFIG, "extends")
def _(place: Place) -> list[str]:
    for i in range(30):
        place.file(f"{i}.yaml", f"extends: [{i + 1}.yaml, {i + 1}.yaml]\n")
    place.file("30.yaml", "seed: 1\n")
    return place.check("extends: 0.yaml\ndata: digits\nnonsense: 1\n")


simple("config: a device", CONFIG, "/dev/zero", make=lambda p: ["check", "/dev/zero"])
simple("config: a folder", CONFIG, "folder", make=lambda p: ["check", "../outside"])


@hostile("config: a pipe", CONFIG, "pipe.yaml")
def _(place: Place) -> list[str]:
    os.mkfifo(place.work / "pipe.yaml")
    return ["check", "pipe.yaml"]


@hostile("config: a link to itself", CONFIG, "loop.yaml")
def _(place: Place) -> list[str]:
    (place.work / "loop.yaml").symlink_to("loop.yaml")
    return ["check", "loop.yaml"]


simple("config: a name of 100,000 letters", CONFIG, "", make=lambda p: ["check", "x" * 100_000 + ".yaml"])


# === Arrays ===


def npy_header(shape: object, dtype: str = "<f4") -> bytes:
    """The beginning of a .npy file of that shape."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def zeros_deflated(size: int) -> bytes:
    """`size` zeros (a multiple of 2**20) as a raw deflate stream, made without deflating them all."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (size // 2**20) + b"\x03\x00"


def zip_of(name: str, packed: bytes, size: int, crc: int = 0) -> bytes:
    """A zip with one deflated member that says it is that large."""
    sizes = struct.pack("<II", len(packed), min(size, 0xFFFFFFFF))
    extra = struct.pack("<HHQQ", 1, 16, size, len(packed)) if size >= 0xFFFFFFFF else b""
    if extra:
        sizes = struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF)
    common = struct.pack("<HHHHHI", 45, 0, 8, 0, 33, crc) + sizes
    common += struct.pack("<HH", len(name), len(extra))
    local = b"PK\x03\x04" + common + name.encode() + extra
    central = b"PK\x01\x02" + struct.pack("<H", 45) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0)
    central += name.encode() + extra
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    return local + packed + central + end


def npz(place: Place, **members: bytes) -> list[str]:
    """`bm check --build` of a .npz with these members, as raw bytes."""
    with zipfile.ZipFile(place.work / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return place.build("path: d.npz")


def npy(array: np.ndarray) -> bytes:
    """As a .npy file's bytes."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


LABELS = npy(np.arange(10) % 2)


@hostile("npz: a pickle", DATA, "d.npz", "Python objects", slow=True)
def _(place: Place) -> list[str]:
    place.file("d.npz", pickle.dumps(Payload(place.canary)))
    return place.build("path: d.npz")


@hostile("npz: an array of objects", DATA, "d.npz", "Python objects")
def _(place: Place) -> list[str]:
    return npz(place, x=npy(np.array([Payload(place.canary)] * 10, dtype=object)), y=LABELS)


@hostile("npz: a single array", DATA, "d.npz", "single array", slow=True)
def _(place: Place) -> list[str]:
    place.file("d.npz", LABELS)
    return place.build("path: d.npz")


@hostile("npz: a bomb of 8 GiB of zeros", DATA, "d.npz", "8.0 GiB")
def _(place: Place) -> list[str]:
    header = npy_header((2**17, 128, 128), "<f4")
    size = 8 * 2**30
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packed.compress(header) + packed.flush(zlib.Z_FULL_FLUSH)
    place.file("d.npz", zip_of("x.npy", start + zeros_deflated(size), size + len(header)))
    return place.build("path: d.npz")


simple(
    "npz: a shape of 10^15 numbers and no data",
    DATA,
    "d.npz",
    "x",
    make=lambda p: npz(p, x=npy_header((10**6, 10**6, 10**3)), y=LABELS),
)
simple(
    "npz: a shape beyond any number",
    DATA,
    "d.npz",
    make=lambda p: npz(p, x=npy_header((10**30, 10**30)), y=LABELS),
)
simple(
    "npz: a negative shape", DATA, "d.npz", slow=True, make=lambda p: npz(p, x=npy_header((-1, 4)), y=LABELS)
)
simple(
    "npz: a header of nested brackets",
    DATA,
    "d.npz",
    slow=True,
    make=lambda p: npz(p, x=npy_header("(" * 5000 + ")" * 5000), y=LABELS),
)
simple(
    "npz: a header that calls",
    DATA,
    "d.npz",
    slow=True,
    make=lambda p: npz(p, x=npy_header(f"__import__('os').mkdir('{p.canary}')"), y=LABELS),
)
simple("npz: no .npy inside", DATA, "d.npz", slow=True, make=lambda p: npz(p, x=b"nothing", y=LABELS))


@hostile("npz: encrypted", DATA, "d.npz")
def _(place: Place) -> list[str]:
    npz(place, x=LABELS, y=LABELS)
    data = bytearray((place.work / "d.npz").read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + offset] |= 1
    place.file("d.npz", bytes(data))
    return place.build("path: d.npz")


@hostile("npz: packed in a way there is none", DATA, "d.npz", slow=True)
def _(place: Place) -> list[str]:
    npz(place, x=LABELS, y=LABELS)
    data = bytearray((place.work / "d.npz").read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + offset] = 77
    place.file("d.npz", bytes(data))
    return place.build("path: d.npz")


@hostile("npz: array names of terminal codes", DATA, r"\x1b[31m", slow=True)
def _(place: Place) -> list[str]:
    return npz(place, **{"\x1b[31m": LABELS, "[red]": LABELS})


# === Named datasets in the data home ===


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


# === Tables ===


def table(place: Place, content: str | bytes, name: str = "t.csv", more: str = ", target: y") -> list[str]:
    """`bm check --build` of a table."""
    place.file(name, content)
    return place.build(f"path: {name}{more}")


ROWS = "x,y\n" + "1,p\n2,q\n" * 20

simple("csv: NUL bytes", DATA, "not a text file", slow=True, make=lambda p: table(p, b"x,y\n1,\0\n" * 100))
simple(
    "csv: NUL bytes far down",
    DATA,
    "t.csv",
    slow=True,
    make=lambda p: table(p, ROWS.encode() * 200 + b"\0" * 100_000 + b"\n"),
)
simple("csv: one line of 200 MB", DATA, "t.csv", slow=True, make=lambda p: table(p, b"x" * 200_000_000))
simple(
    "csv: a cell of 200 MB",
    DATA,
    "t.csv",
    slow=True,
    make=lambda p: table(p, ROWS.encode() + b"x" * 200_000_000),
)
simple(
    "csv: one line of 20 million cells",
    DATA,
    "t.csv",
    slow=True,
    make=lambda p: table(p, ROWS.encode() + b"1," * 20_000_000),
)
simple("csv: ragged rows", DATA, "instead of 2", make=lambda p: table(p, ROWS + "1,2,3\n1\n" * 5000))
simple("csv: UTF-16", DATA, "UTF-16", slow=True, make=lambda p: table(p, ROWS.encode("utf-16")))
simple("csv: only a header", DATA, "no rows", slow=True, make=lambda p: table(p, "x,y\n"))
simple(
    "csv: a quote never closed",
    DATA,
    "never closed",
    slow=True,
    make=lambda p: table(p, ROWS + '1,"p\n' + "2,q\n" * 1_000_000),
)
simple("csv: 100 GB of nothing", DATA, "not a text file", make=lambda p: sparse(p, "t.csv"))
simple("jsonl: 100 GB of nothing", DATA, "not a text file", slow=True, make=lambda p: sparse(p, "t.jsonl"))
simple(
    "csv: labels of terminal codes, markup and formulas",
    DATA,
    r"\x1b[31m",
    "[red]",
    "=cmd()",
    r"\u202e",
    "<script>",
    make=lambda p: table(
        p,
        "x,y\n1,\x1b[31mx\n2,[red]\n3,=cmd()\n4,\u202etxt\n5,<script>alert(1)</script>\n",
        more=", target: y, task: regression",
    ),
)
simple(
    "csv: a header of terminal codes",
    DATA,
    r"\x1b]0;",
    slow=True,
    make=lambda p: table(p, "x,\x1b]0;gone\x07\n1,2\n", more=", target: z"),
)


def sparse(place: Place, name: str) -> list[str]:
    """A table that is one long hole."""
    args = table(place, b"", name)
    os.truncate(place.work / name, 10**11)
    return args


@hostile("csv: 100,000 columns", DATA, "t.csv", slow=True)
def _(place: Place) -> list[str]:
    header = ",".join(f"c{i}" for i in range(100_000))
    return table(place, f"{header}\n" + (",".join(["1"] * 100_000) + "\n") * 3 + "1,2\n")


@hostile("csv: a pipe", DATA, "t.csv")
def _(place: Place) -> list[str]:
    os.mkfifo(place.work / "t.csv")
    return place.build("path: t.csv, target: y")


simple(
    "jsonl: nested 1,000,000 deep",
    DATA,
    ":2",
    make=lambda p: table(p, '{"x": 1, "y": "p"}\n' + "[" * 1_000_000, "t.jsonl"),
)
simple(
    "jsonl: nothing but malformed lines",
    DATA,
    ":1",
    ":3",
    "not JSON",
    make=lambda p: table(p, "{\n[1]\nnonsense\n", "t.jsonl"),
)
simple(
    "jsonl: no objects",
    DATA,
    ":1",
    "not a JSON object",
    slow=True,
    make=lambda p: table(p, '1\n"x"\nnull\n[]\n', "t.jsonl"),
)
simple("jsonl: empty objects", DATA, "t.jsonl", slow=True, make=lambda p: table(p, "{}\n" * 100, "t.jsonl"))
simple(
    "jsonl: NaN, infinity and numbers of 5,000 digits",
    DATA,
    "infinite",
    "digits",
    make=lambda p: table(
        p,
        '{"x": NaN, "y": "p"}\n{"x": 1, "y": "q"}\n' * 10
        + f'{{"x": Infinity, "y": "p"}}\n{{"x": 1{"0" * 400}, "y": "p"}}\n{{"x": {"9" * 5000}, "y": "p"}}\n',
        "t.jsonl",
    ),
)
simple(
    "jsonl: one line of 200 MB",
    DATA,
    "t.jsonl",
    slow=True,
    make=lambda p: table(p, b'{"x": "' + b"x" * 200_000_000, "t.jsonl"),
)
simple(
    "jsonl: every row another key",
    DATA,
    "t.jsonl",
    make=lambda p: table(p, "".join(f'{{"k{i}": 1, "y": "p"}}\n' for i in range(30_000)), "t.jsonl"),
)
simple("parquet: text", DATA, "Parquet", slow=True, make=lambda p: table(p, ROWS, "t.parquet"))
simple(
    "parquet: only its mark", DATA, "Parquet", slow=True, make=lambda p: table(p, b"PAR1PAR1", "t.parquet")
)
simple(
    "parquet: a footer of 2 GiB",
    DATA,
    "Parquet",
    make=lambda p: table(p, b"PAR1" + b"\xff\xff\xff\x7fPAR1", "t.parquet"),
)


def parquet(place: Place, spoil: Callable[[bytes], bytes], **columns: Any) -> list[str]:
    """`bm check --build` of a Parquet file."""
    buffer = io.BytesIO()
    pl.DataFrame({**columns, "y": ["p", "q"] * 10}).write_parquet(buffer)
    return table(place, spoil(buffer.getvalue()), "t.parquet", ", target: y")


simple(
    "parquet: cut short", DATA, "Parquet", make=lambda p: parquet(p, lambda d: d[: len(d) // 2], x=[1.0] * 20)
)
simple(
    "parquet: a footer of noise",
    DATA,
    "Parquet",
    slow=True,
    make=lambda p: parquet(p, lambda d: d[:-200] + bytes(range(56, 248)) + d[-8:], x=[1.0] * 20),
)
simple(
    "parquet: nested columns",
    DATA,
    "nested",
    slow=True,
    make=lambda p: parquet(p, lambda d: d, x=[{"a": [{"b": 1}]}] * 20),
)
simple(
    "parquet: bytes", DATA, "x", slow=True, make=lambda p: parquet(p, lambda d: d, x=[b"\xff\0\x1b[31m"] * 20)
)


# === Images ===


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """The bytes of an image."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """With its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes, colour: int = 0, extra: bytes = b"") -> bytes:
    """A PNG with a header that may say anything; rows: already deflated."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


def blank(width: int, height: int, colour: int = 0) -> bytes:
    """A PNG of one colour; small on disk."""
    line = bytes(1 + width * {0: 1, 2: 3, 6: 4}[colour])
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    return png(width, height, rows, colour)


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
ONE_PIXEL = zlib.compress(b"\0\0")
MIB = zlib.compress(bytes(2**20), 9)

simple(
    "image: JPEG cut short",
    DATA,
    "a/x.jpg",
    slow=True,
    make=lambda p: p.image("x.jpg", encoded(NOISE, "JPEG")[:900]),
)
simple(
    "image: PNG cut short",
    DATA,
    "a/x.png",
    slow=True,
    make=lambda p: p.image("x.png", encoded(NOISE, "PNG")[:5000]),
)
simple("image: an empty file", DATA, "a/x.png", "empty", slow=True, make=lambda p: p.image("x.png", b""))
simple(
    "image: text",
    DATA,
    "a/x.png",
    "not an image",
    slow=True,
    make=lambda p: p.image("x.png", b"hello\n" * 99),
)
simple(
    "image: SVG with a script",
    DATA,
    "a/x.png",
    "not an image",
    slow=True,
    make=lambda p: p.image("x.png", b"<svg onload='alert(1)'/>"),
)
simple(
    "image: PostScript",
    DATA,
    "a/x.png",
    "not an image",
    slow=True,
    make=lambda p: p.image(
        "x.png", f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({p.canary}) (w) file\n".encode()
    ),
)
simple(
    "image: 14,000 x 14,000 pixels",
    DATA,
    "a/x.png",
    "too many",
    slow=True,
    make=lambda p: p.image("x.png", blank(14_000, 14_000)),
)
simple(
    "image: a header of 100,000 x 100,000",
    DATA,
    "a/x.png",
    "too many",
    make=lambda p: p.image("x.png", png(100_000, 100_000, ONE_PIXEL)),
)
simple(
    "image: a header of 2^31 x 2^31",
    DATA,
    "a/x.png",
    slow=True,
    make=lambda p: p.image("x.png", png(2**31 - 1, 2**31 - 1, ONE_PIXEL)),
)
simple("image: no width", DATA, "a/x.png", slow=True, make=lambda p: p.image("x.png", png(0, 0, ONE_PIXEL)))
simple(
    "image: a bomb in zTXt",
    DATA,
    "a/x.png",
    slow=True,
    make=lambda p: p.image(
        "x.png", png(1, 1, ONE_PIXEL, extra=png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**30), 1)))
    ),
)
simple(
    "image: ten thousand bombs in zTXt",
    DATA,
    "a/x.png",
    slow=True,
    make=lambda p: p.image("x.png", png(1, 1, ONE_PIXEL, extra=png_chunk(b"zTXt", b"k\0\0" + MIB) * 10_000)),
)


@hostile("image: bombs in iCCP and zTXt among good ones", DATA, "2 files", "a/x.png", "a/z.png")
def _(place: Place) -> list[str]:
    place.images()
    profile = png_chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(2**28), 1))
    place.file("photos/a/x.png", png(1, 1, ONE_PIXEL, extra=profile))
    frames = [Image.new("RGB", (9, 9), (i, i, i)) for i in range(20)]
    place.file("photos/a/w.webp", encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    gif = encoded(Image.new("P", (9, 9)), "GIF")
    image = gif[gif.index(b"\x2c") : -1]
    place.file("photos/a/millions.gif", gif[:-1] + image * 500_000 + b";")
    place.file("photos/a/z.png", b"broken")
    return place.build("path: photos")


simple(
    "image: a GIF whose screen is 65,535 x 65,535",
    DATA,
    "a/x.gif",
    make=lambda p: p.image(
        "x.gif", b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x01\0\0;"
    ),
)
simple("image: a file of 100 GB", DATA, "a/x.jpg", "larger", slow=True, make=lambda p: huge_image(p))


def huge_image(place: Place) -> list[str]:
    """An image that is one long hole."""
    args = place.image("x.jpg", b"")
    os.truncate(place.work / "photos/a/x.jpg", 10**11)
    return args


@hostile("image: a pipe", DATA, "a/x.jpg", "not a regular file")
def _(place: Place) -> list[str]:
    os.mkfifo(place.images() / "a" / "x.jpg")
    return place.build("path: photos")


@hostile("image: links in a circle and out of the folder", DATA, "leaves the folder", "a folder above")
def _(place: Place) -> list[str]:
    photos = place.images()
    (photos / "a" / "loop.jpg").symlink_to("loop.jpg")
    (photos / "a" / "up").symlink_to("../..")
    (photos / "a" / "round").symlink_to("..")
    (photos / "a" / "out.jpg").symlink_to(place.root / "outside" / "secret.txt")
    (photos / "a" / "zero.jpg").symlink_to("/dev/zero")
    return place.build("path: photos")


def linked(place: Place, more: str = "") -> list[str]:
    """Twenty-five folders, each with two links to the next: 2^25 ways to the last one."""
    place.images()
    for i in range(26):
        (place.work / "photos" / f"c{i}").mkdir()
    for i in range(25):
        for name in "ab":
            (place.work / "photos" / f"c{i}" / name).symlink_to(f"../c{i + 1}")
    return place.build(f"path: photos{more}")


simple("image: 2^25 ways by links", DATA, "links lead to", "ways", make=linked)
simple(
    "image: 2^25 ways by links that may be followed",
    DATA,
    "links lead to",
    slow=True,
    make=lambda p: linked(p, ", follow_links: true"),
)


def nested(place: Place, inside: Path) -> None:
    """1,500 folders, each in the one before."""
    before = Path.cwd()
    os.chdir(inside)
    try:
        for _ in range(1500):
            Path("d").mkdir()
            os.chdir("d")
        Image.new("L", (8, 8), 128).save("deep.png")
    finally:
        os.chdir(before)


@hostile("image: 1,500 folders deep", DATA, "more than 50 deep")
def _(place: Place) -> list[str]:
    nested(place, place.images() / "a")
    return place.build("path: photos")


@hostile("predict: a folder of 1,500 folders", 0, "deep.png")
def _(place: Place) -> list[str]:
    place.run()
    nested(place, place.images())
    return ["predict", "photos/d", "--run", "trial", "--json"]


@hostile("predict: thirty times any folder", DATA, "nothing matches")
def _(place: Place) -> list[str]:
    place.run()
    linked(place)
    nested(place, place.work / "photos")
    return ["predict", "**/" * 30 + "*.bmp", "--run", "trial"]


@hostile("predict: any folder, again and again", DATA, "nothing matches", slow=True)
def _(place: Place) -> list[str]:
    place.run()
    linked(place)
    nested(place, place.work / "photos")
    return ["predict", "**/*/" * 10 + "**/*.bmp", "--run", "trial"]


PATTERNS = {
    "of counts in counts": ("((((a{60}){60}){60}){60}){60}", CONFIG, "repetitions come to more than"),
    "of 2,000 brackets": ("(" * 2000 + "a" + ")" * 2000, CONFIG, "longer than"),
    "of 400 brackets": ("(" * 400 + "a" + ")" * 400, CONFIG, "nested too deeply"),
    "that goes back and back": ("((a+)+)+$", DATA, "matches none"),
}
for _what, (_pattern, _code, _said) in PATTERNS.items():
    for _key in ("group", "class_pattern"):

        @hostile(f"{_key}: a pattern {_what}", _code, _said, slow=_key == "group")
        def _(place: Place, key: str = _key, pattern: str = _pattern) -> list[str]:
            (place.images() / "a" / f"{'a' * 60}!.png").write_bytes(
                (place.work / "photos" / "a" / "1.png").read_bytes()
            )
            return place.build(f"path: photos, {key}: '{pattern}'")


@hostile("image: hidden files are no data", DATA, "1 file ", "a/z.png")
def _(place: Place) -> list[str]:
    place.images()
    os.mkfifo(place.work / "photos/a/.pipe.jpg")
    place.file("photos/.git/x.jpg", b"broken")
    place.file("photos/a/._1.png", b"broken")
    place.file("photos/a/z.png", b"broken")
    return place.build("path: photos")


@hostile("image: names that could do harm", DATA, r"\n", r"\x1b[31m", r"\xff", "[red]", r"\u202e", "=cmd()")
def _(place: Place) -> list[str]:
    place.images()
    for name in (b"new\nline.png", b"\x1b[31m.png", b"\xff\xfe.png", b"[red]x[b].png", b"=cmd().png"):
        Path(os.fsdecode(os.fsencode(place.work / "photos/a/") + b"/" + name)).write_bytes(b"broken")
    place.file("photos/a/\u202egnp.png", b"broken")
    return place.build("path: photos")


# === Inputs of `bm predict` ===


@hostile("predict: images of 89 million transparent pixels", 0, "2.png", slow=True)
def _(place: Place) -> list[str]:
    place.run()
    data = blank(9400, 9400, 6)
    for i in range(4):
        place.file(f"many/{i}.png", data)
    return ["predict", "many", "--run", "trial"]


@hostile("predict: a folder with a pipe, a device and a hole", DATA, "pipe.png", "zero.png", "hole.png")
def _(place: Place) -> list[str]:
    place.run()
    (place.work / "mixed").mkdir()
    os.mkfifo(place.work / "mixed/pipe.png")
    (place.work / "mixed/zero.png").symlink_to("/dev/zero")
    (place.work / "mixed/up").symlink_to("..")
    place.file("mixed/hole.png")
    os.truncate(place.work / "mixed/hole.png", 10**11)
    return ["predict", "mixed", "--run", "trial"]


@hostile(
    "predict: a folder of texts with a pipe, a device and a hole", DATA, "pipe.txt", "zero.txt", "hole.txt"
)
def _(place: Place) -> list[str]:
    place.make_text_run()
    place.file("texts/good.txt", "good")
    os.mkfifo(place.work / "texts/pipe.txt")
    (place.work / "texts/zero.txt").symlink_to("/dev/zero")
    place.file("texts/hole.txt")
    os.truncate(place.work / "texts/hole.txt", 10**11)
    return ["predict", "texts", "--run", "words"]


@hostile("predict: texts that are no text", DATA, "bytes.txt", "not UTF-8")
def _(place: Place) -> list[str]:
    place.make_text_run()
    place.file("bytes.txt", bytes(range(256)) * 100)
    place.file("long.txt", "good " * 4_000_000)
    return ["predict", "bytes.txt", "long.txt", "--run", "words"]


@hostile("predict: a text of terminal codes", 0, "good")
def _(place: Place) -> list[str]:
    place.make_text_run()
    return ["predict", "--text", "\x1b[31mgood\x1b]0;x\x07\u202e", "[red]bad", "--run", "words"]


@hostile("predict: what it reads is not overwritten", CONFIG, "t.csv")
def _(place: Place) -> list[str]:
    place.make_text_run()
    place.file("t.csv", "body\ngood\nbad\n")
    return ["predict", "t.csv", "--run", "words", "--output", "t.csv"]


@hostile("predict: what it reads is not overwritten through a link", CONFIG, "out.csv", slow=True)
def _(place: Place) -> list[str]:
    place.make_text_run()
    place.file("t.csv", "body\ngood\nbad\n")
    os.link(place.work / "t.csv", place.work / "out.csv")
    return ["predict", "t.csv", "--run", "words", "--output", "out.csv"]


@hostile("predict: what it reads in a folder is not overwritten", CONFIG, "t.csv")
def _(place: Place) -> list[str]:
    place.make_text_run()
    place.file("texts/t.csv", "body\ngood\nbad\n")
    return ["predict", "texts", "--run", "words", "--output", "texts/t.csv"]


@hostile("predict: an output elsewhere is the user's own wish", 0, writes=("outside/",))
def _(place: Place) -> list[str]:
    place.run()
    return place.predict("--output", "../outside/x.csv")


simple("predict: a table that is a bomb", DATA, "d.jsonl", make=lambda p: _predict_table(p))


def _predict_table(place: Place) -> list[str]:
    place.make_text_run()
    place.file("d.jsonl", "[" * 1_000_000 + "\n{\n")
    return ["predict", "d.jsonl", "--run", "words"]


# === RUN ===

simple("run: dots", CONFIG, "", make=lambda p: ["runs", "show", "../../etc"])
simple("run: dots inside", CONFIG, "", slow=True, make=lambda p: ["runs", "show", "a/b/../.."])
simple("run: an option", CONFIG, "", slow=True, make=lambda p: ["runs", "show", "-x"])
simple("run: an option after --", CONFIG, "", make=lambda p: ["runs", "show", "--", "-x"])
simple(
    "run: markup", CONFIG, "[red]x[/red]", make=lambda p: [str(p.run() and "runs"), "show", "[red]x[/red]"]
)
simple(
    "run: terminal codes",
    CONFIG,
    r"\x1b[31m",
    make=lambda p: [str(p.run() and "runs"), "show", "\x1b[31m\x07"],
)
simple("run: nothing", CONFIG, "", slow=True, make=lambda p: ["runs", "show", ""])
simple("run: 100,000 letters", CONFIG, "", make=lambda p: ["runs", "show", "x" * 100_000])
simple(
    "run: a path of 100,000 letters",
    CONFIG,
    "",
    make=lambda p: ["runs", "show", "./" + "x" * 100_000],
)
simple("run: a version of 200 digits", CONFIG, "", slow=True, make=lambda p: ["evaluate", "x-v" + "9" * 200])
simple("run: removing dots", CONFIG, "", make=lambda p: ["runs", "remove", "--yes", "../outside"])
simple(
    "run: a device",
    CONFIG,
    "/dev/zero",
    make=lambda p: ["evaluate", "/dev/zero"],
)


# === Run directories that came from elsewhere ===


NESTED = "[" * 200_000


def show(place: Place) -> list[str]:
    """`bm runs show`."""
    return ["runs", "show", "trial-v1"]


simple(
    "run.json: nested 200,000 deep",
    DAMAGED,
    "run.json",
    make=lambda p: p.spoiled("run.json", NESTED) and show(p),
)
simple(
    "run.json: nested, in the table of runs",
    0,
    "damaged",
    make=lambda p: p.spoiled("run.json", NESTED) and ["runs"],
)
simple(
    "run.json: wrong types", DAMAGED, "metrics", make=lambda p: p.edited("run.json", metrics=[1]) and show(p)
)
simple(
    "run.json: wrong types deeper down",
    DAMAGED,
    "",
    make=lambda p: (
        p.edited("run.json", metrics={"test": 3}, tags=[{"a": 1}], versions={"a": [1]}) and show(p)
    ),
)
simple(
    "run.json: NaN",
    DAMAGED,
    "",
    make=lambda p: (
        p.edited("run.json", best_value=float("nan"), seconds=float("inf")) and [*show(p), "--json"]
    ),
)
simple(
    "run.json: an id that leaves the folder",
    2,
    "trial-v1 is damaged",
    make=lambda p: p.edited("run.json", id="../../x", name="../../x") and p.predict(),
)
simple(
    "run.json: terminal codes",
    0,
    r"\x1b[31m",
    make=lambda p: (
        p.edited("run.json", tags=["\x1b[31m"], classes=["\x1b]0;x\x07"], notes=["[red]"], error="\x9b31m")
        and show(p)
    ),
)
simple(
    "run.json: terminal codes in the table of runs",
    0,
    r"\x1b[31m",
    make=lambda p: p.edited("run.json", tags=["\x1b[31m"], model="\x1b]0;x\x07") and ["runs"],
)


@hostile("run.json: a link out of the run", DAMAGED, "")
def _(place: Place) -> list[str]:
    path = place.run()
    (path / "run.json").unlink()
    (path / "run.json").symlink_to(place.root / "outside" / "secret.txt")
    return show(place)


@hostile(
    "run.json: a link to a device",
    DAMAGED,
    "",
    slow=True,
)
def _(place: Place) -> list[str]:
    path = place.run()
    (path / "run.json").unlink()
    (path / "run.json").symlink_to("/dev/zero")
    return show(place)


@hostile("run.json: a pipe", 0, "damaged", slow=True)
def _(place: Place) -> list[str]:
    path = place.run()
    (path / "run.json").unlink()
    os.mkfifo(path / "run.json")
    return ["runs"]


def manifest(place: Place, **files: str) -> list[str]:
    """`bm runs verify` of a run whose manifest names these too."""
    path = place.run()
    document = json.loads((path / "manifest.json").read_text())
    document["files"] |= files
    (path / "manifest.json").write_text(json.dumps(document))
    return ["runs", "verify", "trial-v1"]


simple(
    "manifest: files outside",
    DAMAGED,
    "outside the run",
    make=lambda p: manifest(
        p, **{"../../outside/secret.txt": sha256(b"do not read me").hexdigest(), "/etc/passwd": "0" * 64}
    ),
)
simple(
    "manifest: terminal codes",
    DAMAGED,
    r"\x1b[31m",
    slow=True,
    make=lambda p: manifest(p, **{"\x1b[31m": "0"}),
)


@hostile(
    "manifest: nested 200,000 deep",
    DAMAGED,
    "manifest.json",
)
def _(place: Place) -> list[str]:
    (place.run() / "manifest.json").write_text(NESTED)
    return ["runs", "verify", "trial-v1"]


@hostile(
    "run: files that are pipes and links out",
    DAMAGED,
    "",
    slow=True,
)
def _(place: Place) -> list[str]:
    path = place.run()
    os.mkfifo(path / "pipe")
    (path / "metrics.jsonl").unlink()
    (path / "metrics.jsonl").symlink_to("/dev/zero")
    return ["runs", "verify", "trial-v1"]


def preprocessing(place: Place, **changes: Any) -> list[str]:
    """`bm predict` with other values in preprocessing.json."""
    place.edited("preprocessing.json", **changes)
    return place.predict()


simple(
    "preprocessing: images of 10^9 pixels a side",
    DAMAGED,
    "preprocessing.json",
    make=lambda p: preprocessing(p, image__size=[10**9, 10**9], input_shape=[10**9, 10**9, 1]),
)
simple(
    "preprocessing: images of 60,000 pixels a side",
    DAMAGED,
    "",
    make=lambda p: preprocessing(p, image__size=[60_000, 60_000], input_shape=[60_000, 60_000, 1]),
)
simple(
    "preprocessing: images of another size than the model's",
    DAMAGED,
    "",
    make=lambda p: preprocessing(p, image__size=[9, 9], input_shape=[9, 9, 1]),
)
simple(
    "preprocessing: fewer classes than the model's",
    DAMAGED,
    "",
    make=lambda p: preprocessing(p, classes=["one", "two"]),
)
simple(
    "preprocessing: text instead of numbers",
    DAMAGED,
    "preprocessing.json",
    slow=True,
    make=lambda p: preprocessing(p, image__scale=["x"]),
)
simple(
    "preprocessing: nested 200,000 deep",
    DAMAGED,
    "preprocessing.json",
    slow=True,
    make=lambda p: p.spoiled("preprocessing.json", NESTED) and p.predict(),
)
simple(
    "preprocessing: classes of terminal codes",
    0,
    r"\x1b[31m",
    make=lambda p: preprocessing(p, classes=[f"\x1b[31m{i}" for i in range(10)]),
)


def tokenizer(place: Place, content: str) -> list[str]:
    """`bm predict` with another tokenizer.json."""
    path = place.make_text_run().path
    (path / "tokenizer.json").write_text(content)
    seal(path)
    return ["predict", "--text", "good", "--run", "words"]


simple("tokenizer: garbage", DAMAGED, "", slow=True, make=lambda p: tokenizer(p, "garbage"))
simple("tokenizer: nested 200,000 deep", DAMAGED, "", make=lambda p: tokenizer(p, NESTED))
simple(
    "tokenizer: 50 MB of a regular expression",
    DAMAGED,
    "",
    slow=True,
    make=lambda p: tokenizer(
        p,
        json.dumps(
            {
                "version": "1.0",
                "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a*)*" * 10_000_000}},
                "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
            }
        ),
    ),
)


# === Models that came from elsewhere ===


def onnx_model(nodes: list[Any], tensors: list[Any], input_shape: Any = ("n", 8, 8, 1), **more: Any) -> bytes:
    """A model from `input` to `output`."""
    from onnx import TensorProto, helper

    float32 = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input", more.get("input_type", float32), list(input_shape))],
        [helper.make_tensor_value_info("output", float32, more.get("output_shape", ["n", 10]))],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def external(location: str) -> bytes:
    """A model whose weights lie in another file."""
    from onnx import TensorProto, helper

    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[64, 10])
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "2560")):
        weights.external_data.add(key=key, value=value)
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["output"]),
    ]
    return onnx_model(nodes, [weights])


def filled(size: int) -> bytes:
    """A model that asks for an array of `size` numbers while it runs."""
    from onnx import helper, numpy_helper

    tensors = [numpy_helper.from_array(np.array([size, 10], np.int64), "size")]
    nodes = [
        helper.make_node("ReduceMin", ["input"], ["least"], keepdims=0),
        helper.make_node("Cast", ["least"], ["whole"], to=7),
        helper.make_node("Add", ["size", "whole"], ["asked"]),
        helper.make_node("ConstantOfShape", ["asked"], ["output"]),
    ]
    return onnx_model(nodes, tensors, output_shape=["n", 10])


def looping(steps: int, operator: str = "Loop") -> bytes:
    """A model that counts, so often."""
    from onnx import TensorProto, helper, numpy_helper

    body = helper.make_graph(
        [
            helper.make_node("Identity", ["more"], ["on"]),
            helper.make_node("Add", ["sum", "sum"], ["added"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("more", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["n", 64]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("added", TensorProto.FLOAT, ["n", 64]),
        ],
    )
    tensors = [
        numpy_helper.from_array(np.array(steps, np.int64), "steps"),
        numpy_helper.from_array(np.array(True), "yes"),
        numpy_helper.from_array(np.zeros((64, 10), np.float32), "w"),
    ]
    nodes = [helper.make_node("Flatten", ["input"], ["flat"])]
    if operator == "Loop":
        nodes.append(helper.make_node("Loop", ["steps", "yes", "flat"], ["end"], body=body))
    else:
        branch = helper.make_graph(
            [helper.make_node("Identity", ["flat"], ["end_"])],
            "branch",
            [],
            [helper.make_tensor_value_info("end_", TensorProto.FLOAT, ["n", 64])],
        )
        nodes.append(helper.make_node("If", ["yes"], ["end"], then_branch=branch, else_branch=branch))
    nodes.append(helper.make_node("MatMul", ["end", "w"], ["output"]))
    return onnx_model(nodes, tensors)


def squared(side: int) -> bytes:
    """A model whose intermediate results have side x side numbers, whatever the input."""
    from onnx import helper, numpy_helper

    tensors = [
        numpy_helper.from_array(np.array([side, side], np.int64), "size"),
        numpy_helper.from_array(np.array([1, 10], np.int64), "ten"),
    ]
    nodes = [
        helper.make_node("ReduceMin", ["input"], ["least"], keepdims=0),
        helper.make_node("Expand", ["least", "size"], ["large"]),
        helper.make_node("ReduceMax", ["large"], ["most"], keepdims=0),
        helper.make_node("Expand", ["most", "ten"], ["output"]),
    ]
    return onnx_model(nodes, tensors)


def foreign(model: bytes, how: str) -> bytes:
    """The same with an operator of another domain, or with a function of its own."""
    from onnx import ModelProto, helper

    changed = ModelProto.FromString(model)
    if how == "domain":
        changed.graph.node[0].domain = "com.microsoft"
    else:
        node = [helper.make_node("Flatten", ["a"], ["b"])]
        versions = [helper.make_opsetid("", 17)]
        changed.functions.append(helper.make_function("f", "Mine", ["a"], ["b"], node, versions))
    return changed.SerializeToString()


def onnx(place: Place, content: bytes) -> list[str]:
    """`bm predict` with another model.onnx."""
    place.spoiled("model.onnx", content)
    return place.predict()


simple("onnx: garbage", DAMAGED, "model.onnx", make=lambda p: onnx(p, b"garbage" * 1000))
simple("onnx: nothing", DAMAGED, "model.onnx", slow=True, make=lambda p: onnx(p, b""))
simple("onnx: weights in /etc/passwd", DAMAGED, "model.onnx", make=lambda p: onnx(p, external("/etc/passwd")))
simple(
    "onnx: weights in the folder above",
    DAMAGED,
    "model.onnx",
    slow=True,
    make=lambda p: onnx(p, external("../outside/secret.txt")),
)


@hostile("onnx: weights in the working directory", DAMAGED, "model.onnx")
def _(place: Place) -> list[str]:
    place.file("weights.bin", bytes(2560))
    return onnx(place, external("weights.bin"))


simple(
    "onnx: a loop of 2^62 steps",
    DAMAGED,
    "its operator Loop may take more steps than the input is long",
    make=lambda p: onnx(p, looping(2**62)),
)
simple("onnx: a branch", DAMAGED, "have no operator If", slow=True, make=lambda p: onnx(p, looping(1, "If")))
simple("onnx: 4 GiB in between", RESOURCES, "takes more than", make=lambda p: onnx(p, squared(2**15)))
simple(
    "onnx: an operator of another domain",
    DAMAGED,
    "com.microsoft.Flatten",
    make=lambda p: onnx(p, foreign(looping(1), "domain")),
)
simple(
    "onnx: a function of its own",
    DAMAGED,
    "its own functions",
    slow=True,
    make=lambda p: onnx(p, foreign(looping(1), "function")),
)
simple("onnx: 10^13 numbers", RESOURCES, "model.onnx", make=lambda p: onnx(p, filled(10**13)))


@hostile("onnx: texts as input", DAMAGED, "model.onnx")
def _(place: Place) -> list[str]:
    from onnx import TensorProto, helper

    node = [helper.make_node("Cast", ["input"], ["output"], to=1)]
    return onnx(place, onnx_model(node, [], input_type=TensorProto.STRING, output_shape=["n", 8, 8, 1]))


@hostile("onnx: another number of classes", DAMAGED, "model.onnx")
def _(place: Place) -> list[str]:
    from onnx import helper

    return onnx(
        place, onnx_model([helper.make_node("Flatten", ["input"], ["output"])], [], output_shape=["n", 64])
    )


@hostile("onnx: no axis of classes", DAMAGED, "model.onnx", slow=True)
def _(place: Place) -> list[str]:
    from onnx import helper

    node = helper.make_node("ReduceMean", ["input"], ["output"], keepdims=0)
    return onnx(place, onnx_model([node], [], output_shape=[]))


@hostile("onnx: another answer than declared", DAMAGED, "model.onnx")
def _(place: Place) -> list[str]:
    from onnx import helper

    nodes = [
        helper.make_node("Shape", ["input"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("Flatten", ["zeros"], ["output"]),
    ]
    return onnx(place, onnx_model(nodes, [], input_shape=("n", "h", "w", "c"), output_shape=["n", 10]))


@hostile("onnx: an operator there is none", DAMAGED, "model.onnx", slow=True)
def _(place: Place) -> list[str]:
    from onnx import helper

    return onnx(place, onnx_model([helper.make_node("Evil", ["input"], ["output"])], []))


def keras_file(place: Place) -> bytes:
    """A model.keras that makes the canary where it is deserialised."""
    layer = {
        "module": "builtins",
        "class_name": "exec",
        "config": {"code": f"import os; os.mkdir({str(place.canary)!r})"},
        "registered_name": "function",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            "config.json", json.dumps({"class_name": "Functional", "config": {"layers": [layer]}})
        )
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", pickle.dumps(Payload(place.canary)))
    return buffer.getvalue()


simple(
    "model.keras: code inside",
    0,
    "good.png",
    make=lambda p: p.spoiled("model.keras", keras_file(p)) and p.predict(),
)


def with_code(place: Place) -> Path:
    """A run that brings Python code and no model.onnx."""
    path = place.run()
    (path / "code").mkdir()
    (path / "code" / "evil.py").write_text(f"import os; os.mkdir({str(place.canary)!r})\n")
    config = (path / "config.yaml").read_text()
    (path / "config.yaml").write_text(config.replace("code: []", "code: [code/evil.py]"))
    assert "code/evil.py" in (path / "config.yaml").read_text()
    (path / "model.onnx").unlink()
    document = json.loads((path / "manifest.json").read_text())
    del document["files"]["model.onnx"]
    (path / "manifest.json").write_text(json.dumps(document))
    seal(path)
    return path


simple(
    "code: evaluating needs a yes",
    CONFIG,
    "--trust-code",
    make=lambda p: with_code(p) and ["evaluate", "trial-v1"],
)
simple(
    "code: checking its config needs a yes",
    CONFIG,
    "--trust-code",
    make=lambda p: ["check", f"{with_code(p)}/config.yaml"],
)
simple(
    "code: comparing does not run it",
    CONFIG,
    "is only trial-v1",
    make=lambda p: with_code(p) and ["compare", "trial-v1", "trial-v1"],
)
simple("code: showing does not run it", 0, "trial-v1", slow=True, make=lambda p: with_code(p) and show(p))
simple(
    "code: predicting does not run it",
    DAMAGED,
    "best.safetensors",
    writes=KERAS,
    slow=True,
    make=lambda p: with_code(p) and p.predict(),
)
simple(
    "code: exporting does not run it",
    DAMAGED,
    "samples",
    make=lambda p: with_code(p) and ["export", "trial-v1", "--format", "saved_model"],
)


def weights(place: Place, content: bytes) -> list[str]:
    """`bm predict` of a run without model.onnx and with other weights."""
    path = place.spoiled("checkpoints/best.safetensors", content)
    (path / "model.onnx").unlink()
    document = json.loads((path / "manifest.json").read_text())
    del document["files"]["model.onnx"]
    (path / "manifest.json").write_text(json.dumps(document))
    return place.predict()


def tensors(header: dict[str, Any], data: bytes = b"") -> bytes:
    """A safetensors file."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(shape: list[int], *offsets: int) -> dict[str, Any]:
    """An entry of its header."""
    return {"dtype": "F32", "shape": shape, "data_offsets": list(offsets)}


simple(
    "safetensors: a header of 2^63 bytes",
    DAMAGED,
    "best.safetensors",
    writes=KERAS,
    slow=True,
    make=lambda p: weights(p, struct.pack("<Q", 2**63) + b"{}"),
)
simple(
    "safetensors: overlapping tensors",
    DAMAGED,
    "best.safetensors",
    writes=KERAS,
    slow=True,
    make=lambda p: weights(p, tensors({"a": tensor([2], 0, 8), "b": tensor([2], 4, 12)}, bytes(12))),
)
simple(
    "safetensors: a shape of 2^60 numbers",
    DAMAGED,
    "best.safetensors",
    writes=KERAS,
    slow=True,
    make=lambda p: weights(p, tensors({"a": tensor([2**30, 2**30], 0, 8)}, bytes(8))),
)
simple(
    "safetensors: a pickle",
    DAMAGED,
    "best.safetensors",
    writes=KERAS,
    slow=True,
    make=lambda p: weights(p, pickle.dumps(Payload(p.canary))),
)
simple(
    "safetensors: other tensors than the model's",
    DAMAGED,
    "do not fit",
    writes=KERAS,
    slow=True,
    make=lambda p: weights(p, tensors({"a": tensor([2], 0, 8)}, bytes(8))),
)
