"""Texts to token ids, by a tokenizer trained on the training split.

Four tokenizers, all saved as a `tokenizer.json` of the `tokenizers` library:

    word       whole words, the most frequent first
    pieces     byte-pair encoding of characters, in pieces short enough to be words, for scripts without
               spaces between words (no phrase that happened to occur twice becomes one token)
    bpe        byte-pair encoding of characters (Sennrich et al. 2016, arXiv:1508.07909)
    wordpiece  WordPiece (Schuster and Nakajima 2012), trained as BPE merges, read longest piece first

Words are the default and by far the most common, so they take a shorter way: a regular expression and a
dictionary do what the library would do from the same file, several times faster and without importing it.

A text is first brought to one form (Chinese characters set apart; with `lowercase`, accents dropped
and lower case), then split into words, which may hold apostrophes, and runs of other signs.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bmcli.core.errors import DataError, IntegrityError
from bmcli.core.examples import Examples
from bmcli.core.spec import INPUT, InputSpec, Kind
from bmcli.files import scripts
from bmcli.modalities.remark import Remark, Unfamiliar
from bmcli.modalities.source import SingleInput
from bmcli.modalities.text.examples import Texts
from bmcli.runs.layout import TOKENIZER

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from bmcli.config.schema import PreprocessingConfig, TextConfig
    from bmcli.core.examples import Data
    from bmcli.modalities.source import Source

PAD, UNKNOWN = "[PAD]", "[UNK]"
PAD_ID, UNKNOWN_ID = 0, 1
PADS = (PAD, "<pad>", "<PAD>")
"""What padding is called in a tokenizer that does not say how it pads."""
FITTED = ("word", "pieces", "bpe", "wordpiece")
"""Tokenizers that are fitted on training texts."""
OWN = "own"
"""A tokenizer that a model brings with it."""
SPECIAL = (PAD, UNKNOWN)
CHARACTERS_PER_TOKEN = 64
"""Of a text, at most `max_length` times so many characters are looked at: an endless text costs no more."""
BATCH = 1024
"""Texts handed to the library at once."""
LONGEST_WORD = 100
"""Characters of the longest word WordPiece and BPE learn from; WordPiece calls longer ones unknown."""
LONGEST_PIECE, PIECE_OCCURS = 6, 5
"""Characters of the longest piece of `pieces`, and how often one must occur to be a token: about a word."""
MANY_WITHOUT_SPACES = 0.1
"""Share of texts in a script without spaces from which on `auto` means pieces."""

# Letters, digits and underscore are Python's \w. It leaves out marks, without which words of many scripts
# would fall apart: combining accents, points of Hebrew and Arabic, vowel signs of India and South-East Asia.
_ACCENTS = "\u0300-\u036f"
_SIGNS = (
    f"{_ACCENTS}\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u0900-\u0963\u0966-\u0df3\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u17b4-\u17d3"
    "\u3099\u309a"
)
_WORD = rf"[\w{_SIGNS}]+(?:['’][\w{_SIGNS}]+)*|[^\w\s{_SIGNS}]+"
_LIBRARY_WORD = _WORD.replace(r"\w", r"\p{L}\p{N}_")  # what Python's \w is, in the library's syntax
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
_LIBRARY_PIECE = _PIECE.replace(r"\w", r"\p{L}\p{N}_")
_find_words = re.compile(_WORD).findall
_find_pieces = re.compile(_PIECE).findall
_find_ascii_words = re.compile(r"\w+(?:'\w+)*|[^\w\s]+").findall  # the same on ASCII text, and faster
_drop_accents = re.compile(f"[{_ACCENTS}]+").sub
_beyond_ascii = re.compile(r"[^\x00-\x7f]+")


@dataclass(frozen=True)
class TextPreprocessing(SingleInput):
    """Texts as int32 [n, max_length] token ids, padded with 0 at the end.

    tokenizer: 'word', 'pieces', 'bpe', 'wordpiece', or 'own' (see `of`); truncate: which side of a longer
    text is cut off; vocabulary: the text of tokenizer.json. counts: of 'word', float64 [vocabulary], how
    often training has each token; while fitting.
    """

    kind: ClassVar[Kind] = "text"

    tokenizer: str
    max_length: int
    truncate: str
    lowercase: bool
    vocabulary: str = field(repr=False)
    counts: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.tokenizer not in (*FITTED, OWN) or self.truncate not in ("end", "start"):
            raise ValueError("tokenizer or truncate")
        if not (isinstance(self.max_length, int) and self.max_length >= 1):
            raise ValueError("max_length")

    @classmethod
    def of(cls, vocabulary: str, *, max_length: int, truncate: str = "end") -> TextPreprocessing:
        """With a tokenizer that is there already.

        vocabulary: the text of a tokenizer.json of the library `tokenizers`, which adds special tokens and
        normalises as it says; padding is the token of its `padding`, or is called [PAD] or <pad>.
        max_length: tokens kept of each text, special ones included. IntegrityError where it cannot be read.
        """
        return cls.from_json(
            {"tokenizer": OWN, "max_length": max_length, "truncate": truncate, "lowercase": False}, vocabulary
        )

    @classmethod
    def fit(cls, texts: Texts, options: TextConfig) -> TextPreprocessing:
        """Trained on `texts`: the same texts give the same tokenizer.json, byte for byte."""
        if not isinstance(texts, Texts):
            raise DataError("this run takes texts")
        tokenizer = options.tokenizer
        if tokenizer == "auto":
            many = scripts.share_without_spaces(texts.texts) >= MANY_WITHOUT_SPACES
            tokenizer = "pieces" if many else "word"
        untrained = cls(tokenizer, options.max_length, options.truncate, options.lowercase, "")
        looked_at = (untrained._cut(text) for text in texts.texts)
        counts = None
        if tokenizer == "word":
            words = _word_counts(looked_at, options.lowercase)
            vocabulary = _word_vocabulary(words, options.vocabulary)
            counts = np.array([words.get(word, 0) for word in vocabulary], np.float64)
            counts[UNKNOWN_ID] = words.total() - counts.sum()
            model: dict[str, object] = {"type": "WordLevel", "vocab": vocabulary, "unk_token": UNKNOWN}
        elif tokenizer == "pieces":
            stretches = _stretch_counts(looked_at, options.lowercase)
            model = _piece_model(stretches, tokenizer, options.vocabulary)
        else:
            model = _piece_model(_word_counts(looked_at, options.lowercase), tokenizer, options.vocabulary)
        document: dict[str, object] = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": _library_normalizer(options.lowercase, chinese=tokenizer != "pieces"),
            "pre_tokenizer": {
                "type": "Split",
                "pattern": {"Regex": _LIBRARY_PIECE if tokenizer == "pieces" else _LIBRARY_WORD},
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
        """The id of what the vocabulary does not have; None where it has everything."""
        if self.tokenizer != OWN:
            return UNKNOWN_ID
        model = self._document["model"]
        token = model.get("unk_token")
        found = self.ids.get(token) if token is not None else model.get("unk_id")
        return None if found is None else int(found)

    @cached_property
    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.vocabulary)
        return document

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, padding and unknown included."""
        return max(self.ids.values()) + 1 if self.tokenizer == OWN else len(self.ids)

    def encode(self, examples: Examples) -> Source:
        """int32 [N, max_length]. A text without any token is a row of padding."""
        if not isinstance(examples, Texts):
            raise DataError("this run takes texts")
        rows = np.full((len(examples), self.max_length), self.padding, np.int32)
        for row, ids in zip(rows, self.token_ids(examples.texts), strict=True):
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
            words = self._within(_words(self._cut(text), self.lowercase))
            return [(word, self.ids.get(word, UNKNOWN_ID)) for word in words]
        return [(names[i], i) for i in next(self.token_ids([text]))]

    def token_ids(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """The ids of each text, at most `max_length`, without padding."""
        if self.tokenizer == "word":
            id_of = self.ids.get
            for text in texts:
                words = self._within(_words(self._cut(text), self.lowercase))
                yield [id_of(word, UNKNOWN_ID) for word in words]
            return
        for start in range(0, len(texts), BATCH):
            cut = [self._cut(text) for text in texts[start : start + BATCH]]
            own = self.tokenizer == OWN  # which cuts texts itself, so that its special tokens stay
            for encoding in self._library.encode_batch_fast(cut, add_special_tokens=own):
                yield encoding.ids if own else self._within(encoding.ids)

    def token_counts(self, compact: np.ndarray) -> np.ndarray:
        """float64 [vocabulary]: how often training has each token; of a tokenizer that was not fitted on it
        just now, these encoded texts of it."""
        if self.counts is not None:
            return self.counts
        counts = np.bincount(compact.reshape(-1), minlength=self.vocabulary_size).astype(np.float64)
        counts[self.padding] = 0
        return counts

    def _within(self, tokens: list[Any]) -> list[Any]:
        return tokens[: self.max_length] if self.truncate == "end" else tokens[-self.max_length :]

    def _cut(self, text: str) -> str:
        """The part of `text` that can hold its `max_length` tokens; valid Unicode.

        Whatever stands between blanks is at least one token, so so many blanks are enough.
        """
        limit = self.max_length * CHARACTERS_PER_TOKEN
        if self.truncate == "end":
            text = text[:limit]
            rest = text.split(None, self.max_length)[self.max_length :]
            text = text[: len(text) - len(rest[0])] if rest else text
        else:
            text = text[-limit:]
            parts = text.rsplit(None, self.max_length)
            text = text[len(parts[0]) :] if len(parts) > self.max_length else text
        # A lone surrogate (from a \ud800 in JSON, say) is no text; the library would refuse it.
        return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")

    @cached_property
    def _library(self) -> Tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self.vocabulary)
        if self.tokenizer == OWN:
            direction = "right" if self.truncate == "end" else "left"
            tokenizer.no_padding()
            tokenizer.enable_truncation(self.max_length, direction=direction)
        return tokenizer

    def unfamiliar(self, examples: Examples) -> Unfamiliar:
        """See Preprocessing; of texts all is seen in their tokens."""
        return Unfamiliar()

    def remarks(self, bundle: Data, options: PreprocessingConfig) -> tuple[Remark, ...]:
        """See Preprocessing."""
        from bmcli.modalities.text.remarks import of_texts

        return of_texts(self, bundle, options.text)

    def tokenizer_json(self) -> str:
        """The text of tokenizer.json."""
        return self.vocabulary

    def to_json(self) -> dict[str, object]:
        """All but the vocabulary."""
        return {
            "tokenizer": self.tokenizer,
            "max_length": self.max_length,
            "truncate": self.truncate,
            "lowercase": self.lowercase,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any], vocabulary: str) -> TextPreprocessing:
        """The inverse of `to_json` and `tokenizer_json`.

        KeyError, TypeError or ValueError where the first is damaged, IntegrityError where the second is.
        """
        loaded = cls(
            document["tokenizer"],
            document["max_length"],
            document["truncate"],
            bool(document["lowercase"]),
            vocabulary,
        )
        try:
            _ = loaded.ids
            if loaded.tokenizer != "word":
                _ = loaded._library
            _ = loaded.padding, loaded.unknown
        except Exception as error:  # the library raises plain Exception for a file it cannot read
            raise IntegrityError(f"{TOKENIZER} is damaged: {error}") from error
        return loaded


def _words(text: str, lowercase: bool) -> list[str]:
    """The words and runs of other signs in `text`, in one form."""
    find = _find_ascii_words if text.isascii() else _find_words
    return find(_one_form(text, lowercase))


def _one_form(text: str, lowercase: bool) -> str:
    """`text` as `_library_normalizer` makes it."""
    if text.isascii():
        return text.lower() if lowercase else text
    return _plain(_CHINESE.sub(r" \1 ", text), lowercase)


def _plain(text: str, lowercase: bool) -> str:
    return _beyond_ascii.sub(_without_accents, text).lower() if lowercase else text


def _without_accents(found: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", _drop_accents("", unicodedata.normalize("NFD", found[0])))


def _library_normalizer(lowercase: bool, *, chinese: bool) -> dict[str, Any]:
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


def _word_vocabulary(counts: Counter[str], size: int) -> dict[str, int]:
    """The most frequent words, ties in alphabetical order, after padding and unknown."""
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return {token: i for i, token in enumerate([*SPECIAL, *ranked[: size - len(SPECIAL)]])}


def _word_counts(texts: Iterable[str], lowercase: bool) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_words(text, lowercase))
    return counts


def _stretch_counts(texts: Iterable[str], lowercase: bool) -> Counter[str]:
    """What `pieces` are learned from: words where there are spaces, else stretches of bounded length."""
    counts: Counter[str] = Counter()
    for text in texts:
        for found in _find_pieces(_plain(text, lowercase)):
            counts.update(found[i : i + LONGEST_WORD] for i in range(0, len(found), LONGEST_WORD))
    return counts


def _piece_model(counts: Counter[str], kind: str, vocabulary: int) -> dict[str, object]:
    """The `model` of a tokenizer.json: pieces of words by byte-pair merges."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    learned_from = sorted(word for word in counts if len(word) <= LONGEST_WORD)
    # Of a script with thousands of characters, more of them than of letters.
    most = vocabulary // 2 if kind == "pieces" else min(1000, (vocabulary - len(SPECIAL)) // 4)
    alphabet = _alphabet({word: counts[word] for word in learned_from}, most)
    # The library gives ids to characters within and at the edge of words in the order of a randomly seeded
    # hash table, and ties between merges go by id. Named as special tokens, they get theirs in our order.
    edge = {"pieces": [], "bpe": ["{}</w>"], "wordpiece": ["##{}"]}[kind]
    edge_forms = [form.format(character) for form in edge for character in alphabet]
    learning: dict[str, Any] = {
        "vocab_size": vocabulary,
        "min_frequency": PIECE_OCCURS if kind == "pieces" else 2,
        "show_progress": False,
        "special_tokens": [*SPECIAL, *alphabet, *edge_forms],
        "initial_alphabet": alphabet,
        "limit_alphabet": len(alphabet),
        "max_token_length": LONGEST_PIECE if kind == "pieces" else LONGEST_WORD,
    }
    if kind == "pieces":
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN, fuse_unk=True))
        trainer: Any = trainers.BpeTrainer(**learning)
    elif kind == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN, fuse_unk=True, end_of_word_suffix="</w>"))
        trainer = trainers.BpeTrainer(end_of_word_suffix="</w>", **learning)
    else:
        del learning["max_token_length"]
        tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD))
        trainer = trainers.WordPieceTrainer(continuing_subword_prefix="##", **learning)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    # The library counts words itself and takes no counts: so each is given as often as it occurs.
    tokenizer.train_from_iterator((f"{word} " * counts[word] for word in learned_from), trainer)
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    model["vocab"] = dict(sorted(model["vocab"].items(), key=lambda item: item[1]))
    return model


def _alphabet(word_counts: dict[str, int], most: int) -> list[str]:
    """The characters that get a token: the most frequent."""
    counts: Counter[str] = Counter()
    for word, count in word_counts.items():
        for character in word:
            counts[character] += count
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    return ranked[:most]
