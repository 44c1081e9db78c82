"""Tables."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

import polars as pl

from tests.faults.hostile.case import DATA, Place, hostile, simple


def table(place: Place, content: str | bytes, name: str = "t.csv", more: str = ", target: y") -> list[str]:
    """`bm check --build` of a table."""
    place.file(name, content)
    return place.build(f"path: {name}{more}")


ROWS = "x,y\n" + "1,p\n2,q\n" * 20

simple("csv: NUL bytes", DATA, "not a text file", slow=True, make=lambda p: table(p, b"x,y\n1,\0\n" * 100))
simple(
    "csv: NUL bytes far down",
    DATA,
    "t.csv",
    slow=True,
    make=lambda p: table(p, ROWS.encode() * 200 + b"\0" * 100_000 + b"\n"),
)
simple("csv: one line of 200 MB", DATA, "t.csv", slow=True, make=lambda p: table(p, b"x" * 200_000_000))
simple(
    "csv: a cell of 200 MB",
    DATA,
    "t.csv",
    slow=True,
    make=lambda p: table(p, ROWS.encode() + b"x" * 200_000_000),
)
simple(
    "csv: one line of 20 million cells",
    DATA,
    "t.csv",
    slow=True,
    make=lambda p: table(p, ROWS.encode() + b"1," * 20_000_000),
)
simple("csv: ragged rows", DATA, "instead of 2", make=lambda p: table(p, ROWS + "1,2,3\n1\n" * 5000))
simple("csv: UTF-16", DATA, "UTF-16", slow=True, make=lambda p: table(p, ROWS.encode("utf-16")))
simple("csv: only a header", DATA, "no rows", slow=True, make=lambda p: table(p, "x,y\n"))
simple(
    "csv: a quote never closed",
    DATA,
    "never closed",
    slow=True,
    make=lambda p: table(p, ROWS + '1,"p\n' + "2,q\n" * 1_000_000),
)
simple("csv: 100 GB of nothing", DATA, "not a text file", make=lambda p: sparse(p, "t.csv"))
simple("jsonl: 100 GB of nothing", DATA, "not a text file", slow=True, make=lambda p: sparse(p, "t.jsonl"))
simple(
    "csv: labels of terminal codes, markup and formulas",
    DATA,
    r"\x1b[31m",
    "[red]",
    "=cmd()",
    r"\u202e",
    "<script>",
    make=lambda p: table(
        p,
        "x,y\n1,\x1b[31mx\n2,[red]\n3,=cmd()\n4,\u202etxt\n5,<script>alert(1)</script>\n",
        more=", target: y, task: regression",
    ),
)
simple(
    "csv: a header of terminal codes",
    DATA,
    r"\x1b]0;",
    slow=True,
    make=lambda p: table(p, "x,\x1b]0;gone\x07\n1,2\n", more=", target: z"),
)


def sparse(place: Place, name: str) -> list[str]:
    """A table that is one long hole."""
    args = table(place, b"", name)
    os.truncate(place.work / name, 10**11)
    return args


@hostile("csv: 100,000 columns", DATA, "t.csv", slow=True)
def _(place: Place) -> list[str]:
    header = ",".join(f"c{i}" for i in range(100_000))
    return table(place, f"{header}\n" + (",".join(["1"] * 100_000) + "\n") * 3 + "1,2\n")


@hostile("csv: a pipe", DATA, "t.csv")
def _(place: Place) -> list[str]:
    os.mkfifo(place.work / "t.csv")
    return place.build("path: t.csv, target: y")


simple(
    "jsonl: nested 1,000,000 deep",
    DATA,
    ":2",
    make=lambda p: table(p, '{"x": 1, "y": "p"}\n' + "[" * 1_000_000, "t.jsonl"),
)
simple(
    "jsonl: nothing but malformed lines",
    DATA,
    ":1",
    ":3",
    "not JSON",
    make=lambda p: table(p, "{\n[1]\nnonsense\n", "t.jsonl"),
)
simple(
    "jsonl: no objects",
    DATA,
    ":1",
    "not a JSON object",
    slow=True,
    make=lambda p: table(p, '1\n"x"\nnull\n[]\n', "t.jsonl"),
)
simple("jsonl: empty objects", DATA, "t.jsonl", slow=True, make=lambda p: table(p, "{}\n" * 100, "t.jsonl"))
simple(
    "jsonl: NaN, infinity and numbers of 5,000 digits",
    DATA,
    "infinite",
    "digits",
    make=lambda p: table(
        p,
        '{"x": NaN, "y": "p"}\n{"x": 1, "y": "q"}\n' * 10
        + f'{{"x": Infinity, "y": "p"}}\n{{"x": 1{"0" * 400}, "y": "p"}}\n{{"x": {"9" * 5000}, "y": "p"}}\n',
        "t.jsonl",
    ),
)
simple(
    "jsonl: one line of 200 MB",
    DATA,
    "t.jsonl",
    slow=True,
    make=lambda p: table(p, b'{"x": "' + b"x" * 200_000_000, "t.jsonl"),
)
simple(
    "jsonl: every row another key",
    DATA,
    "t.jsonl",
    make=lambda p: table(p, "".join(f'{{"k{i}": 1, "y": "p"}}\n' for i in range(30_000)), "t.jsonl"),
)
simple("parquet: text", DATA, "Parquet", slow=True, make=lambda p: table(p, ROWS, "t.parquet"))
simple(
    "parquet: only its mark", DATA, "Parquet", slow=True, make=lambda p: table(p, b"PAR1PAR1", "t.parquet")
)
simple(
    "parquet: a footer of 2 GiB",
    DATA,
    "Parquet",
    make=lambda p: table(p, b"PAR1" + b"\xff\xff\xff\x7fPAR1", "t.parquet"),
)


def parquet(place: Place, spoil: Callable[[bytes], bytes], **columns: Any) -> list[str]:
    """`bm check --build` of a Parquet file."""
    buffer = io.BytesIO()
    pl.DataFrame({**columns, "y": ["p", "q"] * 10}).write_parquet(buffer)
    return table(place, spoil(buffer.getvalue()), "t.parquet", ", target: y")


simple(
    "parquet: cut short", DATA, "Parquet", make=lambda p: parquet(p, lambda d: d[: len(d) // 2], x=[1.0] * 20)
)
simple(
    "parquet: a footer of noise",
    DATA,
    "Parquet",
    slow=True,
    make=lambda p: parquet(p, lambda d: d[:-200] + bytes(range(56, 248)) + d[-8:], x=[1.0] * 20),
)
simple(
    "parquet: nested columns",
    DATA,
    "nested",
    slow=True,
    make=lambda p: parquet(p, lambda d: d, x=[{"a": [{"b": 1}]}] * 20),
)
simple(
    "parquet: bytes", DATA, "x", slow=True, make=lambda p: parquet(p, lambda d: d, x=[b"\xff\0\x1b[31m"] * 20)
)
