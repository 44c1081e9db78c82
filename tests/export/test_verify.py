"""Where agreement ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bmcli.core.batch import Batch
from bmcli.core.spec import INPUT, DataSpec
from bmcli.export.samples import COUNT, Samples, choose, with_edge_cases
from bmcli.export.verify import compare, verify

KERAS = np.float32([[0.0, 1.0], [100.0, -5.0]])


@given(st.floats(-1e6, 1e6, width=32), st.floats(0, 0.98), st.floats(1.02, 1e3), st.sampled_from([-1.0, 1.0]))
def test_the_tolerance_is_absolute_and_relative(value, inside, outside, sign):
    expected = np.float64([[value]])
    allowed = 1e-5 + 1e-5 * abs(value)
    assert compare(expected + sign * inside * allowed, expected).agrees
    assert not compare(expected + sign * outside * allowed, expected).agrees


def test_the_reason_says_how_far_and_where():
    agreement = compare(KERAS + np.float32([[0, 0], [0, 0.5]]), KERAS)
    assert agreement.max_difference == pytest.approx(0.5)
    assert agreement.reason == "it differs from Keras on 1 of 2 samples, by up to 0.5"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_never_agrees(bad):
    wrong = KERAS.copy()
    wrong[0, 0] = bad
    assert compare(wrong, KERAS).reason == "its outputs are not finite"
    assert compare(wrong, wrong).reason == "Keras's own outputs are not finite"


def test_another_shape_does_not_agree():
    assert not compare(KERAS[:, :1], KERAS).agrees


class Stub:
    """Wrong for single rows only."""

    engine = "onnx"

    def predict(self, inputs: Batch, batch_size: int = 256) -> np.ndarray:
        return inputs[INPUT] + (1 if batch_size == 1 else 0)


def test_rows_are_also_asked_one_at_a_time():
    assert not verify(Stub(), Samples({INPUT: KERAS}, KERAS)).agrees


def test_samples_come_back_from_bytes():
    tokens = np.arange(12, dtype=np.int32).reshape(2, 6)
    again = Samples.from_bytes(Samples({INPUT: tokens}, KERAS).to_bytes())
    np.testing.assert_array_equal(again.inputs[INPUT], tokens)
    np.testing.assert_array_equal(again.outputs, KERAS)
    assert again.inputs[INPUT].dtype == np.int32


def test_texts_bring_their_edge_cases():
    tokens = np.full((COUNT, 9), 5, np.int32)
    spec = DataSpec.single("text", "binary", (None,), ("no", "yes"), vocabulary_size=9, max_length=9)
    cases = with_edge_cases(spec, {INPUT: tokens})[INPUT]
    assert cases.shape == (COUNT, 9)
    assert not cases[-3].any()
    assert cases[-2].tolist() == [1] + [0] * 8
    assert cases[-1].tolist() == [5] * 3 + [0] * 6


def test_samples_are_spread_over_the_split_and_stay_small():
    from bmcli.config.schema import PreprocessingConfig
    from bmcli.data.bundle import DataBundle, Images, Split
    from bmcli.modalities.preprocessing import fit

    def split(size: int, count: int) -> Split:
        arrays = np.zeros((count, size, size, 3), np.uint8)
        arrays[:, 0, 0, 0] = np.arange(count) % 256
        return Split(Images(arrays=arrays), np.arange(count) % 2, tuple(map(str, range(count))))

    for size, count, expected in ((8, 200, COUNT), (8, 5, 5), (512, 20, 2)):
        data = split(size, count)
        bundle = DataBundle("image", "binary", ("a", "b"), data, None, None, "0")
        preprocessing, spec = fit(bundle, PreprocessingConfig())
        inputs = choose(spec, preprocessing, data)[INPUT]
        assert len(inputs) == expected
        firsts = inputs[:, 0, 0, 0]
        assert len(np.unique(firsts)) == expected
        assert firsts.max() == preprocessing.finish(data.examples.arrays)[:, 0, 0, 0].max()
