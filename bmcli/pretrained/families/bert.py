"""BERT (Devlin et al. 2018, arXiv:1810.04805); MiniLM and many others have its form."""

from __future__ import annotations

from bmcli.core.plain import Document
from bmcli.pretrained.architecture import PUBLISHED, Architecture
from bmcli.pretrained.families import Family
from bmcli.pretrained.options import Options

LAYERS = {
    "token_embedding": "embeddings.word_embeddings",
    "position_embedding": "embeddings.position_embeddings",
    "segment_embedding": "embeddings.token_type_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
}
BLOCK = "encoder.layer.{}"
IN_BLOCK = {
    "attention_query": "attention.self.query",
    "attention_key": "attention.self.key",
    "attention_value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "feed_forward1": "intermediate.dense",
    "feed_forward2": "output.dense",
    "feed_forward_norm": "output.LayerNorm",
}


def architecture(
    options: Options,
    family: str,
    *,
    padding: int = 0,
    embedding_width: int | None = None,
    segments: int | None = 2,
    positions_after_padding: bool = False,
    buckets: int = 0,
) -> Architecture:
    """From a config.json with BERT's keys.

    padding: the default of pad_token_id. embedding_width: None: that of the states. segments: the default of
    type_vocab_size; None: the family has no segments, whatever the file says. positions_after_padding:
    whether position 0 is padding + 1.
    """
    options.refuse("is_decoder", "add_cross_attention")
    options.require("position_embedding_type", "absolute")
    width = options.whole("hidden_size")
    padding = options.whole("pad_token_id", padding)
    return Architecture(
        family=family,
        vocabulary=options.whole("vocab_size"),
        width=width,
        embedding_width=embedding_width or width,
        blocks=options.whole("num_hidden_layers"),
        heads=options.whole("num_attention_heads"),
        feed_forward=options.whole("intermediate_size"),
        positions=options.whole("max_position_embeddings", 512),
        segments=0 if segments is None else options.whole("type_vocab_size", segments),
        first_position=padding + 1 if positions_after_padding else 0,
        padding=padding,
        activation=options.activation("hidden_act"),
        epsilon=options.number("layer_norm_eps", 1e-12),
        dropout=options.number("hidden_dropout_prob", 0.1),
        attention_dropout=options.number("attention_probs_dropout_prob", 0.1),
        buckets=buckets,
    )


def options_of(architecture: Architecture, network: str) -> Document:
    """The reverse: a config.json with BERT's keys. network: what transformers calls the encoder."""
    return {
        "model_type": architecture.family,
        "architectures": [network],
        "vocab_size": architecture.vocabulary,
        "hidden_size": architecture.width,
        "num_hidden_layers": architecture.blocks,
        "num_attention_heads": architecture.heads,
        "intermediate_size": architecture.feed_forward,
        "max_position_embeddings": architecture.positions,
        "type_vocab_size": architecture.segments,
        "pad_token_id": architecture.padding,
        "hidden_act": PUBLISHED[architecture.activation],
        "layer_norm_eps": architecture.epsilon,
        "hidden_dropout_prob": architecture.dropout,
        "attention_probs_dropout_prob": architecture.attention_dropout,
    }


def _read(options: Options) -> Architecture:
    return architecture(options, "bert")


def _options(architecture: Architecture) -> Document:
    return options_of(architecture, "BertModel")


FAMILY = Family("bert.", _read, _options, LAYERS, BLOCK, IN_BLOCK)
