"""What a user must know of texts before the first epoch: how they are split, and what is left of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bmcli.files import scripts
from bmcli.modalities.remark import Remark
from bmcli.modalities.text.examples import Texts

if TYPE_CHECKING:
    from bmcli.config.schema import TextConfig
    from bmcli.core.examples import Data, Examples
    from bmcli.modalities.text.encoder import TextPreprocessing

SAMPLE = 1_000
"""Texts of a split that are looked at, evenly spread."""
LONGEST = 65_536
"""Tokens of a text that are counted."""
MOST = 0.5
"""Share of texts, or of tokens, that is 'most' of them."""
NEARLY_ALL = 0.9
CUT_NOTED, SPACELESS_NOTED = 0.1, 0.01
"""Shares of texts that are cut, or in scripts without spaces, from which on it is worth a note."""


def of_texts(preprocessing: TextPreprocessing, bundle: Data, options: TextConfig) -> tuple[Remark, ...]:
    """How texts were split into words, where that was inferred or is doubtful, and what is left of them."""
    texts = _some(bundle.train.examples)
    found = list(_spaceless(preprocessing, texts.whole(), options))
    if not len(texts):
        return tuple(found)
    whole = replace(preprocessing, max_length=LONGEST)
    ids = _ids(whole, texts)
    lengths = np.array([len(one) for one in ids])
    held_out = Texts(()) if bundle.validation is None else _some(bundle.validation.examples)
    found += _short(lengths, preprocessing)
    found += _unknown("training", ids, preprocessing) or _unknown(
        "validation", _ids(whole, held_out), preprocessing
    )
    found += _cut(lengths, preprocessing)
    found += _alike(_ids(preprocessing, texts), lengths, preprocessing)
    return tuple(found)


def _ids(preprocessing: TextPreprocessing, texts: Texts) -> list[list[int]]:
    return list(preprocessing.token_ids(texts.texts, texts.seconds))


def _some(examples: Examples) -> Texts:
    count = min(len(examples), SAMPLE)
    spread = np.arange(count) * len(examples) // max(1, count)
    some = examples.take(spread)
    assert isinstance(some, Texts)
    return some


def _spaceless(
    preprocessing: TextPreprocessing, texts: Sequence[str], options: TextConfig
) -> Iterator[Remark]:
    share = scripts.share_without_spaces(texts)
    if preprocessing.tokenizer == "pieces" and options.tokenizer == "auto":
        yield Remark("texts without spaces between words: preprocessing.text.tokenizer pieces (inferred)")
    elif preprocessing.tokenizer == "word" and share >= SPACELESS_NOTED:
        message = (
            f"{share:.0%} of the texts are in a script without spaces between words, so that a sentence is "
            "one word; preprocessing.text.tokenizer: pieces splits them into shorter ones"
        )
        yield Remark(message, warning=share > MOST)


def _short(lengths: np.ndarray, preprocessing: TextPreprocessing) -> Iterator[Remark]:
    empty, single = float((lengths == 0).mean()), float((lengths <= 1).mean())
    if empty > MOST:
        yield Remark(f"{empty:.0%} of the training texts have no token at all", warning=True)
    elif single > MOST:
        message = (
            f"{single:.0%} of the training texts are a single token: a model knows only what it has seen"
        )
        if preprocessing.tokenizer == "word":
            message += "; with preprocessing.text.tokenizer: bpe or pieces it sees parts of words"
        yield Remark(message, warning=True)


def _unknown(split: str, ids: Sequence[Sequence[int]], preprocessing: TextPreprocessing) -> list[Remark]:
    if preprocessing.unknown is None:
        return []
    unknown = sum(list(one).count(preprocessing.unknown) for one in ids)
    share = unknown / max(1, sum(map(len, ids)))
    if share <= MOST:
        return []
    message = (
        f"{share:.0%} of the tokens of the {split} texts are unknown to the vocabulary "
        f"({preprocessing.vocabulary_size:,} ids, tokenizer {preprocessing.tokenizer}): a model cannot tell "
        "them apart; see preprocessing.text"
    )
    return [Remark(message, warning=True)]


def _cut(lengths: np.ndarray, preprocessing: TextPreprocessing) -> Iterator[Remark]:
    cut = float((lengths > preprocessing.max_length).mean())
    if cut < CUT_NOTED:
        return
    median, most = np.quantile(lengths, [0.5, 0.95])
    lost = "end" if preprocessing.truncate == "end" else "start"
    yield Remark(
        f"{cut:.0%} of the training texts lose their {lost} beyond preprocessing.text.max_length "
        f"({preprocessing.max_length:,} tokens); the median has {median:,.0f}, and 95 % have at most "
        f"{most:,.0f}",
        warning=cut > MOST,
    )


def _alike(
    kept: Sequence[Sequence[int]], lengths: np.ndarray, preprocessing: TextPreprocessing
) -> Iterator[Remark]:
    share = Counter(map(tuple, kept)).most_common(1)[0][1] / len(kept)
    if len(kept) == 1 or share < NEARLY_ALL or lengths.max() <= 1:
        return
    most_are_cut = (lengths > preprocessing.max_length).mean() > MOST
    where = f" within max_length ({preprocessing.max_length:,} tokens)" if most_are_cut else ""
    yield Remark(f"{share:.0%} of the training texts are the same{where}", warning=True)
