"""Detects the encoding of a text file from its first bytes, so that no letters are silently mangled.

A byte order mark says it; else zeros at every other byte say UTF-16; else strict UTF-8 is UTF-8, for hardly
anything else reads as it by accident. What remains are the legacy encodings, which chardet tells apart by
the frequency of letter pairs. With only a few letters beyond ASCII, its answers are random, and
Windows-1252, by far the most common, is the better guess where it makes sense.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from bmcli.core.errors import DataError, Place

HEAD = 2**18
"""Bytes from which the encoding is detected."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEGACY = {
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250",
    "cp1251": "Windows-1251",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
    "cp1255": "Windows-1255",
    "cp1256": "Windows-1256",
    "cp1257": "Windows-1257",
    "cp1258": "Windows-1258",
    "cp874": "Windows-874",
    "iso8859-2": "ISO 8859-2",
    "koi8-r": "KOI8-R",
    "koi8-u": "KOI8-U",
    "cp866": "CP866",
    "cp932": "Shift-JIS",
    "euc-jp": "EUC-JP",
    "gb18030": "GB 18030",
    "big5hkscs": "Big5",
    "cp949": "EUC-KR",
}
"""Codec -> its name for people."""
_LATIN = frozenset({"cp1250", "cp1252", "cp1254", "cp1257", "cp1258", "iso8859-2"})
_OTHER_ALPHABETS = frozenset({"cp1251", "cp1253", "cp1255", "cp1256", "cp874", "koi8-r", "koi8-u", "cp866"})
_WESTERN_SIGNS = "€‚ƒ„…†‡‰‹‘’“”•–—™› ¡¢£§©ª«®°±²³´µ·¹º»¼½¾¿×÷\xad"
_WESTERN = re.compile(
    # Þ, ð, ý and others are left out: where they stand, it is mostly a Turkish ş, ğ, ı that is meant.
    rf"(?:[\x00-\x7fÀ-ÏÑ-ÖØ-ÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüÿŒœŠšŽž{_WESTERN_SIGNS}])*"
)
_SIGN_IN_WORD = re.compile(r"[^\W\d_][^\w\s\x00-\x7f’·\xad–—…][^\W\d_]|[¢£¤¥§¯±²³¹¼½¾¨][^\W\d_]")
"""What no Western text holds, but any other in the wrong encoding."""
_LONE = re.compile(r"(?<!\w)ÿ(?!\w)")
"""A byte of ones: garbage, and never a word."""
_FEW_WORDS = 6
"""Different words with letters beyond ASCII; of fewer, letter pairs tell nothing."""
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\x1b"))
_MOST_CONTROLS = 0.1
"""Share of control characters in a text; what has more is something else."""
_LOOKED_AT = 200_000
"""Bytes that chardet looks at."""


def detect(head: bytes, *, whole: bool) -> str | None:
    """The Python codec of a file that begins with `head`; None if it is not text.

    whole: `head` is the whole file. If not, a character that is cut at its end does not count, and what comes
    later may still not fit: decode strictly, and where that fails, ask again with the whole file.
    """
    for mark, marked in _MARKS:
        if head.startswith(mark) and _reads(head, marked, whole) is not None:
            return marked
    if (codec := _unmarked_utf16(head, whole)) is not None:
        return codec
    if (text := _reads(head, "utf-8", whole)) is not None:
        return "utf-8" if _share_of_controls(head) <= _MOST_CONTROLS else None
    if _share_of_controls(head) > 0 or _damaged_utf8(head):
        return None
    codec = _legacy(head, whole)
    text = None if codec is None else _reads(head, codec, whole)
    return codec if text is not None and _plausible(text) and not _LONE.search(text) else None


def decoded(path: Path, data: bytes) -> tuple[bytes, list[str]]:
    """A file's content as UTF-8 without marks, and what was found out.

    Bytes that are not UTF-8 are left where most of the file is: their rows are named later. DataError if
    it is not text.
    """
    codec = detect(data[:HEAD], whole=len(data) <= HEAD)
    if codec == "utf-8" and len(data) > HEAD and not _is_utf8(data):
        codec = detect(data, whole=True)
    if codec is None:
        require_text(path, data[:HEAD])
        codec = "utf-8"
    notes = []
    if codec not in ("utf-8", "utf-8-sig", "ascii"):
        try:
            data = data.decode(codec).encode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} is {said(codec)} at its beginning, but not throughout",
                place=Place(str(path)),
                hint="save it as UTF-8",
            ) from error
        notes.append(f"encoding: {said(codec)} (detected)")
    for mark in (
        codecs.BOM_UTF8,
        codecs.BOM_UTF8,
        "ï»¿".encode(),
    ):  # the last one is a byte order mark decoded as Latin-1
        data = data.removeprefix(mark)
    return data, notes


def require_text(path: Path, head: bytes) -> None:
    """DataError if a file that begins with `head` is not text in any encoding."""
    if detect(head, whole=len(head) < HEAD) is not None:
        return
    if b"\0" in head or _share_of_controls(head) > _MOST_CONTROLS:
        zeros = ": it contains null bytes, so it is damaged or has another format" if b"\0" in head else ""
        raise DataError(f"{path} is not a text file{zeros}", place=Place(str(path)))


def _is_utf8(data: bytes) -> bool:
    if data.isascii():  # many times as fast
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def said(codec: str) -> str:
    """The name of a codec for people: 'utf-16-le' is UTF-16, 'cp1252' Windows-1252."""
    codec = codec.lower().replace("_", "-")
    if codec.startswith("utf-"):
        return "-".join(codec.upper().split("-")[:2])
    return _LEGACY.get(codec, codec)


def _reads(data: bytes, codec: str, whole: bool) -> str | None:
    """The text, without a character cut at the end where `data` is not the whole; None if it is not."""
    try:
        return codecs.getincrementaldecoder(codec)("strict").decode(data, final=whole)
    except UnicodeError:
        return None


def _unmarked_utf16(head: bytes, whole: bool) -> str | None:
    """UTF-16 without a mark: its blanks, line ends and ASCII letters have zeros, all on the same side."""
    zeros = head[0::2].count(0), head[1::2].count(0)
    if len(head) < 4 or min(zeros) > 0.02 * max(zeros) or max(zeros) < min(4, len(head) / 4):
        return None
    codec = "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    text = _reads(head, codec, whole)
    if text is None or _share_of_controls(text.encode("utf-8")) > 0 or not _plausible(text):
        return None
    return codec


def _damaged_utf8(head: bytes) -> bool:
    """Whether most characters beyond ASCII are UTF-8 all the same: then a few bytes are broken."""
    text = head.decode("utf-8", "replace")
    beyond = len(text) - sum(map(str.isascii, text))
    return beyond - text.count("\ufffd") >= text.count("\ufffd")


def _legacy(head: bytes, whole: bool) -> str | None:
    """The legacy encoding, as far as it can be detected."""
    western = _reads(head, "cp1252", whole)
    makes_sense = (
        western is not None and bool(_WESTERN.fullmatch(western)) and not _SIGN_IN_WORD.search(western)
    )
    codec = _likely(head, _LEGACY)
    if codec in _OTHER_ALPHABETS and _mixes_letters(head):
        codec = _likely(head, _LATIN)
    if codec is None:
        return "cp1252" if makes_sense else None
    if makes_sense and codec in _LATIN:
        assert western is not None
        words = {word for word in re.findall(r"\w+", western) if not word.isascii()}
        if len(words) < _FEW_WORDS or western == _reads(head, codec, whole):
            return "cp1252"
    return codec


def _mixes_letters(head: bytes) -> bool:
    """Whether bytes beyond ASCII mostly stand within words of ASCII letters, as in no other alphabet."""
    words = [word for word in re.findall(rb"[A-Za-z\x80-\xff]+", head) if not word.isascii()]
    return sum(bool(re.search(rb"[A-Za-z]", word)) for word in words) > len(words) / 2


def _likely(head: bytes, candidates: Iterable[str]) -> str | None:
    """The one of these legacy encodings that chardet calls the most likely; None if none fits."""
    import chardet

    name = chardet.detect(
        head[:_LOOKED_AT],
        include_encodings=[*candidates, "ascii"],
        no_match_encoding="ascii",  # which it never is here
        prefer_superset=False,
        compat_names=False,
    )["encoding"]
    if name is None or name == "ascii":
        return None
    found = codecs.lookup("euc-jp" if name == "euc_jis_2004" else name).name
    return next((codec for codec in candidates if codecs.lookup(codec).name == found), None)


def _plausible(text: str) -> bool:
    """Whether most characters beyond ASCII are letters or the signs that people write."""
    beyond = [character for character in text if not character.isascii()]
    odd = sum(not (c.isalnum() or c.isspace() or c in _WESTERN_SIGNS or _usual(c)) for c in beyond)
    return odd <= 0.25 * len(beyond)


def _usual(character: str) -> bool:
    """A sign or mark of a script of its own: vowel signs of Thai, East Asian punctuation, Hebrew points."""
    kind = unicodedata.category(character)
    return kind[0] == "M" or (kind[0] == "P" and ord(character) > 0x0370)


def _share_of_controls(data: bytes) -> float:
    return (len(data) - len(data.translate(None, _CONTROLS))) / max(1, len(data))
