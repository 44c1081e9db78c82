"""CSV and TSV as people have them: the table in them, or an error or a note that names what is wrong."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from bmcli.core.errors import DataError
from bmcli.files import tables
from bmcli.files.columns import facts_of
from bmcli.files.dialect import Options
from bmcli.files.tables import Frame

HEAD = ["size", "colour", "kind"]
ROWS = [[f"{20 + i * 1.5:.1f}", ("red", "green", "blue")[i % 3], "yes" if i % 2 else "no"] for i in range(12)]
TYPES = ["number", "category", "boolean"]


def text(
    delimiter: str = ",",
    head: list[str] | None = HEAD,
    rows: list[list[str]] = ROWS,
    end: str = "\n",
    quote: str = "{}",
) -> str:
    every = ([head] if head else []) + rows
    return end.join(delimiter.join(quote.format(cell) for cell in row) for row in every) + end


def with_cell(row: int, cell: str, *more: tuple[int, str], delimiter: str = ",") -> str:
    rows = [list(each) for each in ROWS]
    for at, what in ((row, cell), *more):
        rows[at][1] = what
    return text(delimiter, rows=rows)


PLAIN = text()
COMMAS = [[size.replace(".", ","), *rest] for size, *rest in ROWS]

Read = Callable[..., Frame]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_(content: str | bytes, suffix: str = ".csv", **options: bool | str) -> Frame:
        path = tmp_path / f"t{suffix}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tables.read(path, Options(**options))  # type: ignore[arg-type]

    return read_


def cells(frame: Frame) -> list[list[str]]:
    return [[(cell or "").strip() for cell in row] for row in frame.data.rows()]


THE_TABLE = {
    "semicolons": text(";"),
    "tabs in a .csv": text("\t"),
    "bars": text("|"),
    "tildes": text("~"),
    "carets": text("^"),
    "blanks": text(" "),
    "sep=": "sep=;\n" + text(";"),
    "sep= in quotation marks, behind a mark": '\ufeff"sep=;"\r\n' + text(";", end="\r\n"),
    "sep= with delimiters": "sep=,,,\n" + PLAIN,
    "comments": "# made by x\n# y, z\n" + PLAIN,
    "a header in a comment": "# made by x, in 2020\n#" + PLAIN,
    "a comment between": PLAIN.replace("21.5", "# so, it goes on\n21.5", 1),
    "a comment at the end": PLAIN + "# end of file\n",
    "a title": "Sales report\n" + PLAIN,
    "a title of two lines": "Sales report\nfor Europe\n\n" + PLAIN,
    "a title with delimiters": "Sales report,,\n,,\n" + PLAIN,
    "a title of four cells": "Sales report, all of it, for 2020, by us\n" + PLAIN,
    "a quoted title": '"Sales report, 2020"\n' + PLAIN,
    "keys above the table": "Date:,2020-01-01\nAuthor:,me\n\n" + PLAIN,
    "blank lines": "\n\n" + PLAIN.replace("21.5", "\n21.5") + "  \n \n",
    "rows of delimiters at the end": PLAIN + ",,\n,,\n",
    "a number of rows below": PLAIN + "\n(12 rows)\n",
    "a number of rows in cells": PLAIN + "12 rows,,\n",
    "a source below": PLAIN + "\nSource: our own data\n",
    "psql": text(" | ").replace("\n", "\n------+--------+------\n", 1) + "(12 rows)\n",
    "rows end with a delimiter": text(rows=[[*row, ""] for row in ROWS]),
    "all end with two": text(head=[*HEAD, "", ""], rows=[[*row, "", ""] for row in ROWS]),
    "the header ends with a delimiter": text(head=[*HEAD, ""]),
    "some rows end with delimiters": text(rows=[row + [""] * (i % 3) for i, row in enumerate(ROWS)]),
    "all but the last end with a delimiter": text(rows=[[*row, ""] for row in ROWS])[:-2],
    "old Mac line ends": text(end="\r"),
    "Windows line ends": text(end="\r\n"),
    "mixed line ends": PLAIN.replace("\n", "\r\n", 5),
    "old and new line ends": PLAIN.replace("\n", "\r", 5),
    "line ends written twice": text(end="\r\r\n"),
    "line ends the wrong way round": text(end="\n\r"),
    "no last line end": PLAIN[:-1],
    "a byte order mark": "\ufeff" + text(quote='"{}"'),
    "two byte order marks": "\ufeff\ufeff" + PLAIN,
    "a mangled byte order mark": "ï»¿" + PLAIN,
    "UTF-16": text(end="\r\n").encode("utf-16"),
    "UTF-16 without a mark": PLAIN.encode("utf-16-be"),
    "all quoted": text(quote='"{}"'),
    "blanks before quotation marks": text(", ", quote='"{}"'),
    "blanks around quotation marks": text(" , ", quote='"{}"'),
    "apostrophes": text(quote="'{}'"),
    "typographic quotation marks": text(quote="“{}”"),
    "formulas": text(quote='="{}"'),
    "lines quoted whole": "\n".join(f'"{line}"' for line in PLAIN.splitlines()),
    "files put together": PLAIN[: PLAIN.index("29.0")] + "size,colour,kind\n" + PLAIN[PLAIN.index("29.0") :],
    "nothing visible around names": text(head=["\u00a0size", "\u200bcolour\u200b", " kind "]),
}


@pytest.mark.parametrize("name", THE_TABLE)
def test_the_table_in_it_is_found(name: str, read: Read) -> None:
    frame = read(THE_TABLE[name])
    assert frame.data.columns == HEAD and cells(frame) == ROWS and not frame.problems
    assert [about.type for about in facts_of(frame.data).values()] == TYPES


SAID = {
    "semicolons": "delimiter: ';'",
    "blanks": "delimiter: a blank",
    "comments": "2 comment lines before the header left out",
    "a comment between": "1 comment line between the rows left out",
    "a title of two lines": "2 lines above the table left out",
    "keys above the table": "2 lines above the table left out",
    "rows of delimiters at the end": "2 empty rows at the end left out",
    "a source below": "1 line below the table left out: 'Source: our own data'",
    "rows end with a delimiter": "every row ends with a delimiter: the empty last column is left out",
    "all end with two": "the 2 empty last columns are left out",
    "some rows end with delimiters": "8 rows with extra delimiters at the end",
    "UTF-16": "encoding: UTF-16",
    "apostrophes": "enclosed in apostrophes",
    "formulas": 'written as ="…"',
    "lines quoted whole": "every line is enclosed",
    "files put together": "1 row repeating the header left out",
}


@pytest.mark.parametrize("name", SAID)
def test_what_was_inferred_or_left_out_is_said(name: str, read: Read) -> None:
    assert SAID[name] in "\n".join(read(THE_TABLE[name]).notes)


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_suffix_may_be_wrong(delimiter: str, suffix: str, read: Read) -> None:
    assert cells(read(text(delimiter), suffix)) == ROWS


@pytest.mark.parametrize(
    "content",
    [text(";", rows=COMMAS), text("\t", rows=COMMAS), text(rows=[[f'"{a}"', b, c] for a, b, c in COMMAS])],
)
def test_decimal_commas(content: str, read: Read) -> None:
    frame = read(content)
    assert cells(frame) == COMMAS
    assert [about.type for about in facts_of(frame.data).values()] == TYPES


@pytest.mark.parametrize("head", [None, ["a", "b", "y"]])
def test_decimal_commas_in_every_column(head: list[str] | None, read: Read) -> None:
    rows = [[f"{i},{i % 9}", f"{i * 3},{i % 7}", str(i % 2)] for i in range(12)]
    assert cells(read(text(";", head, rows))) == rows


LATIN = ["rouge é", "vert à côté", "bleu garçon", "forêt", "Noël", "français", "où ça"]


@pytest.mark.parametrize(
    ("codec", "words"),
    [
        ("latin-1", LATIN),
        ("cp1252", [f"{word} 5 €" for word in LATIN]),
        ("cp932", ["能力", "表計算", "ソース"]),  # the second byte of some is a backslash or a bar
        ("gb18030", ["红色的花", "蓝色的天空", "绿色的森林"]),
    ],
)
def test_encodings(codec: str, words: list[str], read: Read) -> None:
    rows = [[size, words[i % len(words)], kind] for i, (size, _, kind) in enumerate(ROWS)]
    for delimiter in (",", "|"):
        frame = read(text(delimiter, rows=rows).encode(codec))
        assert cells(frame) == rows and any("encoding" in note for note in frame.notes)


def test_line_breaks_delimiters_and_quotation_marks_in_cells(read: Read) -> None:
    cell = '"two\nlines, ""said"" he"'
    rows = [[size, cell, kind] for size, _, kind in ROWS]
    for end in ("\n", "\r\n", "\r"):
        frame = read(text(rows=rows, end=end))
        assert {row[1] for row in cells(frame)} == {'two\nlines, "said" he'} and len(cells(frame)) == 12
    one = with_cell(3, '"two\nlines"')
    assert cells(read(one))[3][1] == "two\nlines" and read(one).lines.tolist()[3:5] == [5, 7]  # type: ignore[union-attr]
    assert cells(read(one.replace(",", "\t"), ".tsv"))[3][1] == "two\nlines"


BETWEEN = [f"n{i},{'x' * (i % 5)}{chr(34) * (i in (4, 6))},u{i * 7}" for i in range(12)]
UNBALANCED = {
    "opened": (with_cell(3, '"red'), "row 4"),
    "opened in the last row": (with_cell(11, '"red'), "row 12"),
    "opened in the first row": (with_cell(0, '"red'), "row 1"),
    "opened twice": (with_cell(3, '"red', (6, '"green')), "row 4"),
    "opened, and closed later": (with_cell(3, '"red', (6, 'green"')), "row 4"),
    "opened, closed later, and inches before": (with_cell(3, '"red', (6, 'green"'), (1, '5" disk')), "row 4"),
    "alone": (with_cell(3, '"'), "row 4"),
    "three": (with_cell(3, '"""'), "row 4"),
    "closed within": (with_cell(3, '"a" b"'), "row 4"),
    "text behind": (with_cell(3, '"a"b'), "row 4"),
    "escaped by a backslash": (with_cell(3, r'"say \"hi\""'), "row 4"),
    "in the header": (PLAIN.replace("colour", '"colour'), "the header"),
    "in the first column": (PLAIN.replace("\n24.5", '\n"24.5').replace("\n29.0,", '\n29.0",'), "row 4"),
    "in the last column": (
        PLAIN.replace("24.5,red,yes", '24.5,red,"yes').replace("29.0,red,no", '29.0,red,no"'),
        "row 4",
    ),
    "without a header": (text(head=None).replace("24.5,red", '24.5,"red'), "row 4"),
    "between names": (
        "\n".join(["name,note,id", *BETWEEN])
        .replace('xxxx",u28', '"xxxx,u28'),
        "row 5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNBALANCED)
def test_unbalanced_quotation_marks_are_an_error_that_names_the_row(name: str, read: Read) -> None:
    content, where = UNBALANCED[name]
    with pytest.raises(DataError) as error:
        read(content)
    assert where in error.value.message and error.value.place is not None and error.value.place.line
    assert "twice" in (error.value.hint or "")
    assert len(cells(read(content, quoting=False))) == len(cells(read(content.replace('"', ""))))


@pytest.mark.parametrize("cell", ['5" disk', 'red"', '""""', '"red"'])
def test_quotation_marks_that_do_no_harm(cell: str, read: Read) -> None:
    expected = next(csv.reader([cell]))[0]
    assert cells(read(with_cell(3, cell)))[3][1] == expected
    assert [row for i, row in enumerate(cells(read(with_cell(3, cell)))) if i != 3] == ROWS[:3] + ROWS[4:]


@pytest.mark.parametrize(
    "content",
    [
        with_cell(3, '"red', delimiter="\t"),
        with_cell(3, '"red', (6, '"green'), delimiter="\t"),
        with_cell(3, '"red', (6, 'green"'), delimiter="\t"),
        with_cell(3, '"red', (6, 'green"'), (1, '5" disk'), delimiter="\t"),
    ],
)
def test_in_tsv_quotation_marks_are_text(content: str, read: Read) -> None:
    for suffix in (".tsv", ".csv"):
        frame = read(content, suffix)
        assert len(cells(frame)) == 12 and cells(frame)[3][1] == '"red'
        assert "quotation marks do not enclose cells" in "\n".join(frame.notes)


def test_quoting_as_the_config_says(read: Read) -> None:
    content = with_cell(3, '"red', (6, 'green"'))
    assert cells(read(content, quoting=False))[3][1] == '"red'
    assert cells(read(content, quoting=True))[3][1].startswith("red,yes\n26.0")
    whole = text("\t", quote='"{}"')
    assert read(whole, ".tsv", quoting=False).data.columns == [f'"{name}"' for name in HEAD]
    assert read(text(quote="'{}'"), quoting=False).data.columns == [f"'{name}'" for name in HEAD]


@pytest.mark.parametrize("seed", range(200))
def test_quotation_marks_anywhere_never_merge_rows(seed: int, read: Read) -> None:
    chosen = random.Random(seed)
    kinds = [chosen.choice("icnt") for _ in range(chosen.randint(2, 5))]

    def cell(kind: str) -> str:
        words = {
            "i": str(chosen.randint(0, 99)),
            "c": chosen.choice(("red", "green")),
            "n": f"n{chosen.randint(0, 10**6)}",
            "t": " ".join(chosen.choices(("so", "many", "words"), k=4)),
        }
        return words[kind]

    rows = [[cell(kind) for kind in kinds] for _ in range(chosen.randint(8, 30))]
    for _ in range(chosen.choice((1, 2, 2, 2, 3, 4))):
        row, at = chosen.randrange(len(rows)), chosen.randrange(len(kinds))
        old = rows[row][at]
        rows[row][at] = chosen.choice((f'"{old}', f'{old}"', f'{old[:1]}"{old[1:]}'))
    try:
        frame = read(text(head=[f"column {i}" for i in range(len(kinds))], rows=rows))
    except DataError as error:
        assert "row" in error.message or error.problems
        return
    assert not any("\n" in cell for row in cells(frame) for cell in row)
    assert len(cells(frame)) + len(frame.problems) == len(rows)


def messages(frame: Frame) -> list[tuple[int | None, str]]:
    return [(problem.place.line if problem.place else None, problem.message) for problem in frame.problems]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (PLAIN.replace("24.5,red,yes", "24.5,red"), (5, "row 4: 2 cells instead of 3")),
        (PLAIN.replace("24.5,red,yes", "24.5,red,yes,x"), (5, "row 4: 4 cells instead of 3")),
        (PLAIN.replace("24.5,red,yes", "24.5,'red, or so',yes"), (5, "row 4: 4 cells instead of 3")),
        (PLAIN[:-6], (13, "row 12: 2 cells instead of 3")),
        (PLAIN + "\x1a", (14, "row 13: 1 cell instead of 3")),
        (PLAIN.replace("green", "gr\0een", 1), (3, "row 2: contains null bytes")),
        ((PLAIN + "1,é,no\n1,ü,no\n").encode().replace(b"green", b"gr\xffen", 1), (3, "row 2: not UTF-8")),
        (PLAIN + "Total,,\n", (14, "row 13: says 'Total' and is not an example")),
        (text(rows=[["a", str(i), "x"] for i in range(9)]) + "Total,36,\n", (11, "row 10: says 'Total'")),
        (PLAIN + "\na,b\n1,2\n", (15, "row 13: 2 cells instead of 3")),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_are_named(content: str | bytes, expected: tuple[int, str], read: Read) -> None:
    frame = read(content)
    line, message = expected
    found = messages(frame)
    assert found and found[0][0] == line and found[0][1].startswith(message)


def test_more_cells_than_names_are_no_names_of_rows(read: Read) -> None:
    """Where a comma in a text is not quoted, columns must not move along."""
    frame = read(text(rows=[[size, "so, or so", kind] for size, _, kind in ROWS]))
    assert [message for _, message in messages(frame)][:2] == [
        "row 1: 4 cells instead of 3",
        "row 2: 4 cells instead of 3",
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", " "])
def test_the_names_of_rows_that_r_writes(delimiter: str, read: Read) -> None:
    names = [f'"{name}"' for name in HEAD]
    rows = [[f'"{i + 1}"', a, f'"{b}"', f'"{c}"'] for i, (a, b, c) in enumerate(ROWS)]
    table = read(text(delimiter, names, rows))
    assert table.data.columns == ["unnamed_0", *HEAD] and facts_of(table.data)["unnamed_0"].row_numbers
    if delimiter != " ":
        again = read(text(delimiter, ['""', *names], rows))
        assert again.data.equals(table.data)


@pytest.mark.parametrize("tail", [",", ",,", '"",'])
def test_names_that_are_missing_or_stand_there_twice(tail: str, read: Read) -> None:
    assert read(text(head=["a", "", "y"])).data.columns == ["a", "unnamed_1", "y"]
    assert read(text(head=["#", "b", "y"])).data.columns == ["#", "b", "y"]
    assert read(text(head=['"size, cm"', '"the ""colour"""', '"kind\nof"'])).data.columns == [
        "size, cm",
        'the "colour"',
        "kind\nof",
    ]
    for twice in (["a", "a", "y"], ["a", "a ", "y"], ["unnamed_1", "", "y"]):
        with pytest.raises(DataError, match="two columns are called"):
            read(text(head=twice))


def test_cells_and_lines_of_any_length(read: Read) -> None:
    assert read("t" * 300_000 + ",b\n1,2\n3,4\n").data.shape == (2, 2)
    long = text(rows=[[a, f'"{"x, " * 100_000}"', c] for a, _, c in ROWS])
    assert read(long).data["colour"].str.len_chars().max() == 300_000
    numbers = "\n".join(",".join(str(i * j % 97) for i in range(60_000)) for j in range(1, 5))
    assert read(numbers).data.shape == (4, 60_000), "the first line is longer than what is looked at first"


@pytest.mark.parametrize("content", ["", "\n\n \n", "\ufeff", "a,b,c\n"])
def test_no_rows(content: str, read: Read) -> None:
    with pytest.raises(DataError, match=r"is empty|has no rows"):
        read(content)
