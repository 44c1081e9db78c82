"""RoBERTa (Liu et al. 2019, arXiv:1907.11692): BERT whose positions begin after the padding id."""

from __future__ import annotations

from bmcli.core.plain import Document
from bmcli.pretrained.architecture import Architecture
from bmcli.pretrained.families import Family, bert
from bmcli.pretrained.options import Options


def _read(options: Options) -> Architecture:
    return bert.architecture(options, "roberta", padding=1, positions_after_padding=True)


def _options(architecture: Architecture) -> Document:
    return bert.options_of(architecture, "RobertaModel")


FAMILY = Family("roberta.", _read, _options, bert.LAYERS, bert.BLOCK, bert.IN_BLOCK)
