"""ELECTRA (Clark et al. 2020, arXiv:2003.10555): BERT with narrower embeddings, which are projected."""

from __future__ import annotations

from bmcli.pretrained.architecture import Architecture
from bmcli.pretrained.families import Family, bert
from bmcli.pretrained.options import Options


def _read(options: Options) -> Architecture:
    return bert.architecture(options, "electra", embedding_width=options.whole("embedding_size", 128))


FAMILY = Family(
    "electra.",
    _read,
    {**bert.LAYERS, "embedding_projection": "embeddings_project"},
    bert.BLOCK,
    bert.IN_BLOCK,
)
