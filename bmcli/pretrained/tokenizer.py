"""A folder's own tokenizer, as a tokenizer.json of the library `tokenizers`.

Where a folder has no tokenizer.json, it is built from vocab.txt, or vocab.json and merges.txt, as
transformers does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.core.errors import ConfigError, IntegrityError
from bmcli.core.plain import Document
from bmcli.pretrained.architecture import Architecture
from bmcli.pretrained.documents import read_map, read_map_if_there, read_text

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer

TOKENIZER = "tokenizer.json"
OPTIONS = "tokenizer_config.json"
SPECIAL = "special_tokens_map.json"
ADDED = "added_tokens.json"
WORDS, PIECES, MERGES = "vocab.txt", "vocab.json", "merges.txt"

MOST = 64 * 2**20
"""Bytes of the largest tokenizer; that of XLM-RoBERTa has 17 million."""
BERTS = ("bert", "distilbert", "electra", "mpnet")
"""Families whose tokenizers normalise texts as BERT's."""
GENERIC = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""Classes of transformers that take a tokenizer.json as it is."""
MOST_SPARE = 1024
"""Rows of the token table beyond the vocabulary, which is rounded up; more are another vocabulary's."""

BERT = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]",
        "mask_token": "[MASK]"}  # fmt: skip
ROBERTA = {"unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>",
           "mask_token": "<mask>", "bos_token": "<s>", "eos_token": "</s>"}  # fmt: skip
SPECIAL_TOKENS = {"roberta": ROBERTA, "xlm-roberta": ROBERTA, "mpnet": {**ROBERTA, "unk_token": "[UNK]"}}
"""What special tokens are called where a folder does not say: as in BERT for other families."""


def tokenizer_json(folder: Path, architecture: Architecture) -> str:
    """The text of a tokenizer.json that adds special tokens as the model was trained with, and names the
    padding. ConfigError for files that are missing or not supported, IntegrityError for damaged ones and for
    the tokenizer of another vocabulary."""
    options = read_map_if_there(folder / OPTIONS)
    named = _special_tokens(folder, options, architecture.family)
    file = _file_of(folder)
    if file.name == TOKENIZER:
        document = read_map(file, MOST)
    else:
        document = _built(folder, options, named, architecture)
    try:
        _apply(options, document, architecture.family)
        pad = named["pad_token"]
        document["truncation"] = None
        document["padding"] = {
            "strategy": "BatchLongest",
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": architecture.padding,
            "pad_type_id": 0,
            "pad_token": pad,
        }
        text = json.dumps(document, ensure_ascii=False)
        loaded = _loaded(text)
    except Exception as error:  # the library raises plain Exception for what it cannot read
        raise IntegrityError(f"{file} is damaged: {error}") from error
    _check(file, loaded, pad, architecture)
    return text


def require_fitting(folder: Path, architecture: Architecture) -> None:
    """What can be seen of another model's tokenizer without the library `tokenizers`: raises as
    `tokenizer_json` for files that are missing and for another vocabulary."""
    file = _file_of(folder)
    options = read_map_if_there(folder / OPTIONS)
    ids = _ids(file)
    if file.name != TOKENIZER:
        ids |= _numbers(read_map_if_there(folder / ADDED).items())
        decoder = options.get("added_tokens_decoder")
        for number, said in decoder.items() if isinstance(decoder, dict) else ():
            if isinstance(said, dict) and isinstance(said.get("content"), str) and number.isdecimal():
                ids[said["content"]] = int(number)
    named = _special_tokens(folder, options, architecture.family)
    # Special tokens that a file does not have are added by the library, after the others.
    new = 0 if file.name == TOKENIZER else len(set(named.values()) - ids.keys())
    size = max(ids.values(), default=-1) + 1
    _require_size(file, size if size > architecture.vocabulary else size + new, architecture)
    pad = named["pad_token"]
    if pad in ids or not new:
        _require_padding(file, pad, ids.get(pad), architecture)


def _file_of(folder: Path) -> Path:
    """The file with the vocabulary. ConfigError if there is none that can be read."""
    if (folder / TOKENIZER).is_file():
        return folder / TOKENIZER
    if (folder / WORDS).is_file():
        return folder / WORDS
    if (folder / PIECES).is_file() and (folder / MERGES).is_file():
        return folder / PIECES
    others = [one.name for one in sorted(folder.glob("*.model"))]
    have = f"; {', '.join(others)} cannot be read" if others else ""
    raise ConfigError(
        f"{folder} has no {TOKENIZER}, {WORDS}, or {PIECES} and {MERGES}{have}",
        hint="transformers writes it: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
    )


def _ids(file: Path) -> dict[str, int]:
    """Token -> id, of the vocabulary in a file. IntegrityError if it has none."""
    if file.name == WORDS:
        return {line: number for number, line in enumerate(_lines(file))}
    document = read_map(file, MOST)
    if file.name == PIECES:
        return _numbers(document.items())
    model = document.get("model")
    found = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(found, dict):
        ids = _numbers(found.items())
    elif isinstance(found, list):  # of (token, score), in order
        ids = {str(one[0]): number for number, one in enumerate(found) if isinstance(one, list) and one}
    else:
        raise IntegrityError(f"{file} is damaged: it has no vocabulary")
    added = document.get("added_tokens")
    said = [one for one in added if isinstance(one, dict)] if isinstance(added, list) else []
    return ids | _numbers((one.get("content"), one.get("id")) for one in said)


def _numbers(pairs: Iterable[tuple[object, object]]) -> dict[str, int]:
    return {token: one for token, one in pairs if isinstance(token, str) and type(one) is int}


def longest(folder: Path, architecture: Architecture) -> int:
    """Number of tokens of the longest text that the model takes, special ones included."""
    said = read_map_if_there(folder / OPTIONS).get("model_max_length")
    # Where nobody has said, transformers writes 1e30.
    return min(architecture.longest, int(said)) if type(said) is int and said > 0 else architecture.longest


def require_room_for_pairs(text: str, length: int) -> None:
    """ConfigError if special tokens leave no place for two texts. text: of a tokenizer.json; length: tokens
    of a pair."""
    special = _loaded(text).num_special_tokens_to_add(is_pair=True)
    if length < special + 2:
        raise ConfigError(
            f"preprocessing.text.max_length: {length} tokens, of which {special} are a pair's special ones, "
            "leave none for one of its texts"
        )


def _check(file: Path, tokenizer: Tokenizer, pad: str, architecture: Architecture) -> None:
    """IntegrityError if it is not the tokenizer of this model."""
    size = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1
    _require_size(file, size, architecture)
    _require_padding(file, pad, tokenizer.token_to_id(pad), architecture)
    special = tokenizer.num_special_tokens_to_add(is_pair=False)
    if special >= architecture.longest:
        raise IntegrityError(f"{file} adds {special} special tokens, which leaves none for the text")


def _require_size(file: Path, size: int, architecture: Architecture) -> None:
    if not architecture.vocabulary - MOST_SPARE <= size <= architecture.vocabulary:
        raise IntegrityError(
            f"{file} is the tokenizer of another vocabulary: it has {size:,} tokens, the model "
            f"{architecture.vocabulary:,}"
        )


def _require_padding(file: Path, pad: str, found: int | None, architecture: Architecture) -> None:
    if found != architecture.padding:
        has = "no such token" if found is None else f"id {found}"
        raise IntegrityError(
            f"{file} is the tokenizer of another vocabulary: {pad} has {has}, and pad_token_id is "
            f"{architecture.padding}"
        )


def _loaded(text: str) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_str(text)


def _apply(options: Document, document: Document, family: str) -> None:
    """What tokenizer_config.json says of the normalisation goes before what tokenizer.json does; for BERT's
    tokenizers so do the defaults of transformers, which lower case where nobody has said."""
    normalizer = document.get("normalizer")
    if isinstance(normalizer, dict) and normalizer.get("type") == "BertNormalizer":
        taken = family in BERTS and options.get("tokenizer_class") not in GENERIC
        for key, ours in (
            ("do_lower_case", "lowercase"),
            ("tokenize_chinese_chars", "handle_chinese_chars"),
        ):
            if isinstance(options.get(key), bool):
                normalizer[ours] = options[key]
            elif taken:
                normalizer[ours] = True
        if "strip_accents" in options and isinstance(options["strip_accents"], bool | None):
            normalizer["strip_accents"] = options["strip_accents"]
        elif taken:
            normalizer["strip_accents"] = None
    inputs = options.get("model_input_names")
    if isinstance(inputs, list) and "token_type_ids" not in inputs:
        without_segments(document.get("post_processor"))
    splitter, spaced = document.get("pre_tokenizer"), options.get("add_prefix_space")
    if isinstance(splitter, dict) and splitter.get("type") == "ByteLevel" and isinstance(spaced, bool):
        splitter["add_prefix_space"] = spaced


def without_segments(processor: object) -> None:
    """Both texts of a pair get segment 0: the model is not told which is which."""
    if not isinstance(processor, dict):
        return
    for one in processor.get("processors") or ():
        without_segments(one)
    for piece in processor.get("pair") or () if processor.get("type") == "TemplateProcessing" else ():
        for said in piece.values():
            said["type_id"] = 0


def _special_tokens(folder: Path, options: Document, family: str) -> dict[str, str]:
    """Role -> token: the family's, then special_tokens_map.json, then tokenizer_config.json."""
    found = dict(SPECIAL_TOKENS.get(family, BERT))
    for said in (read_map_if_there(folder / SPECIAL), options):
        for role in found:
            token = said.get(role)
            token = token.get("content") if isinstance(token, dict) else token
            if isinstance(token, str):
                found[role] = token
    return found


def _built(folder: Path, options: Document, named: dict[str, str], architecture: Architecture) -> Document:
    """A tokenizer.json from the files that came before there was one."""
    made = _word_pieces(folder, named) if (folder / WORDS).is_file() else _byte_pairs(folder)
    _add_tokens(made, folder, options, named)
    _add_special(made, named, architecture.family)
    document: Document = json.loads(made.to_str())
    return document


def _word_pieces(folder: Path, named: dict[str, str]) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    vocabulary = {line: number for number, line in enumerate(_lines(folder / WORDS))}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token=named["unk_token"], max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True
    )
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece(prefix="##")
    return made


def _lines(file: Path) -> list[str]:
    lines = read_text(file, MOST).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.rstrip("\r") for line in lines]


def _byte_pairs(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    vocabulary = read_map(folder / PIECES, MOST)
    merges = []
    for line in read_text(folder / MERGES, MOST).split("\n"):
        if line.strip() and not line.startswith("#version"):
            left, _, right = line.rstrip("\r").partition(" ")
            merges.append((left, right))
    try:
        model = models.BPE(vocab=vocabulary, merges=merges, continuing_subword_prefix="", fuse_unk=False)
    except Exception as error:  # the library's own
        raise IntegrityError(f"{folder / MERGES} does not fit {PIECES}: {error}") from error
    made = Tokenizer(model)
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


def _add_tokens(made: Tokenizer, folder: Path, options: Document, named: dict[str, str]) -> None:
    """Special tokens, and those added to the vocabulary later, with the ids that the folder gives them."""
    tokens = {token: _special(token, role) for role, token in named.items()}
    ids: dict[str, object] = dict(read_map_if_there(folder / ADDED))
    tokens |= {token: _plain(token) for token in ids if token not in tokens}
    decoder = options.get("added_tokens_decoder")
    for number, said in decoder.items() if isinstance(decoder, dict) else ():
        if isinstance(said, dict) and isinstance(said.get("content"), str) and number.isdecimal():
            tokens[said["content"]] = _as_said(said)
            ids[said["content"]] = int(number)
    there = made.get_vocab(with_added_tokens=True)

    def place(token: str) -> int:
        wanted = ids.get(token, there.get(token))
        return wanted if isinstance(wanted, int) else len(there) + len(tokens)

    for token in sorted(tokens, key=place):  # the library numbers new ones as they come
        added = tokens[token]
        (made.add_special_tokens if added.special else made.add_tokens)([added])
    for token, wanted in ids.items():
        if made.token_to_id(token) != wanted:
            raise IntegrityError(f"{folder}: the added token {token!r} cannot have the id {wanted!r}")


def _special(token: str, role: str) -> AddedToken:
    from tokenizers import AddedToken

    eats_space = role == "mask_token" and token == ROBERTA["mask_token"]
    return AddedToken(token, lstrip=eats_space, normalized=False, special=True)


def _plain(token: str) -> AddedToken:
    from tokenizers import AddedToken

    return AddedToken(token, normalized=True, special=False)


def _as_said(said: Document) -> AddedToken:
    from tokenizers import AddedToken

    flags = {
        key: said.get(key) is True for key in ("single_word", "lstrip", "rstrip", "normalized", "special")
    }
    return AddedToken(said["content"], **flags)


def _add_special(made: Tokenizer, named: dict[str, str], family: str) -> None:
    """Special tokens around every text."""
    from tokenizers import processors

    first, last = named["cls_token"], named["sep_token"]
    vocabulary = made.get_vocab(with_added_tokens=True)
    ids = [(token, vocabulary[token]) for token in (first, last)]
    if family in SPECIAL_TOKENS:
        made.post_processor = processors.RobertaProcessing(ids[1], ids[0], True, False)
        return
    made.post_processor = processors.TemplateProcessing(
        single=f"{first}:0 $A:0 {last}:0", pair=f"{first}:0 $A:0 {last}:0 $B:1 {last}:1", special_tokens=ids
    )
