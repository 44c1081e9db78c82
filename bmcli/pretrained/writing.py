"""An encoder written back as a folder that transformers and sentence-transformers open.

The reverse of `folder` and `tokenizer`: the family's own names for options and tensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.core.plain import Document
from bmcli.pretrained.architecture import Architecture
from bmcli.pretrained.families import family_of
from bmcli.pretrained.folder import CONFIG, POOLING, wanted
from bmcli.pretrained.tensors import WEIGHTS
from bmcli.pretrained.tokenizer import BERT, OPTIONS, SPECIAL_TOKENS, TOKENIZER

if TYPE_CHECKING:
    import numpy as np

HEAD = "head.safetensors"
"""The head, which is none of the family's own: `weight` [outputs, width] and `bias` [outputs], float32."""
MODULES, LIMITS = "modules.json", "sentence_bert_config.json"
PART_OF = "sentence_transformers.models."


def write(
    folder: Path,
    architecture: Architecture,
    weights: Mapping[str, np.ndarray],
    tokenizer: str,
    *,
    pooling: str,
    max_length: int,
    truncate: str,
) -> None:
    """Fill a folder.

    weights: variable path -> float32 array, the head's too; tokenizer: the text of a tokenizer.json with its
    padding; pooling: 'cls' or 'mean'; max_length: tokens kept of a text, cut off at its 'end' or 'start'.
    """
    import numpy as np
    from safetensors.numpy import save_file

    family = family_of(architecture.family)
    named = {}
    for variable, shape, names in wanted(architecture, family, ""):
        array = weights[variable].T if variable.endswith("/kernel") else weights[variable]
        assert array.shape == shape
        named[names[0]] = np.ascontiguousarray(array)
    about = {"format": "pt"}  # transformers asks for it: laid out as in PyTorch
    save_file(named, folder / WEIGHTS, metadata=about)
    head = {"weight": np.ascontiguousarray(weights["head/kernel"].T), "bias": weights["head/bias"]}
    save_file(head, folder / HEAD, metadata=about)
    _write_json(folder / CONFIG, family.options(architecture))
    (folder / TOKENIZER).write_text(tokenizer, encoding="utf-8")
    _write_json(folder / OPTIONS, _tokenizer_options(architecture, tokenizer, truncate))
    _write_json(folder / LIMITS, {"max_seq_length": max_length, "do_lower_case": False})
    modes = {f"pooling_mode_{mode}": mode.startswith(pooling) for mode in ("cls_token", "mean_tokens")}
    (folder / POOLING).parent.mkdir()
    _write_json(folder / POOLING, {"word_embedding_dimension": architecture.width, **modes})
    parts = (("", "Transformer"), (Path(POOLING).parent.name, "Pooling"))
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"{PART_OF}{kind}"}
        for number, (path, kind) in enumerate(parts)
    ]
    _write_json(folder / MODULES, modules)


def _tokenizer_options(architecture: Architecture, tokenizer: str, truncate: str) -> Document:
    """tokenizer_config.json: that tokenizer.json is to be taken as it is, and what its special tokens are
    for."""
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": architecture.longest,
        "truncation_side": "right" if truncate == "end" else "left",
        "clean_up_tokenization_spaces": False,
        "model_input_names": [name for name in inputs if architecture.segments > 1 or name != inputs[1]],
        **_special_tokens(json.loads(tokenizer), architecture.family),
    }


def _special_tokens(document: Document, family: str) -> dict[str, str]:
    """Role -> token: as the tokenizer uses them; the others as the family calls them, if it has these. A name
    that is not in the vocabulary would be added to it."""
    there = {token["content"] for token in document["added_tokens"]}
    found = {role: name for role, name in SPECIAL_TOKENS.get(family, BERT).items() if name in there}
    found["pad_token"] = document["padding"]["pad_token"]
    if isinstance(unknown := document["model"].get("unk_token"), str):
        found["unk_token"] = unknown
    around = _around(document.get("post_processor") or {})
    if len(around) > 1:
        found |= {"cls_token": around[0], "sep_token": around[-1]}
    return found


def _around(processor: Document) -> list[str]:
    """The special tokens that are put around a single text, in order."""
    if processor.get("type") == "Sequence":
        inner = [_around(one) for one in processor["processors"]]
        return next((tokens for tokens in inner if tokens), [])
    if "cls" in processor:  # BertProcessing, RobertaProcessing: [token, id]
        return [processor["cls"][0], processor["sep"][0]]
    return [one["SpecialToken"]["id"] for one in processor.get("single", []) if "SpecialToken" in one]


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
