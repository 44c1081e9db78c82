"""Predictions as files: .csv, .jsonl and .parquet, written atomically."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bmcli.core.errors import UsageError
from bmcli.core.sanitize import safe_cell
from bmcli.runs import outputs

if TYPE_CHECKING:
    from bmcli.inference.predictor import Prediction

SUFFIXES = (".csv", ".jsonl", ".parquet")


def check_suffix(path: Path) -> None:
    """UsageError unless a file of a known format can be written there; ask before the work is done."""
    if _suffix(path) not in SUFFIXES:
        raise UsageError(f"--output {path}: unknown format", hint=f"known: {', '.join(SUFFIXES)}")
    outputs.check(path)


def _suffix(path: Path) -> str:
    """The format's; standard output, a pipe or a device without one gets CSV."""
    return path.suffix.lower() or (".csv" if outputs.is_stream(path) else "")


def write(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write all predictions in the format of the suffix, in place of what was there.

    If `predictions` raises, nothing is written. ResourceError if the disk does not take it.
    """
    check_suffix(path)
    writer = {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": _write_parquet}[_suffix(path)]
    outputs.write_with(path, lambda temporary: writer(temporary, predictions), suffix=_suffix(path))


def flat(prediction: Prediction) -> dict[str, object]:
    """One row: input, run, and what the answer has. Kept columns come in between."""
    row: dict[str, object] = {"input": _valid(prediction.input), "run": prediction.run}
    answer = prediction.answer.row()
    for name, value in (prediction.kept or {}).items():
        row[f"{name} (input)" if name in row or name in answer else name] = value
    return row | answer


def _valid(name: str) -> str:
    """The name with bytes that are not UTF-8 written as \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace") if _has_surrogates(name) else name


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _write_csv(path: Path, predictions: Iterable[Prediction]) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer: csv.DictWriter[str] | None = None
        for row in map(flat, predictions):
            if writer is None:
                writer = csv.DictWriter(
                    file, list(row), lineterminator="\n", restval="", extrasaction="ignore"
                )
                writer.writeheader()
            cells = {k: safe_cell(v) if isinstance(v, str) else v for k, v in row.items()}
            writer.writerow(cells)


def _write_jsonl(path: Path, predictions: Iterable[Prediction]) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        file.writelines(_json_lines(predictions))


def _json_lines(predictions: Iterable[Prediction]) -> Iterator[str]:
    for prediction in predictions:
        yield json.dumps({"format": 1, **prediction.to_json()}, ensure_ascii=False, allow_nan=False) + "\n"


def _write_parquet(path: Path, predictions: Iterable[Prediction]) -> None:
    import polars as pl

    rows = [flat(prediction) for prediction in predictions]
    # Not strict: a column that is carried along may be of another type in each file.
    frame = pl.DataFrame(rows, infer_schema_length=None, strict=False)
    file: IO[bytes]
    with path.open("wb") as file:
        frame.write_parquet(file)
