"""Texts in scripts without spaces between words: cut into pieces that held-out texts have too."""

from __future__ import annotations

import random
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from bmcli.config.schema import TextConfig
from bmcli.data.bundle import Texts
from bmcli.files import scripts
from bmcli.modalities.text.encoder import TextPreprocessing
from bmcli.modalities.text.vocabulary import LONGEST_PIECE, UNKNOWN_ID
from bmcli.modalities.text.words import find_pieces, plain

# Script -> words of either class, and words of both.
LANGUAGES = {
    "Japanese": (
        "楽しい すばらしい 面白い",
        "つまらない ひどい 退屈な",
        "この 映画 は とても ストーリー 音楽 俳優 昨日 見た です",
    ),
    "hiragana": (
        "たのしい すばらしい",
        "つまらない ひどい",
        "この えいが は とても ストーリー おんがく きのう みた です",
    ),
    "Thai": ("สนุก ดีมาก ประทับใจ", "น่าเบื่อ แย่ ผิดหวัง", "หนัง เรื่อง นี้ ดนตรี นักแสดง เมื่อวาน ดู แล้ว ครับ"),
    "Lao": ("ມ່ວນ ດີຫຼາຍ", "ບໍ່ດີ ໜ້າເບື່ອ", "ຮູບເງົາ ເລື່ອງ ນີ້ ດົນຕີ ນັກສະແດງ ມື້ວານ ເບິ່ງ ແລ້ວ"),
    "Khmer": ("ល្អ អស្ចារ្យ រីករាយ", "អាក្រក់ ធុញទ្រាន់", "ភាពយន្ត នេះ តន្ត្រី តារា ម្សិលមិញ មើល ហើយ ណាស់"),
    "Burmese": ("ကောင်းတယ် ပျော်စရာ", "ဆိုးတယ် ပျင်းစရာ", "ဒီ ရုပ်ရှင် ဂီတ မင်းသား မနေ့က ကြည့်ခဲ့ တယ်"),
    "Chinese": ("有趣 精彩 好看", "无聊 糟糕 难看", "这部 电影 音乐 演员 昨天 看了 非常 故事 的"),
}
SPACELESS = [language for language in LANGUAGES if language != "Chinese"]
LETTERS = st.sampled_from(
    "".join("".join(words) for words in LANGUAGES.values()) + "ーｶﾞ々\u200b\u0301abcÉ1٢，。’'"
)
ANY = st.text(st.one_of(st.characters(codec="utf-8"), LETTERS), max_size=120)
SETTLED = st.text(st.one_of(st.characters(codec="utf-8", max_codepoint=0x1FFF), LETTERS), max_size=120)
"""Without the planes to which every version of Unicode adds letters."""


def sentences(language: str, count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Sentences of 8 to 14 words without spaces, and their classes."""
    chance = random.Random(seed)
    good, bad, both = (words.split() for words in LANGUAGES[language])
    made = []
    for _ in range(count):
        label = chance.choice(["pos", "neg"])
        words = chance.choices(both, k=chance.randint(7, 13))
        words.insert(chance.randrange(len(words)), chance.choice(good if label == "pos" else bad))
        made.append(("".join(words), label))
    return made


def fit(language: str, **options) -> TextPreprocessing:
    return TextPreprocessing.fit(Texts(tuple(t for t, _ in sentences(language, 200))), TextConfig(**options))


@pytest.mark.parametrize("language", LANGUAGES)
def test_held_out_sentences_are_made_of_known_tokens(language):
    prepared = fit(language)
    assert prepared.tokenizer == ("word" if language == "Chinese" else "pieces")
    held_out = [prepared.tokens(text) for text, _ in sentences(language, 100, seed=1)]
    assert min(map(len, held_out)) > 2
    assert np.mean([len(tokens) for tokens in held_out]) > 5
    unknown = [i == UNKNOWN_ID for tokens in held_out for _, i in tokens]
    assert np.mean(unknown) < 0.01
    assert max(len(token) for tokens in held_out for token, _ in tokens) <= LONGEST_PIECE


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_word_that_decides_is_told_from_the_others(language):
    """Which pieces a sentence has says its class, to a model as simple as counting."""
    prepared = fit(language)
    counts: dict[str, np.ndarray] = {}
    for text, label in sentences(language, 200):
        for token, _ in set(prepared.tokens(text)):
            counts.setdefault(token, np.ones(2))[int(label == "pos")] += 1
    right = []
    for text, label in sentences(language, 200, seed=1):
        known = [counts[token] for token, _ in set(prepared.tokens(text)) if token in counts]
        score = sum(np.log(c[1] / c[0]) for c in known)
        right.append((score > 0) == (label == "pos"))
    assert np.mean(right) >= 0.9


@pytest.mark.parametrize("language", SPACELESS)
def test_words_are_the_default_where_few_texts_are_without_spaces(language):
    spaced = [
        "a film that was worth seeing",
        "das war ein schöner Film",
        "хороший фильм",
        "좋은 영화 였다",
    ] * 25
    some = [text for text, _ in sentences(language, 12)]
    assert TextPreprocessing.fit(Texts(tuple(spaced + some[:5])), TextConfig()).tokenizer == "word"
    assert TextPreprocessing.fit(Texts(tuple(spaced + some)), TextConfig()).tokenizer == "pieces"
    said = TextPreprocessing.fit(Texts(tuple(some)), TextConfig(tokenizer="word"))
    assert said.tokenizer == "word"


@pytest.mark.parametrize(
    "text", ["좋은 영화 였다", "हिन्दी भाषा में", "שלום עולם", "中文的电影很好看", "a の b and some more"]
)
def test_scripts_with_spaces_and_chinese_have_words(text):
    assert not scripts.without_spaces(text)
    auto, word = (TextPreprocessing.fit(Texts((text,)), TextConfig(tokenizer=t)) for t in ("auto", "word"))
    assert auto == word


def test_mixed_scripts():
    texts = (
        "iPhoneのカメラはすごーい！ don't stop",
        "カメラがiPhoneですごーい。",
        "良かった、とても良かったです。",
    ) * 10
    prepared = TextPreprocessing.fit(Texts(texts), TextConfig())
    tokens = [token for token, _ in prepared.tokens("カメラはiPhone、良かったdon't")]
    assert "".join(tokens) == "カメラはiphone、良かったdon't"
    assert tokens[:2] == ["カメラ", "は"]  # katakana and hiragana are apart, as are other scripts
    assert "、" in tokens
    assert prepared.tokens("東京\u200bです")[0] == ("[UNK]", UNKNOWN_ID)


def test_a_long_paragraph_is_learned_from_whole():
    words = LANGUAGES["Thai"][2].split()
    chance = random.Random(0)
    paragraph = "".join(chance.choices(words, k=400))
    prepared = TextPreprocessing.fit(Texts((paragraph,)), TextConfig(max_length=2000))
    tokens = prepared.tokens(paragraph)
    assert 300 < len(tokens) < 700
    assert "".join(token for token, _ in tokens) == paragraph


PREPARED = {language: fit(language, max_length=1000) for language in LANGUAGES}


@settings(max_examples=150, deadline=None)
@given(ANY, st.sampled_from(list(LANGUAGES)), st.sampled_from(["end", "start"]), st.integers(1, 8))
def test_any_text_is_read_and_cut_at_either_side(text, language, truncate, length):
    from dataclasses import replace

    whole = PREPARED[language]
    ids = [i for _, i in whole.tokens(text)]
    assert ids == np.asarray(whole.encode(Texts((text,))))[0, : len(ids)].tolist()
    cut = replace(whole, max_length=length, truncate=truncate)
    row = np.asarray(cut.encode(Texts((text,))))[0]
    kept = ids[:length] if truncate == "end" else ids[-length:]
    assert row.tolist() == kept + [0] * (length - len(kept))


@settings(max_examples=300, deadline=None)
@given(SETTLED, st.booleans())
def test_pieces_are_learned_from_what_the_library_will_find(text, lowercase):
    # Only here may they differ: letters newer than one of the two, and special casing (ß, final sigma, ...).
    if any(
        unicodedata.category(c) == "Cn"
        or len(c.lower()) != 1
        or c.isspace() != (c in " \t\n\r\x0b\x0c")
        or c.isalnum() != _letter(c)
        for c in text
    ):
        return
    prepared = TextPreprocessing.fit(Texts(("これは",)), TextConfig(tokenizer="pieces", lowercase=lowercase))
    library = Tokenizer.from_str(prepared.tokenizer_json())
    found = library.pre_tokenizer.pre_tokenize_str(library.normalizer.normalize_str(text))
    assert [piece for piece, _ in found] == find_pieces(plain(text, lowercase))


def _letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN"


@settings(max_examples=200, deadline=None)
@given(ANY)
def test_any_text_has_a_number_of_words(text):
    assert scripts.words_in(text) >= 0
    assert scripts.without_spaces(text) in (True, False)


def test_words_are_counted_in_every_script():
    assert scripts.words_in("a film that was worth seeing") == 6
    assert scripts.words_in("좋은 영화 였다") == 3
    for language in LANGUAGES:
        for text, _ in sentences(language, 20):
            assert 5 <= scripts.words_in(text) <= 30
