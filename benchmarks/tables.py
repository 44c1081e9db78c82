"""Reading a table and understanding its columns, against polars' own `read_csv`.

    python benchmarks/tables.py [--rows 200000] [--columns 50]

A table of numbers, whole numbers, categories, dates, booleans and an identifier is written to a temporary
folder in three dialects: plain, with every cell quoted and quotation marks, commas and line breaks in some,
and with semicolons and decimal commas. polars reads each with the delimiter and the decimal mark that it is
told; bm finds both out, checks every row, and then says what each column means (`files.tables.read` and
`files.columns.facts_of`: what `bm check --build` shows).

Each side is a process of its own; what is imported is not measured.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from _sides import Finished, alternate, begin, new_parser, python, ratio, run, show, spread

DIALECTS = ("plain", "quoted", "decimal commas")
SIDES = ("bm", "polars")


def main() -> None:
    if "--read" in sys.argv:  # one side, in its own process
        _, _, side, path = sys.argv
        print(json.dumps(bm_reads(Path(path)) if side == "bm" else polars_reads(Path(path))))
        return
    parser = new_parser(__doc__, quick="2,000 rows")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = begin(parser)
    rows = 2_000 if arguments.quick else arguments.rows
    with tempfile.TemporaryDirectory(prefix="bm-benchmark-") as folder:
        for dialect in DIALECTS:
            path = Path(folder) / f"{dialect.replace(' ', '_')}.csv"
            write(path, dialect, rows, arguments.columns)
            compare(path, dialect, rows, arguments.columns, arguments.rounds)
            path.unlink()


def compare(path: Path, dialect: str, rows: int, columns: int, rounds: int) -> None:
    """Print the table of one dialect."""

    def read(side: str, _round: int) -> Finished:
        return run(python(__file__, "--read", side, str(path)))

    measured = alternate({side: partial(read, side) for side in SIDES}, rounds)
    seconds = {side: [done.result["all"] for done in results] for side, results in measured.items()}
    body = []
    for side, results in measured.items():
        found = [done.result for done in results]
        more = [mine - theirs for mine, theirs in zip(seconds[side], seconds["polars"], strict=True)]
        cells = [spread([result[part] for result in found], 2) for part in ("read", "understood", "all")]
        cells += [spread(more, 2), f"{ratio(seconds[side], seconds['polars']):.2f}"]
        body.append([side, *cells, f"{max(done.peak for done in results):,.0f}"])
    head = ["", "s to read", "s to understand", "s in all", "s more", "ratio", "peak MiB"]
    size = path.stat().st_size / 2**20
    show(f"{dialect}: {rows:,} rows × {columns} columns, {size:,.0f} MiB", head, body)


def write(path: Path, dialect: str, rows: int, columns: int) -> None:
    """Three fifths numbers with fractions, a fifth whole numbers, the rest of all other kinds."""
    import numpy as np
    import polars as pl

    random = np.random.default_rng(0)
    days = np.datetime64("2020-01-01") + np.arange(700)
    kinds: dict[str, Any] = {
        "id": [f"u{i:07}" for i in range(rows)],
        "when": random.choice(days, rows),
        "flag": random.choice([True, False], rows),
        "target": random.integers(0, 2, rows),
    }
    data: dict[str, Any] = {}
    for i in range(columns - len(kinds)):
        part = i / (columns - len(kinds))
        if part < 0.65:
            data[f"number_{i}"] = np.round(random.normal(size=rows) * 100, 3)
        elif part < 0.87:
            data[f"whole_{i}"] = random.integers(0, 1000, rows)
        else:
            colours = ["red", "green", "blue", "grey"]
            if dialect == "quoted":
                colours = ["red", 'a "dark" green', "blue, or so", "grey\nor black"]
            data[f"colour_{i}"] = random.choice(colours, rows)
    frame = pl.DataFrame({**data, **kinds})
    if dialect == "decimal commas":
        frame.write_csv(path, separator=";", decimal_comma=True)
    else:
        frame.write_csv(path, quote_style="always" if dialect == "quoted" else "necessary")


def polars_reads(path: Path) -> dict[str, float]:
    """Seconds of polars, which is told how the file is written."""
    import polars as pl

    comma = "comma" in path.stem
    began = time.perf_counter()
    pl.read_csv(path, separator=";" if comma else ",", decimal_comma=comma)
    seconds = time.perf_counter() - began
    return {"read": seconds, "understood": 0.0, "all": seconds}


def bm_reads(path: Path) -> dict[str, float]:
    """Seconds of bm: the rows, then what each column means."""
    from bmcli.files import tables
    from bmcli.files.columns import facts_of

    began = time.perf_counter()
    frame = tables.read(path)
    read = time.perf_counter()
    facts = facts_of(frame.data)
    ended = time.perf_counter()
    types = {about.type for about in facts.values()}
    assert not frame.problems and types >= {"number", "category", "date", "boolean"}
    return {"read": read - began, "understood": ended - read, "all": ended - began}


if __name__ == "__main__":
    main()
