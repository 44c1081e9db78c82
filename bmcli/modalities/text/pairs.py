"""Pairs of texts as one sequence of token ids, by a tokenizer that a model brings: its special tokens around
and between the two, the longer one cut first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from bmcli.core.errors import DataError
from bmcli.core.spec import Separator

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

    from bmcli.modalities.text.examples import Columns, Texts

BATCH = 64
"""Pairs handed to the library at once, whole."""


@dataclass(frozen=True)
class Cut:
    """How pairs are cut. bound: to the part of a text that is split into tokens; length: tokens kept of a
    pair, special ones included; end: whether the end of a text is cut off, or its start."""

    bound: Callable[[str], str]
    length: int
    end: bool


def require(examples: Texts, pair: Columns | None) -> None:
    """DataError for single texts where a run takes pairs, and for pairs where it takes single texts. pair:
    what the run's two texts are called."""
    if not len(examples) or (examples.seconds is None) == (pair is None):
        return
    if pair is None:
        raise DataError("this run takes single texts, not pairs of them")
    raise DataError(f"this run takes pairs of texts: {' and '.join(pair)}")


def columns_of(said: object) -> Columns | None:
    """What the texts of pairs are called, as a run keeps it. ValueError if it is not that."""
    if said is None:
        return None
    if not (isinstance(said, list) and len(said) == 2 and all(isinstance(one, str) for one in said)):
        raise ValueError("pair")
    return said[0], said[1]


def separator_of(tokenizer: Tokenizer) -> Separator | None:
    """What ends the first text of a pair, where the tokenizer gives the two texts segments of their own; None
    where it gives both the same. ValueError if the segments cannot be told from the token ids."""
    alone = tokenizer.encode("", "")  # the special tokens of a pair
    segments, ids = alone.type_ids, alone.ids
    if not any(segments):
        return None
    rising = all(before <= after for before, after in pairwise(segments))
    second = segments.index(1) if 1 in segments else 0
    if not rising or set(segments) != {0, 1} or ids[second - 1] in ids[: second - 1]:
        raise ValueError(f"it gives the special tokens {ids} of a pair the segments {segments}")
    return Separator(ids[second - 1], max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1)


def token_ids(
    tokenizer: Tokenizer, separator: Separator | None, pairs: Sequence[tuple[str, str]], cut: Cut
) -> Iterator[list[int]]:
    """The ids of each pair. tokenizer: one that cuts nothing: the library would keep every combination of the
    parts that it cuts off."""
    ours = 0 if separator is None else tokenizer.encode("", "").ids.count(separator.token)
    for start in range(0, len(pairs), BATCH):
        some = [(cut.bound(one), cut.bound(other)) for one, other in pairs[start : start + BATCH]]
        for encoding in tokenizer.encode_batch_fast(some, add_special_tokens=True):
            ids = encoding.ids
            if separator is not None and ids.count(separator.token) > ours:
                ids = _with_written(encoding, separator)
            yield ids if len(ids) <= cut.length else [ids[i] for i in _kept(encoding.sequence_ids, cut)]


def _with_written(encoding: Encoding, separator: Separator) -> list[int]:
    """The ids, with another one for separators that a text itself contains."""
    return [
        separator.written if one == separator.token and text is not None else one
        for one, text in zip(encoding.ids, encoding.sequence_ids, strict=True)
    ]


def _kept(texts: Sequence[int | None], cut: Cut) -> list[int]:
    """The places of the tokens that stay: all special ones, and of both texts as many as there is room for.
    texts: which of them each token is of."""
    places: list[list[int]] = [[i for i, text in enumerate(texts) if text == which] for which in (0, 1)]
    special = [i for i, text in enumerate(texts) if text is None]
    counts = longest_first(len(places[0]), len(places[1]), cut.length - len(special))
    kept = [
        own[:count] if cut.end else own[len(own) - count :] for own, count in zip(places, counts, strict=True)
    ]
    return sorted([*special, *kept[0], *kept[1]])


def longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens two texts of these lengths keep: the longer one is cut to what the other leaves, both
    to half if both are longer; the longer one then has the odd token, the second of two equal ones."""
    if first + second <= room:
        return first, second
    shorter, half = min(first, second), room // 2
    less, more = (shorter, room - shorter) if shorter <= half else (half, room - half)
    return (more, less) if first > second else (less, more)


def cut_encoding(tokenizer: Tokenizer, pair: tuple[str, str], cut: Cut) -> Encoding:
    """The library's own encoding of a single pair, cut by it, whose offsets say where each token is from."""
    from tokenizers import Tokenizer

    cutting = Tokenizer.from_str(tokenizer.to_str())
    cutting.enable_truncation(cut.length, direction="right" if cut.end else "left")
    return cutting.encode(*pair)
