"""A folder as a reader of the docs has it: images, texts, tables, configs, and runs trained on them."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.docs.blocks import ROOT, blocks

FLOWERS = ("daisy", "rose", "tulip")

CONFIGS = {
    "c.yaml": (
        "name: c\ndata: {name: digits, limit: 400, augment: [{name: crop, padding: 1}]}\n"
        "model: {name: mlp, hidden: [8]}\ntraining: {epochs: 1}\n"
    ),
    "imdb.yaml": (
        "name: imdb\ndata: {path: reviews.csv, text: text, target: label, test: 0.2}\n"
        "model: {name: transformer, width: 8, heads: 2, blocks: 1}\ntraining: {epochs: 1}\n"
    ),
    "prices.yaml": (
        "name: prices\ndata: {path: labelled.csv, target: price, test: 0.2}\n"
        "model: {name: linear, solver: closed_form}\n"
    ),
    "fraud.yaml": (
        "name: fraud\ndata: {path: fraud.csv, target: is, test: 0.2}\n"
        "model: {name: mlp, hidden: [8]}\n"
        "training: {epochs: 20, optimizer: {name: adam, learning_rate: 0.05}}\n"
    ),
}


class Workspace:
    """The folder, and how commands are run in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def bm(self, words: list[str], stdin: bytes = b"") -> tuple[int, str, str]:
        """Exit code, stdout and stderr of one command, in this process: TensorFlow is loaded once."""
        from bmcli.cli import app

        out, err = _stream(), _stream()
        there, argv, fed = Path.cwd(), sys.argv, sys.stdin
        os.chdir(self.path)
        sys.argv, sys.stdin = ["bm", *words], io.TextIOWrapper(io.BytesIO(stdin))
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = app.run(words)
        finally:
            os.chdir(there)
            sys.argv, sys.stdin = argv, fed
        return int(code), _text(out), _text(err)

    def put_spare(self) -> None:
        """gone-v1, a run that nothing else needs, is there: trained once, and put back when it is gone."""
        kept, place = self.path / "kept/gone-v1", self.path / "runs/gone-v1"
        if not kept.exists():
            code, _, err = self.bm(["train", "c.yaml", "--name", "gone", "evaluation.splits=[test]"])
            assert code == 0, err
            shutil.copytree(place, kept)
        elif not place.exists():
            shutil.copytree(kept, place)


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    return stream.buffer.getvalue().decode("utf-8")  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Made once, by the docs' own commands where they make something."""
    made = Workspace(tmp_path_factory.mktemp("reader"))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("BM_")]:
            patch.delenv(name)
        patch.setenv("BM_OFFLINE", "1")
        _images(made.path)
        _tables(made.path)
        for name, text in CONFIGS.items():
            (made.path / name).write_text(text)
        (flowers,) = [one for one in blocks() if one.page == "README.md" and one.language == "yaml"]
        (made.path / "flowers.yaml").write_text(flowers.text)
        plugin = next(one for one in blocks() if one.page == "plugins.md" and one.language == "python")
        (made.path / "my.py").write_text(plugin.text)
        for config in ("c", "c", "fraud", "imdb", "flowers", "prices"):
            quick = ["training.epochs=1", "model=cnn"] if config == "flowers" else []
            quick += [] if config == "c" else ["evaluation.splits=[test]"]
            words = ["train", f"{config}.yaml", *quick]
            code, _, err = made.bm(words)
            assert code == 0, err
        code, _, err = made.bm(["gate", "fraud", "--min", "accuracy=0.97", "--tag", "production"])
        assert code == 0, err
        yield made


def _images(folder: Path) -> None:
    from PIL import Image

    random = np.random.default_rng(0)
    (folder / "docs/images").mkdir(parents=True)
    (folder / "docs/images/three.png").write_bytes((ROOT / "docs/images/three.png").read_bytes())
    places = [f"photos/{name}/{i}.jpg" for name in FLOWERS for i in range(40)]
    places += ["new/a.jpg", "new/b.jpg", "photo.jpg", "folder/c.jpg", "more/d.png"]
    for number, place in enumerate(places):
        colour = 60 + 60 * (number // 40 % 3)
        pixels = np.clip(random.normal(colour, 30, (24, 24, 3)), 0, 255).astype(np.uint8)
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / place)


def _tables(folder: Path) -> None:
    random = np.random.default_rng(0)
    words = {"positive": ["fine", "great", "moving"], "negative": ["dull", "poor", "long"]}
    rows = [
        (label, " ".join([*random.choice(words[label], 3), "film", str(i)]))
        for i in range(60)
        for label in words
    ]
    (folder / "reviews.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for label, text in rows))
    (folder / "review.txt").write_text("a fine film")
    (folder / "reviews").mkdir()
    (folder / "reviews" / "1.txt").write_text("a dull film")
    (folder / "reviews.txt").write_text("a fine film\na poor film\n")
    _houses(folder, random)
    centre = np.arange(300) % 2 * 5
    amount, age = random.normal(centre, 0.5), random.normal(0, 1, 300)
    lines = [
        f"{a:.3f},{b:.3f},{'fraud' if c else 'honest'}\n" for a, b, c in zip(amount, age, centre, strict=True)
    ]
    (folder / "fraud.csv").write_text("amount,age,is\n" + "".join(lines))


def _houses(folder: Path, random: np.random.Generator) -> None:
    """labelled.csv, with prices; rows.csv, patients.csv and new.csv without."""
    worth = {"Zug": 250_000, "Bern": 80_000, "Chur": 0}
    lines = []
    for _ in range(200):
        city, garden = str(random.choice(list(worth))), str(random.choice(["yes", "no"]))
        area, rooms = random.uniform(60, 200), int(random.integers(2, 8))
        price = 3000 * area + 9000 * rooms + worth[city] + 40_000 * (garden == "yes") + random.normal(0, 9000)
        lines.append((f"{area:.1f}" if random.random() > 0.05 else "", rooms, city, garden, f"{price:.0f}"))
    head = "area,rooms,city,garden"
    written = [",".join(map(str, line)) + "\n" for line in lines]
    (folder / "labelled.csv").write_text(f"{head},price\n" + "".join(written))
    bare = "".join(line.rpartition(",")[0] + "\n" for line in written[:3])
    for name in ("rows.csv", "patients.csv"):
        (folder / name).write_text(f"{head}\n{bare}")
    (folder / "new.csv").write_text(f"{head}\n,3,Zug,yes\n")
