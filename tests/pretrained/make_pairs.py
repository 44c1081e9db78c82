"""Adds `pairs.npz` to `folders/`: what transformers makes of pairs of texts, with the models made before.

Run with the packages torch and transformers, which bm does not use (made with transformers 5.24.0, torch
2.14.1, tokenizers 0.23.3):

    python tests/pretrained/make_pairs.py

Each file holds for PAIRS, cut to LENGTH tokens:

    ids, segments, used   int32, int32 and bool [pairs, LENGTH]: token ids, token types, what is not padding
    states                float32 [pairs, LENGTH, width], last hidden states; those of padding mean nothing
    starts                int32 [pairs, LENGTH]: token ids where the start of a longer text is cut instead
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.pretrained.make_folders import FOLDERS, LENGTH, TEXTS

LONG = "the film was good and not bad, a fine film of great fun that it is "
PAIRS = [
    ("A fine film.", "It is good."),
    ("Is it good?", LONG * 3),
    (LONG * 3, "It is bad."),
    (LONG * 3, LONG * 2),
    (LONG * 2, LONG * 3),
    ("a b c d e f g h i j k l", "a b c d e f g h i j k l m n o p"),
    ("with [SEP] or </s> in it", "and </s> here [SEP], too [CLS] <s>"),
    ("[SEP]", "</s>"),
    (TEXTS[4], TEXTS[5]),
    (TEXTS[2], TEXTS[3]),
    ("", "A fine film."),
    ("don't can't we're it's... (well?)", ""),
]


def make(folder: Path) -> None:
    """Of one folder."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    first, second = map(list, zip(*PAIRS, strict=True))
    options = {"padding": "max_length", "truncation": True, "max_length": LENGTH, "return_tensors": "pt"}
    given = tokenizer(first, second, **options)
    with torch.no_grad():
        states = model(**given).last_hidden_state.numpy()
    ids = given["input_ids"].numpy().astype(np.int32)
    segments = given["token_type_ids"].numpy() if "token_type_ids" in given else np.zeros_like(ids)
    tokenizer.truncation_side = "left"
    np.savez_compressed(
        folder / "pairs.npz",
        ids=ids,
        segments=segments.astype(np.int32),
        used=given["attention_mask"].numpy().astype(bool),
        states=states.astype(np.float32),
        starts=tokenizer(first, second, **options)["input_ids"].numpy().astype(np.int32),
    )


if __name__ == "__main__":
    for each in sorted(FOLDERS.iterdir()):
        make(each)
