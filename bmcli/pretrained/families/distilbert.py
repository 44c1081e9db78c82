"""DistilBERT (Sanh et al. 2019, arXiv:1910.01108): BERT without segments, its config and tensors renamed."""

from __future__ import annotations

from bmcli.core.plain import Document
from bmcli.pretrained.architecture import PUBLISHED, Architecture
from bmcli.pretrained.families import Family
from bmcli.pretrained.options import Options

EPSILON = 1e-12
"""Fixed in the original, which has no key for it."""


def _read(options: Options) -> Architecture:
    options.require("layer_norm_eps", EPSILON)
    options.require("position_embedding_type", "absolute")
    width = options.whole("dim")
    return Architecture(
        family="distilbert",
        vocabulary=options.whole("vocab_size"),
        width=width,
        embedding_width=width,
        blocks=options.whole("n_layers"),
        heads=options.whole("n_heads"),
        feed_forward=options.whole("hidden_dim"),
        positions=options.whole("max_position_embeddings", 512),
        segments=0,
        first_position=0,
        padding=options.whole("pad_token_id", 0),
        activation=options.activation("activation"),
        epsilon=EPSILON,
        dropout=options.number("dropout", 0.1),
        attention_dropout=options.number("attention_dropout", 0.1),
    )


def _options(architecture: Architecture) -> Document:
    return {
        "model_type": architecture.family,
        "architectures": ["DistilBertModel"],
        "vocab_size": architecture.vocabulary,
        "dim": architecture.width,
        "n_layers": architecture.blocks,
        "n_heads": architecture.heads,
        "hidden_dim": architecture.feed_forward,
        "max_position_embeddings": architecture.positions,
        "sinusoidal_pos_embds": False,
        "pad_token_id": architecture.padding,
        "activation": PUBLISHED[architecture.activation],
        "dropout": architecture.dropout,
        "attention_dropout": architecture.attention_dropout,
    }


FAMILY = Family(
    "distilbert.",
    _read,
    _options,
    {
        "token_embedding": "embeddings.word_embeddings",
        "position_embedding": "embeddings.position_embeddings",
        "embedding_norm": "embeddings.LayerNorm",
    },
    "transformer.layer.{}",
    {
        "attention_query": "attention.q_lin",
        "attention_key": "attention.k_lin",
        "attention_value": "attention.v_lin",
        "attention_output": "attention.out_lin",
        "attention_norm": "sa_layer_norm",
        "feed_forward1": "ffn.lin1",
        "feed_forward2": "ffn.lin2",
        "feed_forward_norm": "output_layer_norm",
    },
)
