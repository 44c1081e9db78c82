"""What examples are: a modality each for images, texts and tables, and those that plugins bring.

A folder per modality, found by its place; its `modality.py` registers the component, whose methods the other
rooms call. Importing this package, and a `modality.py`, is cheap: what computes is imported within methods.
"""

from __future__ import annotations

from bmcli.modalities.base import MODALITIES, Modality, modality_of, words_of

__all__ = ["MODALITIES", "Modality", "modality_of", "words_of"]
