"""`bm check` without --build knows what can be known without the data: it opens no table and no image."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

_WATCHED = """
import sys

def watch(event, arguments):
    if event == "open" and "/data/" in str(arguments[0]):
        print("OPENED", arguments[0], file=sys.stderr)

sys.addaudithook(watch)
from bmcli.cli.app import main
main()
"""


def check(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _WATCHED, "check", "c.yaml", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_no_table_is_opened(name: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    # Whoever opens a pipe that nobody writes to waits for ever, in whatever language.
    os.mkfifo(tmp_path / "data" / name)
    (tmp_path / "c.yaml").write_text(f"data: {{path: data/{name}, target: y}}\nmodel: mlp\n")
    done = check(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "OPENED" not in done.stderr


def test_no_image_is_opened(tmp_path: Path) -> None:
    for i in range(12):
        path = tmp_path / "data" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), i * 20, np.uint8)).save(path)
    (tmp_path / "c.yaml").write_text("data: {path: data/}\nmodel: cnn\npreprocessing: {image: {size: 32}}\n")
    done = check(tmp_path)
    assert done.returncode == 0, done.stderr
    assert ".png" not in done.stderr


def test_what_is_watched_is_seen(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    pl.DataFrame({"x": [i % 7 for i in range(40)], "y": ["a", "b"] * 20}).write_csv(
        tmp_path / "data" / "t.csv"
    )
    (tmp_path / "c.yaml").write_text("data: {path: data/t.csv, target: y}\nmodel: mlp\n")
    assert "OPENED" in check(tmp_path, "--build").stderr
