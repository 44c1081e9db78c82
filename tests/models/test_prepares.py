"""Models that bring their own encoder: used from the first step to a prediction, and kept in the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bmcli
from bmcli.core.errors import ConfigError
from bmcli.modalities.text.encoder import TextPreprocessing
from bmcli.runs import layout

TRAINING = {"epochs": 1, "batch_size": 32, "precision": "float32"}

NORMALISED = '''
from dataclasses import replace

from bmcli.models import MODELS, Model


@MODELS.register("fixed")
class Fixed(Model):
    """Takes images as another network did: less 0.4, over 0.2."""

    kinds = ("image",)

    def prepares(self, preparing):
        encoder = preparing.fit()
        return replace(encoder, normalization="fixed", scale=(1 / 255 / 0.2,), offset=(-0.4 / 0.2,))

    def build(self, spec):
        import keras

        inputs = keras.Input(spec.input_shape, dtype=spec.input_dtype, name="input")
        x = keras.layers.Flatten(name="flatten")(inputs)
        return keras.Model(inputs, keras.layers.Dense(spec.units, dtype="float32", name="head")(x))
'''

TOKENIZED = '''
from bmcli.models import MODELS, Model

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "good", "bad", "film"]


def tokenizer():
    """As RoBERTa's: padding is not 0, and every text is between two special tokens."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    special = [("<s>", 0), ("</s>", 2)]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=special)
    return made.to_str()


@MODELS.register("spoken")
class Spoken(Model):
    """A bag of tokens of its own tokenizer."""

    kinds = ("text",)

    def prepares(self, preparing):
        from bmcli.modalities.text.encoder import TextPreprocessing

        return TextPreprocessing.of(tokenizer(), max_length=preparing.options.text.max_length)

    def build(self, spec):
        import keras
        from keras import ops

        tokens = keras.Input(spec.input_shape, dtype=spec.input_dtype, name="input")
        used = ops.expand_dims(ops.cast(ops.not_equal(tokens, spec.input.padding), "float32"), -1)
        x = keras.layers.Embedding(spec.vocabulary_size, 4, name="embedding")(tokens)
        x = ops.sum(x * used, axis=1) / ops.maximum(ops.sum(used, axis=1), 1.0)
        return keras.Model(tokens, keras.layers.Dense(spec.units, dtype="float32", name="head")(x))
'''


def train(folder: Path, code: str, **config: Any) -> bmcli.Run:
    (folder / "own.py").write_text(code)
    made = {"name": "own", "code": [str(folder / "own.py")], "training": TRAINING, **config}
    return bmcli.train(made, runs_dir=folder / "runs", display=None)


def test_a_normalisation_of_its_own(tmp_path: Path) -> None:
    run = train(tmp_path, NORMALISED, data="digits", model={"name": "fixed"})
    kept = json.loads((run.path / layout.PREPROCESSING).read_text())["image"]
    assert kept["normalization"] == "fixed" and kept["offset"] == [-2.0]
    assert run.record["onnx"]["published"]
    white = np.full((8, 8), 255, np.uint8)
    found = run.predict(white, display=None)[0]
    scaled = np.full((1, 8, 8, 1), (1 - 0.4) / 0.2, np.float32)
    expected = run.keras_model(trust_code=True)(scaled).numpy()[0]
    assert found.index == expected.argmax()
    assert found.probability == pytest.approx(expected.max(), rel=1e-4)


def texts(folder: Path, count: int = 120) -> Path:
    random = np.random.default_rng(0)
    rows = []
    for i in range(count):
        said = ["good", "bad"][i % 2]
        others = ["Film", "film", "strange"]
        rows.append(f"{' '.join([said, *random.choice(others, random.integers(0, 6))])},{said}")
    (folder / "films.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    return folder / "films.csv"


def test_a_tokenizer_of_its_own(tmp_path: Path) -> None:
    data = {"path": str(texts(tmp_path)), "text": "text", "target": "label", "kind": "text"}
    longest = {"text": {"max_length": 5}}
    run = train(tmp_path, TOKENIZED, data=data, preprocessing=longest, model={"name": "spoken"})
    assert run.record["onnx"]["published"], run.record["onnx"]
    encoder, spec = bmcli.load_preprocessing(run.path)
    assert (spec.input.padding, spec.input.unknown, spec.vocabulary_size) == (1, 3, 7)
    tokens = encoder.source(written("Good FILM", "a bad film of films")).sources["input"]
    # Cut to five tokens, of which the special ones stay.
    assert np.asarray(tokens).tolist() == [[0, 4, 6, 2, 1], [0, 3, 5, 6, 2]]
    # Beside a longer text, a shorter one is padded: its answer stays what it is alone.
    alone = run.predict("good film", text=True, display=None)[0]
    beside = run.predict(["good film", "a bad film of films"], text=True, display=None)[0]
    assert alone.probability == pytest.approx(beside.probability, rel=1e-5)


def written(*texts: str) -> Any:
    from bmcli.data.bundle import Texts

    return Texts(texts)


LATER = """

@MODELS.register("later")
class Later(Fixed):
    'The same layers, without an encoder of its own.'

    def prepares(self, preparing):
        return None


@MODELS.register("other")
class Other(Fixed):
    'The same layers, of images that are prepared in another way.'

    def prepares(self, preparing):
        return replace(preparing.fit(), normalization="other", scale=(1.0,), offset=(0.0,))
"""
DOUBLED = NORMALISED.replace("scale=(1 / 255 / 0.2,)", "scale=(encoder.scale[0] * 2,)")


def test_init_from_takes_over_what_the_model_prepared(tmp_path: Path) -> None:
    """The weights get the inputs that they were trained with, also in a model that prepares none."""
    first = train(tmp_path, NORMALISED + LATER, data="digits", model={"name": "fixed"})
    kept = json.loads((first.path / layout.PREPROCESSING).read_text())["image"]
    for name in ("fixed", "later"):
        few = {"name": "digits", "limit": 300}  # of these, bm would fit another encoder
        again = train(tmp_path, NORMALISED + LATER, data=few, model={"name": name}, init_from=str(first.path))
        assert json.loads((again.path / layout.PREPROCESSING).read_text())["image"] == kept
        assert again.record["init_from"]["run"] == first.id
    white = np.full((8, 8), 255, np.uint8)
    expected = again.keras_model(trust_code=True)(np.full((1, 8, 8, 1), 3.0, np.float32)).numpy()[0]
    assert again.predict(white, display=None)[0].probability == pytest.approx(expected.max(), rel=1e-4)
    with pytest.raises(ConfigError, match="unlike those that own-v1 was trained with"):
        train(tmp_path, NORMALISED + LATER, data="digits", model={"name": "other"}, init_from=str(first.path))


def test_init_from_prepares_nothing_twice(tmp_path: Path) -> None:
    """A model that changes what bm fits would change its own work once more."""
    first = train(tmp_path, DOUBLED, data="digits", model={"name": "fixed"})
    again = train(tmp_path, DOUBLED, data="digits", model={"name": "fixed"}, init_from=str(first.path))
    kept, taken = (json.loads((run.path / layout.PREPROCESSING).read_text()) for run in (first, again))
    assert kept["image"]["scale"] == taken["image"]["scale"]


def test_words_without_a_token_do_not_shorten_a_text() -> None:
    """Twelve words of one character that the tokenizer removes, then two that it keeps, for five tokens."""
    from tokenizers import Tokenizer, normalizers

    made = Tokenizer.from_str(namespace()["tokenizer"]())
    made.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace("~", "")])
    encoder = TextPreprocessing.of(made.to_str(), max_length=5)
    given = ["~ " * 12 + "good film", "good " * 9]
    assert list(encoder.token_ids(given)) == [[0, 4, 6, 2], [0, 4, 4, 4, 2]]


def namespace() -> dict[str, Any]:
    """What stands in TOKENIZED before the model."""
    found: dict[str, Any] = {}
    exec(TOKENIZED.split("@MODELS")[0], found)
    return found


FOREIGN = NORMALISED.replace("        return replace(", "        return Mine(").replace(
    '@MODELS.register("fixed")',
    """class Mine:
    kind = "image"

    def __init__(self, encoder, **_):
        self.encoder = encoder

    def to_json(self):
        return self.encoder.to_json()


@MODELS.register("fixed")""",
)


def test_an_encoder_that_a_run_could_not_keep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be kept in a run"):
        train(tmp_path, FOREIGN, data="digits", model={"name": "fixed"})
