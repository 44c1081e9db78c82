"""ELECTRA (Clark et al. 2020, arXiv:2003.10555): BERT with narrower embeddings, which are projected."""

from __future__ import annotations

from bmcli.core.plain import Document
from bmcli.pretrained.architecture import Architecture
from bmcli.pretrained.families import Family, bert
from bmcli.pretrained.options import Options


def _read(options: Options) -> Architecture:
    return bert.architecture(options, "electra", embedding_width=options.whole("embedding_size", 128))


def _options(architecture: Architecture) -> Document:
    found = bert.options_of(architecture, "ElectraModel")
    return {**found, "embedding_size": architecture.embedding_width}


FAMILY = Family(
    "electra.",
    _read,
    _options,
    {**bert.LAYERS, "embedding_projection": "embeddings_project"},
    bert.BLOCK,
    bert.IN_BLOCK,
)
