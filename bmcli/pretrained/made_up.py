"""A small encoder with random weights, as a folder: what a smoke test has in place of weights that are not
on this machine."""

from __future__ import annotations

import json
import string
from pathlib import Path

from bmcli.pretrained.families import family_of
from bmcli.pretrained.folder import CONFIG, architecture_of, wanted
from bmcli.pretrained.tensors import WEIGHTS
from bmcli.pretrained.tokenizer import BERT, WORDS

OPTIONS = {
    "model_type": "bert",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 512,
}
SPREAD = 0.02


def write(folder: Path) -> None:
    """Fill an empty folder: BERT's form, with a vocabulary of single characters."""
    import numpy as np
    from safetensors.numpy import save_file

    letters = [*string.ascii_lowercase, *string.digits]
    special = [BERT[role] for role in ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")]
    lines = [*special, *letters, *(f"##{one}" for one in letters), *string.punctuation]
    (folder / WORDS).write_text("\n".join(lines) + "\n", "utf-8")
    (folder / CONFIG).write_text(json.dumps({**OPTIONS, "vocab_size": len(lines)}), "utf-8")
    architecture = architecture_of(folder)
    random = np.random.default_rng(0)
    weights = {}
    for variable, shape, names in wanted(architecture, family_of(architecture.family), ""):
        if variable.endswith("/gamma"):
            weights[names[0]] = np.ones(shape, np.float32)
        else:
            weights[names[0]] = random.normal(0, SPREAD, shape).astype(np.float32)
    save_file(weights, folder / WEIGHTS)
