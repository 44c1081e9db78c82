"""Pairs of texts are read as transformers reads them; see make_pairs.py for how the reference was made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bmcli.core.errors import ConfigError, DataError, IntegrityError
from bmcli.core.spec import Separator
from bmcli.modalities.text.encoder import TextPreprocessing
from bmcli.modalities.text.examples import Texts
from bmcli.pretrained import folder as folders
from bmcli.pretrained import tokenizer
from bmcli.pretrained.blocks import _as_read, _segments, encoded
from tests.pretrained.make_folders import FOLDERS, LENGTH
from tests.pretrained.make_pairs import PAIRS

NAMES = sorted(path.name for path in FOLDERS.iterdir())
COLUMNS = ("premise", "hypothesis")
EXAMPLES = Texts(tuple(a for a, _ in PAIRS), tuple(b for _, b in PAIRS), COLUMNS)


def encoder_of(folder: Path, truncate: str = "end", length: int = LENGTH) -> TextPreprocessing:
    text = tokenizer.tokenizer_json(folder, folders.architecture_of(folder))
    return TextPreprocessing.of(text, max_length=length, truncate=truncate, pair=COLUMNS)


@pytest.mark.parametrize("name", NAMES)
def test_token_and_segment_ids(name: str) -> None:
    kept = np.load(FOLDERS / name / "pairs.npz")
    encoder = encoder_of(FOLDERS / name)
    separator = encoder.separator
    found = np.asarray(encoder.encode(EXAMPLES))
    if separator is None:
        assert not kept["segments"].any() and np.array_equal(found, kept["ids"])
        starts = np.asarray(encoder_of(FOLDERS / name, "start").encode(EXAMPLES))
        assert np.array_equal(starts, kept["starts"])
        return
    assert np.array_equal(np.asarray(_as_read(found, separator)), kept["ids"])
    segments = np.asarray(_segments(found, found != encoder.padding, separator))
    if folders.architecture_of(FOLDERS / name).segments:
        assert np.array_equal(segments, kept["segments"])
        assert segments[:, 1:].any(axis=1).all()
    starts = np.asarray(encoder_of(FOLDERS / name, "start").encode(EXAMPLES))
    assert np.array_equal(np.asarray(_as_read(starts, separator)), kept["starts"])


@pytest.mark.parametrize("name", NAMES)
def test_hidden_states(name: str) -> None:
    import keras

    architecture = folders.architecture_of(FOLDERS / name)
    encoder = encoder_of(FOLDERS / name)
    tokens = keras.Input((None,), dtype="int32", name="input")
    mask = keras.ops.not_equal(tokens, architecture.padding)
    states = encoded(
        architecture, tokens, mask, dropout=0.1, attention_dropout=0.1, separator=encoder.separator
    )
    model = keras.Model(tokens, states)
    folders.weights_of(FOLDERS / name, architecture).load(model)
    kept = np.load(FOLDERS / name / "pairs.npz")
    found = np.asarray(model(np.asarray(encoder.encode(EXAMPLES))))
    assert np.abs(found - kept["states"])[kept["used"]].max() < 1e-5


def test_which_families_tell_the_texts_apart() -> None:
    separators = {name: encoder_of(FOLDERS / name).separator for name in NAMES}
    apart = {name for name, found in separators.items() if found is not None}
    assert apart == {"bert", "bert-cased", "distilbert", "electra"}  # DistilBERT's network has no segments
    one = separators["bert"]
    encoder = encoder_of(FOLDERS / "bert")
    assert one == Separator(encoder.ids["[SEP]"], encoder.vocabulary_size)


def test_it_comes_back_from_a_run_and_takes_nothing_else() -> None:
    encoder = encoder_of(FOLDERS / "bert")
    document = json.loads(json.dumps(encoder.to_json()))
    assert document["pair"] == list(COLUMNS)
    again = TextPreprocessing.from_json(document, encoder.tokenizer_json())
    assert again == encoder and again.inputs == encoder.inputs
    with pytest.raises(DataError, match="takes pairs of texts: premise and hypothesis"):
        encoder.encode(Texts(("one",)))
    single = TextPreprocessing.of(encoder.tokenizer_json(), max_length=LENGTH)
    assert "pair" not in single.to_json() and single.inputs[0].separator is None
    with pytest.raises(DataError, match="takes single texts"):
        single.encode(EXAMPLES)
    for said in ("ab", ["a"], ["a", 1]):
        with pytest.raises(ValueError, match="pair"):
            TextPreprocessing.from_json({**document, "pair": said}, encoder.tokenizer_json())
    with pytest.raises(ValueError, match="pair"):
        TextPreprocessing("word", 10, "end", False, "", pair=COLUMNS)


def test_special_tokens_need_room() -> None:
    text = encoder_of(FOLDERS / "bert").tokenizer_json()
    tokenizer.require_room_for_pairs(text, 5)
    with pytest.raises(ConfigError, match="max_length: 4 tokens, of which 3 are"):
        tokenizer.require_room_for_pairs(text, 4)


def changed(folder: Path, pair: list[dict[str, object]], **options: object) -> Path:
    """BERT's folder with a tokenizer.json whose special tokens of a pair are these."""
    shutil.copytree(FOLDERS / "bert", folder)
    document = json.loads(encoder_of(FOLDERS / "bert").tokenizer_json())
    document["post_processor"]["pair"] = pair
    (folder / "tokenizer.json").write_text(json.dumps(document), "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(options), "utf-8")
    return folder


def special(token: str, segment: int) -> dict[str, object]:
    return {"SpecialToken": {"id": token, "type_id": segment}}


def text(name: str, segment: int) -> dict[str, object]:
    return {"Sequence": {"id": name, "type_id": segment}}


def test_segments_that_token_ids_do_not_show_are_refused(tmp_path: Path) -> None:
    swapped = [special("[CLS]", 1), text("A", 1), special("[SEP]", 0), text("B", 0), special("[SEP]", 0)]
    folder = changed(tmp_path / "swapped", swapped)
    with pytest.raises(IntegrityError, match=r"of a pair the segments \[1, 0, 0\]"):
        encoder_of(folder)
    # Where the model is told of no segments, it does not matter.
    folder = changed(tmp_path / "none", swapped, model_input_names=["input_ids", "attention_mask"])
    assert encoder_of(folder).separator is None


def test_long_pairs_take_no_more_memory_than_their_tokens() -> None:
    """Where the library cuts, it keeps every combination of what it cut off: gigabytes here."""
    encoder = encoder_of(FOLDERS / "bert")
    long = Texts(("the film was " * 900,) * 8, ("it is good " * 800,) * 8)
    short = Texts(("the film was " * 20,), ("it is good " * 20,))
    assert (np.asarray(encoder.encode(long)) == np.asarray(encoder.encode(short))).all()
    assert [len(one) for one in encoder.token_ids(long.texts, long.seconds)] == [LENGTH] * 8
