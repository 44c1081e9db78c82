"""Which suffix holds what, and which folder names are splits: the one list of each. Imports nothing heavy."""

from __future__ import annotations

HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
"""Images that need the extra 'heic'."""
IMAGE_SUFFIXES = HEIC_SUFFIXES | {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp"),
    *(".png", ".gif", ".bmp", ".webp", ".avif", ".tif", ".tiff"),
}
TEXT_SUFFIXES = frozenset({".txt"})
"""Files of a folder that are a text each."""
DELIMITED_SUFFIXES = frozenset({".csv", ".tsv"})
JSON_LINES_SUFFIXES = frozenset({".jsonl", ".ndjson"})
TABLE_SUFFIXES = DELIMITED_SUFFIXES | JSON_LINES_SUFFIXES | {".parquet"}

SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
"""Names of the folders that are splits, in lower case."""
