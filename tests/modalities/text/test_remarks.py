"""What is said of texts before the first epoch."""

from __future__ import annotations

import random

import numpy as np
import pytest

from bmcli.config.schema import PreprocessingConfig, TextConfig
from bmcli.data.bundle import DataBundle, Split, Texts
from bmcli.modalities.preprocessing import fit

WORDS = ("film", "actor", "story", "music", "ending", "scene", "was", "good", "bad", "long", "short", "very")


def bundle(train, validation=None):
    def split(texts):
        ids = tuple(str(i) for i in range(len(texts)))
        return Split(Texts(tuple(texts)), np.zeros(len(texts), np.int64), ids)

    held_out = None if validation is None else split(validation)
    return DataBundle("text", "binary", ("a", "b"), split(train), held_out, None, "0")


def remarks(train, validation=None, **options):
    config = PreprocessingConfig(text=TextConfig(**options))
    data = bundle(train, validation)
    return fit(data, config)[0].remarks(data, config)


def sentences(count, length=8, seed=0):
    words = random.Random(seed)
    return [" ".join(words.choices(WORDS, k=length)) for _ in range(count)]


def test_plain_texts_need_no_remark():
    assert remarks(sentences(50), sentences(20, seed=1)) == ()
    assert remarks(["one text alone"]) == ()


def test_texts_of_one_token_are_warned_of():
    found = remarks([f"name{i}" for i in range(60)] + sentences(40))
    assert [remark.warning for remark in found] == [True]
    assert "60% of the training texts are a single token" in found[0].text
    assert "preprocessing.text.tokenizer: bpe" in found[0].text


@pytest.mark.parametrize("share", [0.4, 0.6])
def test_unknown_tokens_are_warned_of_from_half_on(share):
    held_out = ["xxx " * int(100 * share) + "film " * int(100 * (1 - share))]
    found = remarks(sentences(50), held_out)
    assert bool(found) == (share > 0.5)


def test_a_vocabulary_that_is_too_small_is_warned_of():
    (found,) = remarks(sentences(50), sentences(20, seed=1), vocabulary=4)
    assert found.warning
    assert "of the training texts are unknown to the vocabulary (4 ids, tokenizer word)" in found.text


@pytest.mark.parametrize(("count", "warning"), [(5, None), (20, False), (60, True)])
def test_texts_that_are_cut_are_noted_and_warned_of_where_most_are(count, warning):
    texts = sentences(100 - count, length=10) + sentences(count, length=50, seed=1)
    found = remarks(texts, max_length=20)
    if warning is None:
        assert found == ()
        return
    assert [remark.warning for remark in found] == [warning]
    assert f"{count}% of the training texts lose their end" in found[0].text
    assert "preprocessing.text.max_length (20 tokens)" in found[0].text
    assert f"the median has {10 if count < 50 else 50}, and 95 % have at most 50" in found[0].text
    assert "lose their start" in remarks(texts, max_length=20, truncate="start")[0].text


def test_texts_that_are_all_the_same_are_warned_of():
    found = remarks(["the same words"] * 95 + sentences(5))
    assert [r.text for r in found if r.warning] == ["95% of the training texts are the same"]
    head = [f"the same long head of every letter {i}" for i in range(40)]
    found = remarks(head, max_length=4)
    assert found[-1].text == "100% of the training texts are the same within max_length (4 tokens)"
    assert found[-1].warning


def test_a_script_without_spaces_is_said():
    thai = ["กล้องของร้านสนุกมาก", "อาหารไม่ดีเลยครับ", "บริการรวดเร็วประทับใจ"] * 20
    assert remarks(thai)[0].text == (
        "texts without spaces between words: preprocessing.text.tokenizer pieces (inferred)"
    )
    assert not any("inferred" in remark.text for remark in remarks(thai, tokenizer="pieces"))
    said = remarks(thai, tokenizer="word")
    assert said[0].warning
    assert said[0].text.startswith("100% of the texts are in a script without spaces")
    few = remarks(sentences(95) + thai[:5])
    assert [r.text[:40] for r in few] == ["5% of the texts are in a script without s"[:40]]
    assert not few[0].warning
