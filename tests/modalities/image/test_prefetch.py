from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bmcli.modalities.image import prefetch
from bmcli.modalities.image._processes import under_way
from bmcli.modalities.image._shared_memory import SharedArray
from bmcli.modalities.image.decode import decode
from tests.modalities.image.test_shared_memory import Unreachable


@pytest.mark.parametrize("memory", [SharedArray, Unreachable, lambda _shape: None])
def test_batches_come_in_order_however_often_places_are_used_again(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefetch, "lent", memory)
    paths = []
    for number in range(3 * under_way() * 2 + 1):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.new("RGB", (6, 5), (number, 0, 255 - number)).save(paths[-1])
    broken = str(tmp_path / "broken.png")
    Path(broken).write_bytes(b"nothing")
    batches = [*(paths[i : i + 2] for i in range(0, len(paths), 2)), [broken, paths[0]], []]
    found = list(prefetch.decoded_ahead(batches, (4, 4, 3)))
    assert len(found) == len(batches)
    for batch, (images, problems) in zip(batches, found, strict=True):
        assert list(problems) == ([0] if broken in batch else [])
        assert images.shape == (len(batch), 4, 4, 3)
        for i, path in enumerate(batch):
            if path != broken:
                np.testing.assert_array_equal(images[i], decode(path, (4, 4), 3))


def test_what_is_left_unfinished_does_not_hinder_what_comes_next(tmp_path: Path) -> None:
    path = str(tmp_path / "a.png")
    Image.new("RGB", (6, 5), "red").save(path)
    batches = [[path] * 20] * (2 * under_way())
    for _ in range(3):
        unfinished = prefetch.decoded_ahead(batches, (4, 4, 3))
        next(unfinished)
        unfinished.close()
    assert len(list(prefetch.decoded_ahead(batches, (4, 4, 3)))) == len(batches)


def test_no_batches() -> None:
    assert list(prefetch.decoded_ahead([], (4, 4, 3))) == []
