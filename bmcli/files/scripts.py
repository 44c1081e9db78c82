"""Which scripts write words without spaces between them, and how many words a text has all the same."""

from __future__ import annotations

import re
from collections.abc import Iterable

HAN = (
    "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f"
)
KATAKANA = "\u30a1-\u30fa\u30fd-\u30ff\u31f0-\u31ff\uff66-\uff9f"
SPACELESS = (
    "\u0e01-\u0e3a\u0e40-\u0e4e"  # Thai
    "\u0e81-\u0ebd\u0ec0-\u0ece\u0edc-\u0edf"  # Lao
    "\u1000-\u103f\u1050-\u108f\u109a-\u109d\ua9e0-\ua9ef\uaa60-\uaa76\uaa7a-\uaa7f"  # Burmese
    "\u1780-\u17d3\u17d7\u17dc\u17dd"  # Khmer
    "\u1950-\u1974\u1980-\u19c9\u1a20-\u1a7c\uaa80-\uaadd"  # Tai scripts
    "\u1b00-\u1b4c\ua980-\ua9c0"  # Balinese, Javanese
    "\u3041-\u3096\u3099\u309a\u309d-\u309f\u30fc"  # hiragana
)
"""With KATAKANA: scripts in which a run of letters is a phrase or a sentence. Ranges for a character class,
with vowel signs and tone marks, without digits and punctuation. HAN is apart: one of its characters is nearly
a word, which these characters are not."""

_SPACELESS = re.compile(f"[{SPACELESS}{KATAKANA}]")
_HAN = re.compile(f"[{HAN}]")
_CHARACTERS_PER_WORD = {"spaceless": 4, "han": 1.5}
"""About; Thai words have four characters and more, Japanese and Chinese ones two."""
_LOOKED_AT = 2_000
"""Number of characters examined per text."""
_DOMINANT = 0.2
"""Share of letters in such scripts from which a text has no spaces between words: Japanese is half Han."""


def without_spaces(text: str) -> bool:
    """Whether a text has no spaces between words: Japanese, Thai, Lao, Khmer, Burmese, ...

    Not so Chinese alone, whose characters are tokens each.
    """
    text = text[:_LOOKED_AT]
    if text.isascii() or not _SPACELESS.search(text):
        return False
    spaceless = len(_SPACELESS.findall(text))
    letters = sum(map(str.isalpha, _SPACELESS.sub("", text)))
    return spaceless >= _DOMINANT * (spaceless + letters)


def share_without_spaces(texts: Iterable[str]) -> float:
    """Share of the non-blank texts without spaces between words."""
    count = found = 0
    for text in texts:
        count += not text.isspace() and bool(text)
        found += without_spaces(text)
    return found / max(1, count)


def words_in(text: str) -> float:
    """About how many words a text has: pieces between spaces, and more in scripts that have none."""
    if text.isascii():
        return len(text.split())
    spaceless, han = len(_SPACELESS.findall(text)), len(_HAN.findall(text))
    rest = _HAN.sub(" ", _SPACELESS.sub(" ", text)) if spaceless or han else text
    return (
        len(rest.split()) + spaceless / _CHARACTERS_PER_WORD["spaceless"] + han / _CHARACTERS_PER_WORD["han"]
    )
