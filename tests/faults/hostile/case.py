"""What a hostile input is: a case, and the place that it happens in.

A case is a function that puts the input into its `Place` and returns the command line that meets it. Whatever
could run code tries to make the place's canary.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

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
