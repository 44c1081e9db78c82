"""The words of a text as it was written, with the tokens that a model's own tokenizer made of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Encoding


@dataclass(frozen=True)
class Word:
    """text: as written; tokens: the positions of its tokens; which: its text, of a pair 0 or 1."""

    text: str
    tokens: tuple[int, ...]
    which: int = 0


def words_of(encoding: Encoding, texts: Sequence[str]) -> list[Word]:
    """The words in the order of their first tokens, as the tokenizer splits texts; special tokens that it
    adds belong to none. texts: what was encoded, one or two."""
    tokens: dict[tuple[int, int], list[int]] = {}
    added = zip(encoding.special_tokens_mask, encoding.sequence_ids, encoding.word_ids, strict=True)
    for position, (special, which, word) in enumerate(added):
        if not special and which is not None:
            # A token that the tokenizer counts to no word stands alone.
            tokens.setdefault((which, -1 - position if word is None else word), []).append(position)
    found = []
    for (which, _), positions in tokens.items():
        places = [encoding.offsets[position] for position in positions]
        text = texts[which][min(start for start, _ in places) : max(stop for _, stop in places)].strip()
        # Of nothing that was written, such as a mark for a beginning, the token itself.
        found.append(Word(text or encoding.tokens[positions[0]], tuple(positions), which))
    return found
