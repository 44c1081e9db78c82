"""Images as pretrained weights want them: bicubic, and the centre of the centre."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bmcli.modalities.image.decode import Manner, decode
from bmcli.modalities.image.encoder import ImagePreprocessing
from bmcli.modalities.image.examples import Images
from bmcli.modalities.image.modality import Image as ImageModality

CENTRE = Manner("crop", interpolation="bicubic", share=0.5)
ENCODER = ImagePreprocessing(8, 8, 3, "weights", (1.0,) * 3, (0.0,) * 3, CENTRE)


def pixels(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("size", [(12, 12), (8, 8), (12, 24)])
def test_resizing_then_cropping_gives_the_same(size: tuple[int, int]) -> None:
    """As others do it in two steps: the shorter side to twice the size, then the centre."""
    image = Image.fromarray(pixels(*size))
    scale = 16 / min(size)
    whole = image.resize((round(size[1] * scale), round(size[0] * scale)), Image.Resampling.BICUBIC)
    left, top = (whole.width - 8) // 2, (whole.height - 8) // 2
    wanted = np.asarray(whole.crop((left, top, left + 8, top + 8)), int)
    found = decode(png(pixels(*size)), (8, 8), 3, CENTRE).astype(int)
    assert np.abs(found - wanted).max() <= 1


def test_files_and_arrays_are_prepared_alike_and_once() -> None:
    array = pixels(8, 8)
    by_file = ENCODER.encode(Images(contents=(png(array),)))[np.arange(1)]
    by_array = ENCODER.encode(Images(arrays=array[None]))[np.arange(1)]
    assert np.array_equal(by_file, by_array)
    assert not np.array_equal(by_array[0], array)
    again = ENCODER.encode(Images(arrays=by_array, encoded=True).take([0]))
    assert np.array_equal(again, by_array)


def test_corrupted_copies_are_not_cropped_again() -> None:
    array = pixels(8, 8)
    rng = np.random.default_rng(0)
    (made,) = ImageModality().corrupted("noise", 1, rng, Images(arrays=array[None]), ENCODER)
    assert isinstance(made, Images)
    assert np.array_equal(ENCODER.encode(made), made.arrays)


def test_it_is_kept_in_the_run_and_others_keep_their_format() -> None:
    document = json.loads(json.dumps(ENCODER.to_json()))
    assert (document["interpolation"], document["share"]) == ("bicubic", 0.5)
    assert ImagePreprocessing.from_json(document) == ENCODER
    usual = replace(ENCODER, manner=Manner())
    assert not {"interpolation", "share"} & usual.to_json().keys()
    assert ImagePreprocessing.from_json(usual.to_json()) == usual


@pytest.mark.parametrize(("key", "value"), [("interpolation", "nearest"), ("share", 0.0), ("share", 2.0)])
def test_a_damaged_document_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match="interpolation or share"):
        ImagePreprocessing.from_json({**ENCODER.to_json(), key: value})
