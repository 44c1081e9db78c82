"""Texts to token ids, by a tokenizer trained on the training split.

Four tokenizers, all saved as a `tokenizer.json` of the `tokenizers` library:

    word       whole words, the most frequent first
    pieces     byte-pair encoding of characters, in pieces short enough to be words, for scripts without
               spaces between words (no phrase that happened to occur twice becomes one token)
    bpe        byte-pair encoding of characters (Sennrich et al. 2016, arXiv:1508.07909)
    wordpiece  WordPiece (Schuster and Nakajima 2012), trained as BPE merges, read longest piece first

Words are the default and by far the most common, so they take a shorter way: a regular expression and a
dictionary do what the library would do from the same file, several times faster and without importing it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np

from bmcli.core.errors import DataError, IntegrityError
from bmcli.core.examples import Examples
from bmcli.core.spec import INPUT, InputSpec, Kind, Separator
from bmcli.files import scripts
from bmcli.modalities.remark import Remark, Unfamiliar
from bmcli.modalities.source import SingleInput
from bmcli.modalities.text import pairs
from bmcli.modalities.text.examples import Columns, Texts
from bmcli.modalities.text.remarks import of_texts
from bmcli.modalities.text.vocabulary import (
    PAD,
    PAD_ID,
    UNKNOWN,
    UNKNOWN_ID,
    piece_model,
    stretch_counts,
    word_counts,
    word_vocabulary,
)
from bmcli.modalities.text.words import LIBRARY_PIECE, LIBRARY_WORD, library_normalizer, words_of
from bmcli.modalities.text.written import words_of as words_of_encoding
from bmcli.runs.layout import TOKENIZER

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from bmcli.config.schema import PreprocessingConfig, TextConfig
    from bmcli.core.examples import Data
    from bmcli.core.plain import Document
    from bmcli.modalities.source import Source
    from bmcli.modalities.text.written import Word

T = TypeVar("T")

PADS = (PAD, "<pad>", "<PAD>")
"""What padding is called in a tokenizer that does not say how it pads."""
FITTED = ("word", "pieces", "bpe", "wordpiece")
"""Tokenizers that are fitted on training texts."""
OWN = "own"
"""A tokenizer that a model brings with it."""
CHARACTERS_PER_TOKEN = 64
"""Characters read per token of `max_length`, so that the cost of an endless text is bounded."""
BATCH = 1024
"""Texts handed to the library at once."""
MANY_WITHOUT_SPACES = 0.1
"""Share of texts in a script without spaces from which on `auto` means pieces."""


@dataclass(frozen=True)
class TextPreprocessing(SingleInput):
    """Texts as int32 [n, max_length] token ids, padded with 0 at the end.

    tokenizer: 'word', 'pieces', 'bpe', 'wordpiece', or 'own' (see `of`); truncate: which side of a longer
    text is cut off; vocabulary: the text of tokenizer.json. counts: of 'word', float64 [vocabulary], how
    often training has each token; while fitting. pair: of 'own', what the two texts of an example are called,
    where examples are pairs.
    """

    kind: ClassVar[Kind] = "text"

    tokenizer: str
    max_length: int
    truncate: str
    lowercase: bool
    vocabulary: str = field(repr=False)
    counts: np.ndarray | None = field(default=None, repr=False, compare=False)
    pair: Columns | None = None

    def __post_init__(self) -> None:
        if self.tokenizer not in (*FITTED, OWN) or self.truncate not in ("end", "start"):
            raise ValueError("tokenizer or truncate")
        if not (isinstance(self.max_length, int) and self.max_length >= 1):
            raise ValueError("max_length")
        if self.pair is not None and self.tokenizer != OWN:
            raise ValueError("pair")

    @classmethod
    def of(
        cls, vocabulary: str, *, max_length: int, truncate: str = "end", pair: Columns | None = None
    ) -> TextPreprocessing:
        """With a tokenizer that is there already.

        vocabulary: the text of a tokenizer.json of the library `tokenizers`, which adds special tokens and
        normalises as it says; padding is the token of its `padding`, or is called [PAD] or <pad>.
        max_length: tokens kept of each text or pair, special ones included. pair: as of the class.
        IntegrityError if it cannot be read.
        """
        document = {"tokenizer": OWN, "max_length": max_length, "truncate": truncate, "lowercase": False}
        return cls.from_json(document if pair is None else {**document, "pair": list(pair)}, vocabulary)

    @classmethod
    def fit(cls, texts: Texts, options: TextConfig) -> TextPreprocessing:
        """Trained on `texts`: the same texts give the same tokenizer.json, byte for byte."""
        if not isinstance(texts, Texts):
            raise DataError("this run takes texts")
        if texts.seconds is not None:
            raise DataError(
                "a tokenizer that bm trains has no token between two texts",
                hint="model: encoder reads pairs; without data.pair, the two are joined to one text",
            )
        tokenizer = options.tokenizer
        if tokenizer == "auto":
            many = scripts.share_without_spaces(texts.texts) >= MANY_WITHOUT_SPACES
            tokenizer = "pieces" if many else "word"
        untrained = cls(tokenizer, options.max_length, options.truncate, options.lowercase, "")
        looked_at = (untrained._cut(text) for text in texts.texts)
        counts = None
        if tokenizer == "word":
            words = word_counts(looked_at, options.lowercase)
            vocabulary = word_vocabulary(words, options.vocabulary)
            counts = np.array([words.get(word, 0) for word in vocabulary], np.float64)
            counts[UNKNOWN_ID] = words.total() - counts.sum()
            model: dict[str, object] = {"type": "WordLevel", "vocab": vocabulary, "unk_token": UNKNOWN}
        elif tokenizer == "pieces":
            stretches = stretch_counts(looked_at, options.lowercase)
            model = piece_model(stretches, tokenizer, options.vocabulary)
        else:
            model = piece_model(word_counts(looked_at, options.lowercase), tokenizer, options.vocabulary)
        document: dict[str, object] = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": library_normalizer(options.lowercase, chinese=tokenizer != "pieces"),
            "pre_tokenizer": {
                "type": "Split",
                "pattern": {"Regex": LIBRARY_PIECE if tokenizer == "pieces" else LIBRARY_WORD},
                "behavior": "Removed",
                "invert": True,
            },
            "post_processor": None,
            "decoder": None,
            "model": model,
        }
        saved = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        return cls(tokenizer, options.max_length, options.truncate, options.lowercase, saved, counts)

    @property
    def by_length(self) -> bool:
        """See Preprocessing: with a large model's tokenizer."""
        return self.tokenizer == OWN

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(None,): a model takes any length."""
        return (None,)

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """Token ids."""
        tokens = InputSpec(
            self.input_shape,
            "int32",
            INPUT,
            self.padding,
            self.unknown,
            self.vocabulary_size,
            self.max_length,
            self.separator,
        )
        return (tokens,)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Token -> id, of every token."""
        if self.tokenizer == OWN:
            return self._library.get_vocab(with_added_tokens=True)
        ids: dict[str, int] = json.loads(self.vocabulary)["model"]["vocab"]
        if ids.get(PAD) != PAD_ID or ids.get(UNKNOWN) != UNKNOWN_ID:
            raise ValueError(f"{TOKENIZER} lacks {PAD} or {UNKNOWN}")
        if sorted(ids.values()) != list(range(len(ids))):
            raise ValueError(f"the ids in {TOKENIZER} are not 0, 1, 2, ...")
        return ids

    @cached_property
    def padding(self) -> int:
        """The id of padding."""
        if self.tokenizer != OWN:
            return PAD_ID
        padding = self._document["padding"]
        found = padding["pad_id"] if padding else next((self.ids[p] for p in PADS if p in self.ids), None)
        if found is None:
            raise ValueError(f"{TOKENIZER} names no padding token")
        return int(found)

    @cached_property
    def unknown(self) -> int | None:
        """The id of what the vocabulary does not have; None if it has everything."""
        if self.tokenizer != OWN:
            return UNKNOWN_ID
        model = self._document["model"]
        token = model.get("unk_token")
        found = self.ids.get(token) if token is not None else model.get("unk_id")
        return None if found is None else int(found)

    @cached_property
    def separator(self) -> Separator | None:
        """Of pairs, what ends the first text; see InputSpec."""
        return None if self.pair is None else pairs.separator_of(self._library)

    @cached_property
    def _document(self) -> Document:
        document: Document = json.loads(self.vocabulary)
        return document

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, padding and unknown included."""
        return max(self.ids.values()) + 1 if self.tokenizer == OWN else len(self.ids)

    def encode(self, examples: Examples) -> Source:
        """int32 [N, max_length]. A text without any token is a row of padding."""
        if not isinstance(examples, Texts):
            raise DataError("this run takes texts")
        pairs.require(examples, self.pair)
        rows = np.full((len(examples), self.max_length), self.padding, np.int32)
        for row, ids in zip(rows, self.token_ids(examples.texts, examples.seconds), strict=True):
            row[: len(ids)] = ids
        return rows

    def encode_usable(self, examples: Examples) -> tuple[np.ndarray, dict[int, str]]:
        """See Preprocessing; every text can be used."""
        return np.asarray(self.encode(examples)), {}

    def finish(self, batch: np.ndarray) -> np.ndarray:
        """The batch itself."""
        return batch

    def finish_tensor(self, batch: object) -> object:
        """The batch itself."""
        return batch

    def tokens(self, text: str) -> list[tuple[str, int]]:
        """What the model sees of `text`, as (token, id) in order: for explanations."""
        names = {i: token for token, i in self.ids.items()}
        if self.tokenizer == "word":
            words = self._within(words_of(self._cut(text), self.lowercase))
            return [(word, self.ids.get(word, UNKNOWN_ID)) for word in words]
        return [(names[i], i) for i in next(self.token_ids([text]))]

    def words(self, text: str, second: str | None = None) -> list[Word] | None:
        """The words that the tokens of a text, or of a pair, make up; None where the tokens are what is to be
        shown."""
        if self.tokenizer != OWN:
            return None
        if second is not None:
            both = self._cut(text, by_words=False), self._cut(second, by_words=False)
            return words_of_encoding(pairs.cut_encoding(self._library, both, self._cut_pairs), list(both))
        one = self._cut(text)
        if self._library.encode(one).ids != next(self.token_ids([text])):
            one = self._cut(text, by_words=False)
        return words_of_encoding(self._library.encode(one), [one, ""])

    def token_ids(self, texts: Sequence[str], seconds: Sequence[str] | None = None) -> Iterator[list[int]]:
        """The ids of each text, or of each pair with the one in `seconds`; at most `max_length`, without
        padding."""
        if seconds is not None:
            both = list(zip(texts, seconds, strict=True))
            yield from pairs.token_ids(self._library, self.separator, both, self._cut_pairs)
            return
        if self.tokenizer == "word":
            id_of = self.ids.get
            for text in texts:
                words = self._within(words_of(self._cut(text), self.lowercase))
                yield [id_of(word, UNKNOWN_ID) for word in words]
            return
        own = self.tokenizer == OWN  # which cuts texts itself, so that its special tokens stay
        for start in range(0, len(texts), BATCH):
            whole = texts[start : start + BATCH]
            cut = [self._cut(text) for text in whole]
            encodings = self._library.encode_batch_fast(cut, add_special_tokens=own)
            for text, part, encoding in zip(whole, cut, encodings, strict=True):
                yield self._own(text, part, encoding.ids) if own else self._within(encoding.ids)

    def token_counts(self, compact: np.ndarray) -> np.ndarray:
        """float64 [vocabulary]: how often training has each token; of a tokenizer that was not fitted on it
        just now, these encoded texts of it."""
        if self.counts is not None:
            return self.counts
        counts = np.bincount(compact.reshape(-1), minlength=self.vocabulary_size).astype(np.float64)
        counts[self.padding] = 0
        return counts

    def _own(self, text: str, part: str, ids: list[int]) -> list[int]:
        """The ids of the whole text, given those of a part of it. A tokenizer of another make may have no
        token for what stands between spaces (control characters, say), so that the part was too short."""
        if len(ids) >= self.max_length or len(part) == len(text):
            return ids
        more: list[int] = self._library.encode(self._cut(text, by_words=False)).ids
        return more

    @property
    def _cut_pairs(self) -> pairs.Cut:
        """Which of two texts is cut is decided by their tokens: so words do not bound them."""
        return pairs.Cut(partial(self._cut, by_words=False), self.max_length, self.truncate == "end")

    def _within(self, tokens: list[T]) -> list[T]:
        return tokens[: self.max_length] if self.truncate == "end" else tokens[-self.max_length :]

    def _cut(self, text: str, *, by_words: bool = True) -> str:
        """The part of `text` that can hold its `max_length` tokens; valid Unicode.

        by_words: anything between spaces is at least one token, so this many spaces are enough.
        """
        limit = self.max_length * CHARACTERS_PER_TOKEN
        if not by_words:
            text = text[:limit] if self.truncate == "end" else text[-limit:]
        elif self.truncate == "end":
            text = text[:limit]
            rest = text.split(None, self.max_length)[self.max_length :]
            text = text[: len(text) - len(rest[0])] if rest else text
        else:
            text = text[-limit:]
            parts = text.rsplit(None, self.max_length)
            text = text[len(parts[0]) :] if len(parts) > self.max_length else text
        # A lone surrogate (from a \ud800 in JSON, say) is not text; the library would refuse it.
        return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")

    @cached_property
    def _library(self) -> Tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self.vocabulary)
        if self.tokenizer == OWN:
            direction = "right" if self.truncate == "end" else "left"
            tokenizer.no_padding()
            tokenizer.no_truncation()
            if self.pair is None:  # else see `pairs`
                tokenizer.enable_truncation(self.max_length, direction=direction)
        return tokenizer

    def unfamiliar(self, examples: Examples) -> Unfamiliar:
        """See Preprocessing; of texts all is seen in their tokens."""
        return Unfamiliar()

    def remarks(self, bundle: Data, options: PreprocessingConfig) -> tuple[Remark, ...]:
        """See Preprocessing."""
        return of_texts(self, bundle, options.text)

    def tokenizer_json(self) -> str:
        """The text of tokenizer.json."""
        return self.vocabulary

    def to_json(self) -> dict[str, object]:
        """All but the vocabulary."""
        said = {} if self.pair is None else {"pair": list(self.pair)}
        return {
            "tokenizer": self.tokenizer,
            "max_length": self.max_length,
            "truncate": self.truncate,
            "lowercase": self.lowercase,
            **said,
        }

    @classmethod
    def from_json(cls, document: Document, vocabulary: str) -> TextPreprocessing:
        """The inverse of `to_json` and `tokenizer_json`.

        KeyError, TypeError or ValueError if the first is damaged, IntegrityError if the second is.
        """
        loaded = cls(
            document["tokenizer"],
            document["max_length"],
            document["truncate"],
            bool(document["lowercase"]),
            vocabulary,
            pair=pairs.columns_of(document.get("pair")),
        )
        try:
            _ = loaded.ids
            if loaded.tokenizer != "word":
                _ = loaded._library
            _ = loaded.padding, loaded.unknown, loaded.separator
        except Exception as error:  # the library raises plain Exception for a file it cannot read
            raise IntegrityError(f"{TOKENIZER} is damaged: {error}") from error
        return loaded
