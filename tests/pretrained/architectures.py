"""Encoders for tests: an architecture, and a folder."""

from __future__ import annotations

from pathlib import Path

BERT = Path(__file__).parent / "folders" / "bert"

TINY_ENCODER = {
    "family": "mpnet",
    "vocabulary": 30,
    "width": 8,
    "embedding_width": 6,
    "blocks": 2,
    "heads": 2,
    "feed_forward": 12,
    "positions": 24,
    "segments": 2,
    "first_position": 1,
    "padding": 0,
    "activation": "gelu",
    "epsilon": 1e-12,
    "dropout": 0.1,
    "attention_dropout": 0.1,
    "buckets": 32,
    "pooling": None,
}
"""An architecture with every part that a family may have."""
