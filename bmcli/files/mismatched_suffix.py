"""Files whose content does not match their suffix: what they are, and what to do."""

from __future__ import annotations

import json
from pathlib import Path

from bmcli.core.errors import DataError, Place
from bmcli.files import encoding

_UNPACK = "unpack it first"
_EXCEL = ("an Excel workbook", "save its sheet as 'CSV UTF-8'")
_TEXT = ("a text", "a table in it needs the suffix .csv or .tsv")
_A_PICKLE = ("a pickle, which bm does not load", "save the table as Parquet or CSV")
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "compressed by gzip", f"{_UNPACK}: gunzip"),
    (b"BZh", "compressed by bzip2", f"{_UNPACK}: bunzip2"),
    (b"\xfd7zXZ\0", "compressed by xz", f"{_UNPACK}: unxz"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", f"{_UNPACK}: unzstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", *_EXCEL),
    (b"PAR1", "a Parquet file", "name it .parquet"),
    (b"ARROW1", "an Arrow file", "save it as Parquet or CSV"),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "save the table as Parquet or CSV"),
    (b"\x93NUMPY", "a NumPy array", "save x and y in one .npz: numpy.savez('data.npz', x=x, y=y)"),
    (b"%PDF-", "a PDF", "export the table as CSV"),
    (b"\x89PNG", "an image", "name a table, or the folder of the images"),
    (b"\xff\xd8\xff", "an image", "name a table, or the folder of the images"),
    (b"RDX", "R's own format", "write.csv(x, 'data.csv', row.names = FALSE) in R"),
    (b"$FL2", "an SPSS file", "save the table as CSV"),
)
_PICKLE = (b"\x80\x02", b"\x80\x03", b"\x80\x04\x95", b"\x80\x05\x95")
_SUFFIXES = {
    ".gz": ("compressed by gzip", f"{_UNPACK}: gunzip"),
    ".bz2": ("compressed by bzip2", f"{_UNPACK}: bunzip2"),
    ".xz": ("compressed by xz", f"{_UNPACK}: unxz"),
    ".zst": ("compressed by zstd", f"{_UNPACK}: unzstd"),
    ".zip": ("a ZIP archive", _UNPACK),
    **dict.fromkeys((".xlsx", ".xls", ".xlsm"), _EXCEL),
    ".ods": ("a spreadsheet", "save its sheet as CSV"),
    ".json": ("JSON", "name it .jsonl: bm reads an object per line, or one array of them"),
    **dict.fromkeys((".txt", ".dat", ".data", ".tab", ".psv", ".ssv"), _TEXT),
    **dict.fromkeys((".pkl", ".pickle"), _A_PICKLE),
    **dict.fromkeys((".feather", ".arrow"), ("an Arrow file", "save it as Parquet or CSV")),
    **dict.fromkeys((".h5", ".hdf5", ".hdf"), ("an HDF5 file", "save the table as Parquet or CSV")),
    ".arff": ("an ARFF file", "save the table as CSV"),
}  # fmt: skip


def by_suffix(path: Path) -> tuple[str, str] | None:
    """What a file of that name is, and what to do about it; None if nothing is known of it."""
    return _SUFFIXES.get(path.suffix.lower())


def content(path: Path) -> bytes:
    """The bytes of a file of text. DataError, before all of it is read, where it is something else."""
    with path.open("rb") as file:
        head = file.read(encoding.HEAD)
        refuse_bytes(path, head)
        encoding.require_text(path, head)
        file.seek(0)  # to join two parts would copy the whole
        return file.read()


def refuse_bytes(path: Path, head: bytes) -> None:
    """DataError if a file that should be text has another format, detected by its first bytes."""
    for magic, what, todo in _MAGIC:
        if head.startswith(magic):
            raise _refused(path, what, todo)
    if head.startswith(b"PK\x03\x04"):
        if b"xl/" in head or b"[Content_Types].xml" in head:
            raise _refused(path, *_EXCEL)
        if b"mimetypeapplication/vnd.oasis" in head:
            raise _refused(path, "a spreadsheet", "save its sheet as CSV")
        raise _refused(path, "a ZIP archive", _UNPACK)
    if head.startswith(_PICKLE):
        raise _refused(path, *_A_PICKLE)


def refuse_text(path: Path, head: str) -> None:
    """DataError if a file that should be delimited text is text of another kind."""
    start = head.lstrip()[:200].lower()
    if start.startswith(("<!doctype html", "<html", "<table", "<head", "<body")):
        raise _refused(path, "an HTML page", "download the data itself, or save the table as CSV")
    if start.startswith("<?xml"):
        raise _refused(path, "XML", "save the table as CSV")
    if start.startswith("version https://git-lfs"):
        raise _refused(path, "a Git LFS pointer, not the data", "git lfs pull fetches it")
    if start.startswith("{\\rtf"):
        raise _refused(path, "rich text (RTF)", "save it as plain text")
    if start.startswith("%!ps"):
        raise _refused(path, "PostScript", "export the table as CSV")
    lines = [line.strip().lower() for line in head.splitlines()[:100]]
    if any(line.startswith("@relation") for line in lines) and any(
        line.startswith("@attribute") for line in lines
    ):
        raise _refused(path, "an ARFF file", "save the table as CSV")
    if start.startswith(("{", "[")) and _is_json(head):
        raise _refused(path, "JSON", "name it .jsonl")


def refuse_not_json(path: Path, head: str) -> None:
    """DataError if a file that should be JSON Lines is another kind of text."""
    if head.lstrip("\ufeff \t\r\n\x1e")[:1] not in ("", "{", "[", '"', "/", "#"):
        refuse_text(path, head)
        first = head.lstrip().split("\n", 1)[0]
        if any(sign in first for sign in ",;\t|"):
            raise _refused(path, "delimited text, not JSON Lines", "name it .csv or .tsv")


def _is_json(head: str) -> bool:
    """Whether the text begins with a JSON object or array of objects."""
    text = head.lstrip()
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        inner = text.lstrip("[ \t\r\n")
        if not inner.startswith("{"):
            return False
        try:
            value, _ = json.JSONDecoder().raw_decode(inner)
        except (ValueError, RecursionError):
            return False
    except RecursionError:
        return False
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _refused(path: Path, what: str, todo: str) -> DataError:
    return DataError(f"{path} is {what}", place=Place(str(path)), hint=todo)
