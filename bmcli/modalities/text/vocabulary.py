"""Vocabularies learned from training texts: words, or pieces of words by byte-pair merges."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from bmcli.core.plain import Document
from bmcli.modalities.text.words import find_pieces, plain, words_of

PAD, UNKNOWN = "[PAD]", "[UNK]"
PAD_ID, UNKNOWN_ID = 0, 1
SPECIAL = (PAD, UNKNOWN)
LONGEST_WORD = 100
"""Characters of the longest word WordPiece and BPE learn from; WordPiece calls longer ones unknown."""
LONGEST_PIECE, PIECE_OCCURS = 6, 5
"""Characters of the longest piece of `pieces`, and how often one must occur to be a token: about a word."""


def word_vocabulary(counts: Counter[str], size: int) -> dict[str, int]:
    """The most frequent words, ties in alphabetical order, after padding and unknown."""
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return {token: i for i, token in enumerate([*SPECIAL, *ranked[: size - len(SPECIAL)]])}


def word_counts(texts: Iterable[str], lowercase: bool) -> Counter[str]:
    """How often each word occurs."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words_of(text, lowercase))
    return counts


def stretch_counts(texts: Iterable[str], lowercase: bool) -> Counter[str]:
    """What `pieces` are learned from: words where there are spaces, else stretches of bounded length."""
    counts: Counter[str] = Counter()
    for text in texts:
        for found in find_pieces(plain(text, lowercase)):
            counts.update(found[i : i + LONGEST_WORD] for i in range(0, len(found), LONGEST_WORD))
    return counts


def piece_model(counts: Counter[str], kind: str, vocabulary: int) -> dict[str, object]:
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
        trainer: trainers.Trainer = trainers.BpeTrainer(**learning)
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
    model: Document = json.loads(tokenizer.to_str())["model"]
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
