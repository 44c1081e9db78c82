"""Pairs of texts as one sequence of token ids, by a tokenizer that a model brings: its special tokens around
and between the two, the longer one cut first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from bmcli.core.errors import DataError
from bmcli.core.spec import Separator

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

    from bmcli.modalities.text.examples import Columns, Texts

BATCH = 1024
"""Pairs handed to the library at once."""


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
    tokenizer: Tokenizer,
    separator: Separator | None,
    pairs: Sequence[tuple[str, str]],
    cut: Callable[[str], str],
) -> Iterator[list[int]]:
    """The ids of each pair. cut: bounds the length of a text before it is split."""
    ours = 0 if separator is None else tokenizer.encode("", "").ids.count(separator.token)
    for start in range(0, len(pairs), BATCH):
        some = [(cut(one), cut(other)) for one, other in pairs[start : start + BATCH]]
        for encoding in tokenizer.encode_batch_fast(some, add_special_tokens=True):
            ids = encoding.ids
            if separator is not None and ids.count(separator.token) > ours:
                ids = _with_written(encoding, separator)
            yield ids


def _with_written(encoding: Encoding, separator: Separator) -> list[int]:
    """The ids, with another one for separators that a text itself contains."""
    return [
        separator.written if one == separator.token and not special else one
        for one, special in zip(encoding.ids, encoding.special_tokens_mask, strict=True)
    ]


def places(
    tokenizer: Tokenizer, pair: tuple[str, str], cut: Callable[[str], str]
) -> list[tuple[str, int | None]]:
    """(token, which text it is of: 0 or 1, None for special tokens around them) of one pair, in order."""
    encoding = tokenizer.encode(cut(pair[0]), cut(pair[1]))
    return list(zip(encoding.tokens, encoding.sequence_ids, strict=True))
