"""Weights as arrays: what goes out comes back, what does not fit is refused."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmcli.core.errors import IntegrityError
from bmcli.core.spec import DataSpec
from bmcli.inference import weights as w
from bmcli.models import MODELS

SPEC = DataSpec.single("table", "multiclass", (3,), ("a", "b"))


def mlp(seed: int, **options: object):
    import keras

    keras.utils.set_random_seed(seed)
    return MODELS.get("mlp")(**{"hidden": [4], "dropout": 0.5} | options).build(SPEC)


def test_random_generators_are_no_weights():
    assert sorted(w.weights_of(mlp(0))) == ["dense1/bias", "dense1/kernel", "head/bias", "head/kernel"]


def test_weights_come_back_through_a_file():
    first, second = mlp(0), mlp(1)
    assert w.weights_sha256(first) != w.weights_sha256(second)
    w.load_weights(second, w.from_bytes(w.to_bytes(w.weights_of(first), metadata={"epoch": "3"})))
    assert w.weights_sha256(first) == w.weights_sha256(second)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("head/bias"), "head/bias is missing"),
        (lambda d: d.update(other=np.zeros(1, np.float32)), "other is not in this model"),
        (
            lambda d: d.update({"head/bias": np.zeros(3, np.float32)}),
            r"float32 \[3\], but the model's is float32",
        ),
        (
            lambda d: d.update({"head/bias": np.zeros(2, np.float64)}),
            r"float64 \[2\], but the model's is float32",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_change_nothing(change, message):
    model = mlp(0)
    before = w.weights_sha256(model)
    other = w.weights_of(mlp(1))
    change(other)
    with pytest.raises(IntegrityError, match=message):
        w.load_weights(model, other)
    assert w.weights_sha256(model) == before


def test_the_hash_is_the_documented_one():
    """Computed here by hand, so that the algorithm cannot change unseen."""

    def field(data: bytes) -> bytes:
        return len(data).to_bytes(8, "little") + data

    a, b = np.float32([[1, 2], [3, 4]]), np.int64(7)
    expected = hashlib.sha256(
        field(b"a/kernel") + field(b"2,2") + field(b"float32") + field(a.tobytes())
        + field(b"b") + field(b"") + field(b"int64") + field(b.tobytes())
    ).hexdigest()  # fmt: skip
    assert w.sha256_of({"b": np.array(b), "a/kernel": a}) == expected
    assert w.sha256_of({"b": np.array(b), "a/kernel": np.asfortranarray(a).astype(">f4")}) == expected
    assert w.sha256_of({"b": np.array(b), "a/kernel": a.reshape(4)}) != expected


WHOLE = w.to_bytes({"a": np.arange(6, dtype=np.float32).reshape(2, 3)})


@given(position=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255), cut=st.integers(0, len(WHOLE)))
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_is_refused_or_harmless(position, byte, cut):
    damaged = bytearray(WHOLE)
    damaged[position] = byte
    for data in (bytes(damaged), WHOLE[:cut], bytes(damaged)[:cut]):
        try:
            arrays = w.from_bytes(data, origin="best.safetensors")
        except IntegrityError as error:
            assert "best.safetensors is damaged" in str(error)
        else:
            assert all(isinstance(array, np.ndarray) for array in arrays.values())


def test_an_absurd_header_allocates_nothing():
    with pytest.raises(IntegrityError):
        w.from_bytes((2**62).to_bytes(8, "little") + b"{}")
