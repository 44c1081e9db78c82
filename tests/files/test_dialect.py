"""Whether the first row names the columns, and where a table begins."""

from __future__ import annotations

import pytest

from bmcli.files.dialect import Options, dialect_of, lines_of

N = 12


def dialect(rows: list[list[str]], head: list[str] | None = None, *names: str, delimiter: str = ","):
    every = [*([head] if head else []), *rows]
    text = "".join(delimiter.join(row) + "\n" for row in every)
    return dialect_of(lines_of(text), Options(names=frozenset(names)), ",")


NUMBERS = [[str(i * 3.5), str(i * 2.5), str(i + 0.5)] for i in range(N)]
WORDS = [[("red", "green", "blue")[i % 3], "ab"[i % 2]] for i in range(N)]


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        (["a", "b", "c"], NUMBERS),
        (["colour", "kind"], WORDS),
        (["name", "city"], [[f"n{i}", f"c{i * 3}"] for i in range(N)]),
        (["text", "label"], [[f"so {i} many words", ("pos", "neg")[i % 2]] for i in range(N)]),
        (["2019", "2020", "2021"], NUMBERS),
        (["1990", "2000", "2005"], NUMBERS),
        (["country", "1990", "2000"], [[f"c{i}", str(i * 3.5), str(i + 0.5)] for i in range(N)]),
        (["0", "1", "2"], NUMBERS),
        (["400", "402", "404", "406", "408"], [[str(i * k * k % 17) for k in range(1, 6)] for i in range(N)]),
        (["", "0", "1"], [[str(i), str(i * 1.5), str(i % 2)] for i in range(N)]),
        (["", "0"], [[str(i + 1), str(i * 1.5)] for i in range(N)]),
        (["when", "2020-01-01"], [[f"2020-01-{i + 1:02}", str(i)] for i in range(N)]),
    ],
)
def test_a_header(head: list[str], rows: list[list[str]]) -> None:
    assert dialect(rows, head).header


@pytest.mark.parametrize(
    "rows",
    [
        NUMBERS,
        WORDS,
        [[str(i * 3 + 1), str(i * 25 + 3), str(i % 2)] for i in range(N)],
        [[f"this is a sentence {i}", ("pos", "neg")[i % 2]] for i in range(N)],
        [[f"img_{i:04}.png", ("cat", "dog")[i % 2]] for i in range(N)],
        [[str(5 + i % 7 / 10), ("setosa", "virginica")[i // 6]] for i in range(N)],
        [[f"2020-01-{i + 1:02}", str(i * 1.5), "ab"[i % 2]] for i in range(N)],
        [[str(842302 + i * 97), "MB"[i % 2], str(i * 1.1)] for i in range(N)],
        [["?" if i == 0 else str(i), "ab"[i % 2], str(i * 1.1)] for i in range(N)],
        [[str(1950 + i), str(1960 + i), str(i)] for i in range(N)],  # years below as well
        [[str(k + i) for k in range(2, 12, 2)] for i in range(N)],  # equal steps in every row
    ],
)
def test_no_header_is_said(rows: list[list[str]]) -> None:
    found = dialect(rows)
    assert not found.header and any("the first row is data" in note for note in found.notes)


def test_the_config_knows_better() -> None:
    assert dialect(WORDS, None, "red").header
    assert dialect_of(["a,b\n", "1,2\n"], Options(header=False), ",").header is False


@pytest.mark.parametrize("title", ["Report", "Report,,", ",,Report", "one, and two, and three, and four"])
def test_a_title_is_above_the_table(title: str) -> None:
    lines = [f"{title}\n", "a,b,c\n", *(",".join(row) + "\n" for row in NUMBERS)]
    found = dialect_of(lines, Options(), ",")
    if title == ",,Report":
        assert found.skipped in (0, 1)
        return
    assert (found.skipped, found.header) == (1, True)
    assert any("1 line above the table left out" in note for note in found.notes)


@pytest.mark.parametrize("head", ["b,c", "a,b,c,", "a,b,c,,"])
def test_a_header_of_other_cells_than_the_rows_is_no_title(head: str) -> None:
    lines = [f"{head}\n", *(",".join(row) + "\n" for row in NUMBERS)]
    found = dialect_of(lines, Options(), ",")
    assert (found.skipped, found.header) == (0, True)


def test_the_delimiter_is_the_one_that_leaves_whole_cells() -> None:
    assert dialect([[f"{i},5", f"{i},25", "1,0"] for i in range(N)], delimiter=";").delimiter == ";"
    assert dialect([[str(i), "x|y"] for i in range(N)], ["a", "b"]).delimiter == ","
    assert dialect([[str(i), "x;y;z", "u;v"] for i in range(N)], ["a", "b", "c"]).delimiter == ","
    assert dialect([[f"John Smith{i}"] for i in range(N)], ["name"]).delimiter == ","
    assert dialect([[f"a sentence of {i} words"] for i in range(N)], ["text"]).delimiter == ","
