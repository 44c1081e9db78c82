"""Texts in one form, and the words in them: in Python for whole words, and in the library's syntax.

A text is first brought to one form (Chinese characters set apart; with `lowercase`, accents dropped
and lower case), then split into words, which may hold apostrophes, and runs of other signs.
"""

from __future__ import annotations

import re
import unicodedata

from bmcli.files import scripts

# Letters, digits and underscore are Python's \w. It leaves out marks, without which words of many scripts
# would fall apart: combining accents, points of Hebrew and Arabic, vowel signs of India and South-East Asia.
_ACCENTS = "\u0300-\u036f"
_SIGNS = (
    f"{_ACCENTS}\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u0900-\u0963\u0966-\u0df3\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u17b4-\u17d3"
    "\u3099\u309a"
)
_WORD = rf"[\w{_SIGNS}]+(?:['’][\w{_SIGNS}]+)*|[^\w\s{_SIGNS}]+"
LIBRARY_WORD = _WORD.replace(r"\w", r"\p{L}\p{N}_")  # what Python's \w is, in the library's syntax
_CHINESE = re.compile(
    "([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f])"
)
_SPACELESS = f"{scripts.SPACELESS}{scripts.HAN}"
_PIECE = (
    rf"[{scripts.KATAKANA}][{scripts.KATAKANA}\u30fc]*|[{_SPACELESS}]+"
    rf"|(?:(?![{_SPACELESS}{scripts.KATAKANA}])[\w{_SIGNS}])+"
    rf"(?:['’](?:(?![{_SPACELESS}{scripts.KATAKANA}])[\w{_SIGNS}])+)*"
    # Some texts of Khmer and Thai hold invisible spaces between words.
    rf"|[^\w\s{_SIGNS}{_SPACELESS}{scripts.KATAKANA}\u200b]+"
)
LIBRARY_PIECE = _PIECE.replace(r"\w", r"\p{L}\p{N}_")
_find_words = re.compile(_WORD).findall
find_pieces = re.compile(_PIECE).findall
_find_ascii_words = re.compile(r"\w+(?:'\w+)*|[^\w\s]+").findall  # the same on ASCII text, and faster
_drop_accents = re.compile(f"[{_ACCENTS}]+").sub
_beyond_ascii = re.compile(r"[^\x00-\x7f]+")


def words_of(text: str, lowercase: bool) -> list[str]:
    """The words and runs of other signs in `text`, in one form."""
    find = _find_ascii_words if text.isascii() else _find_words
    return find(_one_form(text, lowercase))


def _one_form(text: str, lowercase: bool) -> str:
    """`text` as `library_normalizer` makes it."""
    if text.isascii():
        return text.lower() if lowercase else text
    return plain(_CHINESE.sub(r" \1 ", text), lowercase)


def plain(text: str, lowercase: bool) -> str:
    """`text`, with `lowercase` without accents and in lower case."""
    return _beyond_ascii.sub(_without_accents, text).lower() if lowercase else text


def _without_accents(found: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", _drop_accents("", unicodedata.normalize("NFD", found[0])))


def library_normalizer(lowercase: bool, *, chinese: bool) -> dict[str, object]:
    """The `normalizer` of a tokenizer.json; chinese: sets Chinese characters apart."""
    apart = {
        "type": "BertNormalizer",
        "clean_text": False,
        "handle_chinese_chars": True,
        "strip_accents": False,
        "lowercase": False,
    }
    # Not the library's StripAccents: it would take the vowels out of Hindi too.
    accents = {"type": "Replace", "pattern": {"Regex": f"[{_ACCENTS}]"}, "content": ""}
    steps = [{"type": "NFD"}, accents, {"type": "NFC"}, {"type": "Lowercase"}]
    return {"type": "Sequence", "normalizers": [*([apart] if chinese else []), *(steps if lowercase else [])]}
