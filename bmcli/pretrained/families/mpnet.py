"""MPNet (Song et al. 2020, arXiv:2004.09297): a bias for relative positions, which all blocks share."""

from __future__ import annotations

from bmcli.core.plain import Document
from bmcli.pretrained.architecture import Architecture
from bmcli.pretrained.families import Family, bert
from bmcli.pretrained.options import Options

BUCKETS = 32
PADDING = 1
"""Both are fixed in the original, whatever config.json says."""


def _read(options: Options) -> Architecture:
    options.require("relative_attention_num_buckets", BUCKETS)
    options.require("pad_token_id", PADDING)
    return bert.architecture(
        options, "mpnet", padding=PADDING, segments=None, positions_after_padding=True, buckets=BUCKETS
    )


def _options(architecture: Architecture) -> Document:
    found = bert.options_of(architecture, "MPNetModel")
    del found["type_vocab_size"]
    return {**found, "relative_attention_num_buckets": architecture.buckets}


FAMILY = Family(
    "mpnet.",
    _read,
    _options,
    {**bert.LAYERS, "relative_positions": "encoder.relative_attention_bias"},
    bert.BLOCK,
    {
        **bert.IN_BLOCK,
        "attention_query": "attention.attn.q",
        "attention_key": "attention.attn.k",
        "attention_value": "attention.attn.v",
        "attention_output": "attention.attn.o",
        "attention_norm": "attention.LayerNorm",
    },
)
