from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from bmcli.core.errors import UsageError
from bmcli.inference.inputs import Reading, kinds_of, read
from bmcli.modalities.base import modality_of
from bmcli.modalities.text.inputs import LONGEST_LINE

HOSTILE = ["[red].png", "img[b].png", "=cmd().png", "\x1b[31m.png"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_image(path: str, value: int = 0) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (3, 2), (value, 0, 0)).save(path, "PNG")
    return path


def everything(inputs, reading, stdin=b""):
    """(names, examples of each piece, problems as 'place: message')."""
    pieces = list(read(inputs, reading, stdin=io.BytesIO(stdin)))
    names = [name for piece in pieces for name in piece.names]
    assert all(len(piece.examples) == len(piece.names) for piece in pieces)
    return names, pieces, [f"{p.place}: {p.message}" for piece in pieces for p in piece.problems]


def texts(inputs, stdin=b"", **options):
    names, pieces, problems = everything(inputs, Reading("text", **options), stdin)
    return list(zip(names, [t for piece in pieces for t in piece.examples.texts], strict=True)), problems


# === Images ===


def test_files_folders_and_patterns_in_order():
    for name in ("a/2.png", "a/10.png", "a/deep/er/1.PNG", "a/.hidden.png", "a/.git/x.png", "b/x.png"):
        write_image(name)
    Path("a/notes.txt").write_text("not an image")
    names, _, problems = everything(["b/x.png", "a", "b/*.png"], Reading("image"))
    assert names == ["b/x.png", "a/10.png", "a/2.png", "a/deep/er/1.PNG", "b/x.png"]
    assert problems == []
    assert everything(["**/*.png"], Reading("image"))[0] == ["a/10.png", "a/2.png", "b/x.png"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_is_taken_by_its_name_before_it_is_a_pattern(name):
    write_image(name)
    assert everything([name], Reading("image"))[0] == [name]


def test_what_is_not_there_is_a_problem_and_the_rest_goes_on():
    write_image("good.png")
    Path("empty").mkdir()
    names, _, problems = everything(["no.png", "good.png", "*.jpg", "empty"], Reading("image"))
    assert names == ["good.png"]
    assert len(problems) == 3
    assert problems[:2] == ["no.png: there is no such file", "*.jpg: nothing matches"]


def test_images_come_in_pieces():
    write_image("one.png")
    names, pieces, _ = everything(["one.png"] * (modality_of("image").piece + 1), Reading("image"))
    assert len(names) == modality_of("image").piece + 1
    assert max(len(piece.names) for piece in pieces) == modality_of("image").piece


def test_an_image_on_stdin():
    data = Path(write_image("x.png", 200)).read_bytes()
    names, pieces, problems = everything(["x.png", "-", "x.png"], Reading("image"), data)
    assert names == ["x.png", "-", "x.png"]
    assert [p.examples.contents for p in pieces if p.names == ("-",)] == [(data,)]
    assert problems == []


# === Texts ===


def test_texts_given():
    given = ["fine film", "[red]", "=1+1", " "]
    assert texts(given, texts=True) == ([(t, t) for t in given[:3]], [" : the text is empty"])
    assert texts(["-"], b"from stdin\n", texts=True)[0] == [("-", "from stdin\n")]


def test_a_file_is_one_text_or_one_per_line():
    Path("a.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\ntwo")
    Path("bad.txt").write_bytes(bytes(range(256)))
    (found, problems) = texts(["a.txt", "bad.txt"])
    assert found == [("a.txt", "one\r\n\r\ntwo")]
    assert problems == ["bad.txt: not UTF-8, nor a text in another known encoding"]
    assert texts(["a.txt"], lines=True)[0] == [("a.txt:1", "one"), ("a.txt:3", "two")]
    assert texts(["-"], b"\n \n", lines=True) == ([], ["-: holds no text"])
    found, problems = texts(["-"], b"x\n\xff\ny\n", lines=True)
    assert found == [("-:1", "x"), ("-:3", "y")]
    assert problems == ["-:2: not UTF-8"]


@pytest.mark.parametrize(
    ("codec", "said"),
    [("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-32", "UTF-32"), ("cp1252", "Windows-1252")],
)
def test_texts_in_other_encodings_are_read_and_said(codec, said):
    lines = ["Très bien, la crème brûlée", "où est l’hôtel ?", "plain"]
    data = "\n".join(lines).encode(codec)
    Path("fr.txt").write_bytes(data)
    for name, inputs, stdin in (("fr.txt", ["fr.txt"], b""), ("-", ["-"], data)):
        notes = []
        pieces = list(read(inputs, Reading("text"), stdin=io.BytesIO(stdin), note=notes.append))
        assert [text for piece in pieces for text in piece.examples.texts] == ["\n".join(lines)]
        assert notes == [f"1 file is read as {said}, not UTF-8: {name}"]
        notes.clear()
        pieces = list(read(inputs, Reading("text", lines=True), stdin=io.BytesIO(stdin), note=notes.append))
        assert [text for piece in pieces for text in piece.examples.texts] == lines
        assert [n for piece in pieces for n in piece.names] == [f"{name}:{i}" for i in (1, 2, 3)]
        assert notes == [f"1 file is read as {said}, not UTF-8: {name}"]


def test_a_late_line_in_another_encoding_is_read_and_said():
    Path("log.txt").write_bytes(b"plain words\n" * 2000 + "la crème".encode("latin-1") + b"\n")
    notes = []
    pieces = list(read(["log.txt"], Reading("text", lines=True), note=notes.append))
    assert [text for piece in pieces for text in piece.examples.texts][-1] == "la crème"
    assert notes == ["1 file is read as Windows-1252, not UTF-8: log.txt"]


def test_a_line_without_end_is_a_problem_not_a_full_memory():
    data = b"x" * (2 * LONGEST_LINE + 5) + b"\nshort\n"
    found, problems = texts(["-"], data, lines=True)
    assert found == [("-:2", "short")]
    assert problems == ["-:1: longer than 16 MiB"]


def test_a_text_that_is_no_file_hints_at_the_flag():
    piece = next(iter(read(["what a film"], Reading("text"))))
    assert "--text" in (piece.problems[0].hint or "")


def test_a_column_of_texts():
    Path("t.csv").write_text('id,body\n1,"good, really"\n2,\n3,bad\n')
    found, problems = texts(["t.csv"], text_column="body")
    assert found == [("t.csv:1", "good, really"), ("t.csv:3", "bad")]
    assert len(problems) == 1
    assert texts(["t.csv"], text_column=1)[0] == found
    assert texts(["t.csv"])[0] == found  # the one with the longest texts
    assert texts(["t.csv"], text_column="nope")[0] == []
    Path("two.csv").write_text("body,title\nfine film,Good\n,Only\n,\n")
    found, problems = texts(["two.csv"], text_column=["title", "body"])
    assert found == [("two.csv:1", "Good\nfine film"), ("two.csv:2", "Only")]
    assert problems == ["two.csv:3: columns 'title', 'body' are empty"]


# === Tables ===

ROWS = [{"n": 1.5, "c": "red", "x": "extra"}, {"n": None, "c": None, "x": "extra"}]


def write_table(name: str) -> bytes:
    if name.endswith(".jsonl"):
        Path(name).write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif name.endswith(".parquet"):
        pl.DataFrame(ROWS).write_parquet(name)
    else:
        pl.DataFrame(ROWS).write_csv(name, separator="\t" if name.endswith(".tsv") else ",")
    return Path(name).read_bytes()


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
@pytest.mark.parametrize("piped", [False, True])
def test_every_format_gives_the_same_rows(name, piped):
    data = write_table(name)
    if piped and name.endswith("parquet"):
        pytest.skip("binary tables are files")
    names, pieces, problems = everything(["-" if piped else name], Reading("table", columns=("c", "n")), data)
    assert problems == []
    assert names == [f"{'-' if piped else name}:{row}" for row in (1, 2)]
    table = pieces[0].examples
    assert list(table.columns) == ["c", "n"]
    assert table.columns["c"].tolist() == ["red", None]
    number, missing = table.columns["n"].tolist()
    assert float(number) == 1.5
    assert missing is None or np.isnan(missing)


def test_missing_columns_and_malformed_rows_are_problems():
    write_table("t.csv")
    _, _, problems = everything(["t.csv", "no.csv"], Reading("table", columns=("n", "y", "[red]")))
    assert "'y', '[red]'" in problems[0]
    assert len(problems) == 2
    Path("odd.csv").write_text("n\n1\n2,3\n4\n")
    names, _, problems = everything(["odd.csv"], Reading("table", columns=("n",)))
    assert names == ["odd.csv:1", "odd.csv:3"]
    assert len(problems) == 1


def test_tables_come_in_pieces():
    Path("long.csv").write_text("n\n" + "1\n" * (modality_of("table").piece + 1))
    _, pieces, _ = everything(["long.csv"], Reading("table", columns=("n",)))
    assert [len(piece.names) for piece in pieces] == [modality_of("table").piece, 1, 0]


# === What it could be ===


def test_the_kind_is_known_by_its_looks():
    write_image("p/a.png")
    write_table("t.csv")
    Path("a.txt").write_text("x")
    assert kinds_of(["p"]) == ("image",)
    assert kinds_of(["nope", "t.csv"]) == ("table", "mixed", "text")
    assert kinds_of(["a.txt"]) == ("text",)
    assert kinds_of(["gone.png"]) == kinds_of(["gone/*.jpg"]) == ("image",)
    assert kinds_of(["p"], texts=True) == kinds_of(["-"], lines=True) == ("text",)
    assert set(kinds_of(["-"])) == {"image", "text", "table", "mixed"}


def test_flags_that_do_not_fit_the_run():
    for options in ({"texts": True}, {"lines": True}):
        with pytest.raises(UsageError, match="images"):
            read(["x"], Reading("image", **options))
    with pytest.raises(UsageError, match="cannot be used together"):
        read(["x"], Reading("text", texts=True, lines=True))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read():
    Path("locked").mkdir(mode=0)
    assert len(everything(["locked"], Reading("image"))[2]) >= 1
