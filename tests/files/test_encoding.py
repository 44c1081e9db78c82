"""Which encoding a file has: as its bytes say, and never a word of mangled letters."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bmcli.files.encoding import detect, said

SENTENCES = {
    "French": "Le café est très bon, et la crème brûlée était délicieuse. Ça va où ? À l’hôtel.",
    "German": "Die Straße ist groß und schön; über den Bäumen „fliegt“ ein Vogel für 5 €.",
    "Spanish": "¿Dónde está la niña? ¡Mañana será otro día para el señor Núñez!",
    "Polish": "Zażółć gęślą jaźń. Książka była świetna, ale trochę za długa, żeby ją przeczytać.",
    "Czech": "Tento film se mi moc líbil, herci byli skvělí a příběh byl napínavý až do konce. Žluťoučký.",
    "Turkish": "Bu kitap çok güzel, şiirleri ve öyküleri ışıl ışıl, İstanbul'un ağaçları gibi.",
    "Russian": "Этот фильм мне очень понравился, актёры играли прекрасно.",
    "Greek": "Η ταινία ήταν πολύ καλή και οι ηθοποιοί εξαιρετικοί.",
    "Hebrew": "הסרט היה טוב מאוד והשחקנים היו מצוינים",
    "Arabic": "كان الفيلم جيدا جدا والممثلون رائعون",
    "Japanese": "この映画はとても面白かったです。俳優も素晴らしい。",
    "Chinese": "这部电影非常好看，演员也很棒。",
    "Taiwanese": "這部電影非常好看，演員也很棒。",
    "Korean": "이 영화는 정말 재미있었습니다. 배우들도 훌륭했어요.",
    "Thai": "ภาพยนตร์เรื่องนี้สนุกมาก นักแสดงก็เก่งมาก",
    "English": "This film was a pleasure to watch, and the actors were excellent.",
}
LEGACY = [
    *(("French", "cp1252"), ("German", "cp1252"), ("Spanish", "cp1252"), ("Spanish", "latin-1")),
    *(("Polish", "cp1250"), ("Polish", "iso8859-2"), ("Czech", "cp1250"), ("Czech", "iso8859-2")),
    *(("Turkish", "cp1254"), ("Russian", "cp1251"), ("Russian", "koi8-r"), ("Russian", "cp866")),
    *(("Greek", "cp1253"), ("Hebrew", "cp1255"), ("Arabic", "cp1256"), ("Thai", "cp874")),
    *(("Japanese", "cp932"), ("Japanese", "euc-jp"), ("Chinese", "gb18030"), ("Chinese", "gbk")),
    *(("Taiwanese", "big5"), ("Korean", "cp949"), ("Korean", "euc-kr")),
]
UNICODE = ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"]


@pytest.mark.parametrize(("language", "codec"), LEGACY)
@pytest.mark.parametrize("times", [1, 30])
def test_legacy_encodings_read_as_they_were_written(language, codec, times):
    text = f"{SENTENCES[language]}\n" * times
    found = detect(text.encode(codec), whole=True)
    assert found is not None
    assert text.encode(codec).decode(found) == text


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("codec", UNICODE)
def test_unicode_encodings_read_as_they_were_written(language, codec):
    text = f"{SENTENCES[language]}\nA, b\n" * 3
    data = text.encode(codec)
    found = detect(data, whole=True)
    assert found == codec
    assert data.decode(found) == text
    assert said(found) == codec.upper().removesuffix("-SIG").removesuffix("-LE").removesuffix("-BE")


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("codec", UNICODE)
def test_a_character_cut_at_the_end_of_the_head_is_no_error(language, codec):
    data = (f"{SENTENCES[language]}\nA, b\n" * 3).encode(codec)
    whole = detect(data, whole=True)
    for end in range(len(data) - 8, len(data)):
        assert detect(data[:end], whole=False) == whole


@pytest.mark.parametrize("text", ["café", "Très bien", "Ça va", "Müller", "it’s a “test”", "€5", "à", "m²"])
def test_a_few_letters_are_windows_1252_rather_than_an_exotic_guess(text):
    assert detect(text.encode("cp1252"), whole=True) == "cp1252"
    table = f"name,price\n{text},3\nplain,4\n" * 50
    assert detect(table.encode("cp1252"), whole=True) == "cp1252"


def test_letters_within_latin_words_are_not_another_alphabet():
    french = "Très bon café, à bientôt\nAchetez maintenant ! 5 € l’unité, déjà livré\n"
    czech = "Příliš žluťoučký kůň úpěl ďábelské ódy."
    assert detect(french.encode("cp1252"), whole=True) == "cp1252"
    assert detect(czech.encode("cp1250"), whole=True) == "cp1250"


def test_few_words_of_another_alphabet_are_not_called_western():
    assert detect("Łódź".encode("cp1250"), whole=True) == "cp1250"
    assert detect("Привет мир".encode("cp1251"), whole=True) == "cp1251"


def test_nothing_and_ascii_are_utf8():
    assert detect(b"", whole=True) == "utf-8"
    assert detect(b"a,b\r\n1,2\r\n", whole=True) == "utf-8"
    assert detect(b"a\0b,c and so on and on\n", whole=True) == "utf-8"  # one stray zero in a text


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x10",
        b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00",
        b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00\x9d\xc6",
        b"\x1f\x8b\x08\x00\xde\xad\xbe\xef\x00\x03\x4b\xcc\x4d\xcd",
        bytes(200),
        bytes(range(256)),
    ],
)
def test_files_of_other_kinds_are_not_text(data):
    assert detect(data, whole=True) is None
    assert detect(data, whole=False) is None


def test_random_bytes_are_not_text():
    noise = random.Random(0)
    for size in (64, 300, 5000):
        assert {detect(noise.randbytes(size), whole=True) for _ in range(50)} == {None}


def test_utf8_with_a_few_broken_bytes_is_damaged_and_not_another_encoding():
    data = SENTENCES["Russian"].encode() * 3
    assert detect(data[:30] + b"\xff" + data[30:], whole=True) is None
    assert detect("Müller".encode() + b" \xe9t\xc3\xa9", whole=True) is None


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_whatever_is_written_in_unicode_reads_back(text, codec):
    if text.startswith("\0"):  # in UTF-16 its mark and a zero are the mark of UTF-32
        return
    data = text.encode(codec, "replace")
    found = detect(data, whole=True)
    if found is None:  # mostly control characters: not a text
        assert sum(c < " " or c == "\x7f" for c in text) > 0
    elif codec != "utf-8" or found.startswith("utf-8"):
        assert data.decode(found) == data.decode(codec)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_the_answer_always_decodes(data, whole):
    found = detect(data, whole=whole)
    if found is not None:
        assert said(found)
    if found is not None and whole:
        data.decode(found)


def test_names_for_people():
    assert said("cp1252") == "Windows-1252"
    assert said("euc_jp") == "EUC-JP"
    assert said("utf-16-le") == "UTF-16"
    assert said("latin-1") == "latin-1"
