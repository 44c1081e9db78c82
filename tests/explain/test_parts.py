"""One part of an example is explained while the model's other inputs stay as they are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bmcli.core.spec import DataSpec, InputSpec, Target
from bmcli.explain import attributions
from bmcli.explain.mixed import OnePart
from bmcli.explain.text import Part as TextPart
from bmcli.modalities.text.examples import Texts


class Words:
    """As much of a text's encoder as an explanation asks for: words by their length."""

    kind = "text"
    inputs = (InputSpec((None,), "int32", padding=0, unknown=1, vocabulary_size=12),)

    def tokens(self, text: str) -> list[tuple[str, int]]:
        return [(word, len(word)) for word in text.split()]

    def words(self, text: str, second: str | None) -> None:
        """The tokens are words."""


@pytest.fixture
def part() -> OnePart:
    import keras

    spec = DataSpec(
        "mixed",
        (
            InputSpec((None,), "int32", "said", padding=0, unknown=1, vocabulary_size=12),
            InputSpec((None,), "int32", "heard", padding=0, unknown=1, vocabulary_size=12),
            InputSpec((2,), "float32", "row"),
        ),
        Target("binary", ("no", "yes")),
    )
    keras.utils.set_random_seed(1)
    inputs = {one.name: keras.Input(one.shape, dtype=one.dtype, name=one.name) for one in spec.inputs}
    pooled = [
        keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(12, 3)(inputs[name]))
        for name in ("said", "heard")
    ]
    joined = keras.layers.Concatenate()([*pooled, inputs["row"]])
    network = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(4, activation="tanh")(joined)))

    def integrated(gradient: Any, given: Any, baseline: Any, fixed: Any, tolerance: float = 0.01) -> Any:
        found = attributions.integrated_gradients(gradient, given, baseline, fixed, tolerance)
        known = {"base": found.base, "difference": found.difference, "error": found.error}
        return found, {**known, "steps": found.steps}

    explainer: Any = SimpleNamespace(
        opened=None,
        spec=spec,
        network=network,
        integrated=integrated,
        chosen=lambda index: np.ones(1, np.float32),
        session=SimpleNamespace(predict=lambda batch: np.asarray(network(batch)).repeat(2, axis=1)),
    )
    return OnePart(explainer, "said", Words())  # type: ignore[arg-type]


def score(part: OnePart, said: Any) -> float:
    given = {"said": np.array([said], np.int32), **{name: one[None] for name, one in part.others.items()}}
    return float(np.asarray(part.network(given))[0, 0])


def test_a_text_beside_another_and_a_row(part: OnePart) -> None:
    about: dict[str, Any] = {"input": "a", "run": "r", "label": "yes", "index": 1, "value": 0.5}
    explain, differences = TextPart(part), set()
    for row in (
        [0.5, -1.0],
        [2.0, 1.0],
    ):  # the other inputs are those of each example, also in compiled steps
        part.others = {"heard": np.array([3, 4, 5], np.int32), "row": np.array(row, np.float32)}
        ids = np.array([[2, 6, 9]], np.int32)
        found = explain.explain(about, ids, ids, Texts(("so simple something",)))
        assert found.tokens == ("so", "simple", "something") and found.weights.shape == (3,)
        assert found.base + found.difference == pytest.approx(score(part, [2, 6, 9]), rel=1e-4)
        assert found.weights.sum() == pytest.approx(found.difference, abs=0.02 * abs(found.difference))
        assert found.deletion is not None
        differences.add(round(found.difference, 6))
    assert len(differences) == 2
