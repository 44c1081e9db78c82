"""Models are exported around their large tables, and answer all the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from bmcli.core.spec import DataSpec
from bmcli.export import onnx as export
from bmcli.export import tables
from bmcli.models import MODELS
from bmcli.models._head import finished

SPEC = DataSpec.single("text", "binary", (None,), ("no", "yes"), vocabulary_size=40, max_length=12)
SMALL: dict[str, dict[str, Any]] = {
    "gru": {"units": [4], "embedding": 5},
    "transformer": {"width": 8, "feed_forward": 12, "merge": 2},
}


def answers(exported: bytes, tokens: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": tokens})[0]


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_model_comes_out_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = finished(MODELS.get(name)(**SMALL[name], bag=3, pairs=50).build(SPEC), SPEC)
    rng = np.random.default_rng(0)
    model.get_layer("pair_embedding").set_weights([rng.normal(size=(50, 3)).astype(np.float32)])
    before = [np.array(weight) for weight in model.get_weights()]
    assert tables.without_tables(model) == (model, []), "none of them is large"
    plain = export.to_onnx(model, SPEC)
    monkeypatch.setattr(tables, "LARGE", 0)
    lighter, found = tables.without_tables(model)
    assert len(found) >= 3 and lighter is not model
    around = export.to_onnx(model, SPEC)
    for mine, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    kept = {t.tobytes() for t in map(numpy_helper.to_array, onnx.load_from_string(around).graph.initializer)}
    assert all(table.rows.tobytes() in kept for table in found)
    tokens = rng.integers(0, 40, (5, 9)).astype(np.int32)
    np.testing.assert_array_equal(answers(around, tokens), answers(plain, tokens))
    np.testing.assert_allclose(answers(around, tokens), model.predict(tokens, verbose=0), atol=1e-5)


def test_where_a_mark_is_not_found_the_slow_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    model = finished(MODELS.get("gru")(**SMALL["gru"]).build(SPEC), SPEC)
    monkeypatch.setattr(tables, "LARGE", 0)
    monkeypatch.setattr(export, "put_back", lambda *_: False)
    tokens = np.arange(18, dtype=np.int32).reshape(2, 9)
    expected = model.predict(tokens, verbose=0)
    np.testing.assert_allclose(answers(export.to_onnx(model, SPEC), tokens), expected, atol=1e-5)


def test_a_table_is_put_back_only_where_it_is_certain() -> None:
    marks = np.ones((tables.MARKS, 2), np.float32)
    table = tables.Table(np.zeros((9, 2), np.float32), marks)
    graph = onnx.helper.make_graph([], "g", [], [], [numpy_helper.from_array(marks, name) for name in "ab"])
    model = onnx.helper.make_model(graph)
    assert not tables.put_back(model, [table]), "found twice"
    del model.graph.initializer[1]
    assert tables.put_back(model, [table]) and list(model.graph.initializer[0].dims) == [9, 2]
    assert not tables.put_back(model, [table]), "gone"
