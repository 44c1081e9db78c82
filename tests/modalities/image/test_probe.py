from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bmcli.modalities.image import probe as probing
from bmcli.modalities.image._shared_memory import SharedArray
from bmcli.modalities.image.decode import decode
from bmcli.modalities.image.probe import Wish, probe
from tests.images import broken_files, write_image
from tests.modalities.image.test_shared_memory import Unreachable


def test_probe_finds_all_of_them_and_measures_the_rest(tmp_path: Path) -> None:
    broken = broken_files(tmp_path)
    good = {
        "wide.png": write_image(tmp_path / "wide.png", size=(12, 5)),
        "grey.png": write_image(tmp_path / "grey.png", mode="L"),
        "deep.png": tmp_path / "deep.png",
        "turned.jpg": tmp_path / "turned.jpg",
    }
    Image.fromarray(np.zeros((2, 3), np.uint16)).save(good["deep.png"])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(good["turned.jpg"], exif=exif)
    paths = [str(tmp_path / name) for name in (*broken, *good)]
    told: list[tuple[int, int]] = []
    found = probe(paths, progress=lambda *step: told.append(step))
    assert sorted(found.problems) == list(range(len(broken)))
    for i, what in enumerate(broken.values()):
        assert re.search(what, found.problems[i])
    n = len(broken)
    assert found.sizes[n:].tolist() == [[5, 12], [8, 8], [2, 3], [20 + 10, 20]]
    assert found.grey[n:].tolist() == [False, True, True, False]
    assert told[-1] == (len(paths), len(paths))
    assert found.digests[n] == hashlib.sha256(good["wide.png"].read_bytes()).digest()


@pytest.mark.parametrize("memory", [SharedArray, Unreachable, lambda _shape: None])
@pytest.mark.parametrize("cache_bytes", [0, 5 * 8 * 8 * 3, 2**30])
def test_processes_find_what_threads_find(tmp_path: Path, monkeypatch, cache_bytes: int, memory: Any) -> None:
    broken = broken_files(tmp_path)
    for i in range(9):
        colours = np.random.default_rng(i).integers(0, 256, (20, 20 + i % 3, 3), dtype=np.uint8)
        Image.fromarray(colours).save(tmp_path / f"{i}.jpg")
    paths = [str(tmp_path / name) for name in (*(f"{i}.jpg" for i in range(9)), *broken)] * 2
    monkeypatch.setattr(probing, "CHUNK", 4)
    wish = Wish((8, 8), 3, cache_bytes)
    in_threads = probe(paths, wish=wish)
    monkeypatch.setattr(probing, "MANY", 1)
    monkeypatch.setattr(probing, "lent", memory)
    told: list[tuple[int, int]] = []
    in_processes = probe(paths, wish=wish, progress=lambda *step: told.append(step))
    assert in_processes.problems == in_threads.problems and len(in_threads.problems) == 2 * len(broken)
    assert in_processes.digests == in_threads.digests
    for part in ("sizes", "grey"):
        assert (getattr(in_processes, part) == getattr(in_threads, part)).all()
    kept = in_threads.decoded.rows
    assert (in_processes.decoded.rows == kept).all()
    assert (in_processes.decoded.sums == in_threads.decoded.sums).all()
    good = [row for i, row in enumerate(kept) if row >= 0 and i not in in_threads.problems]
    assert (in_processes.decoded.pixels[good] == in_threads.decoded.pixels[good]).all()
    assert (kept >= 0).sum() == min(len(paths), cache_bytes // (8 * 8 * 3))
    for i in np.flatnonzero(kept[:9] >= 0):
        assert (in_threads.decoded.pixels[kept[i]] == decode(paths[i], (8, 8), 3)).all()
    assert told[-1] == (len(paths), len(paths)) and told == sorted(told)


def test_images_unlike_the_first_are_not_kept(tmp_path: Path) -> None:
    paths = [str(write_image(tmp_path / f"{i}.png", size=(8, 8))) for i in range(17)]
    assert probe(paths, wish=Wish(cache_bytes=2**20)).decoded is not None
    paths.insert(1, str(write_image(tmp_path / "wide.png", size=(9, 8))))
    assert probe(paths, wish=Wish(cache_bytes=2**20)).decoded is None
