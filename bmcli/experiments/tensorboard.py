"""Event files that TensorBoard opens, for any backend: TensorFlow's record format, written here.

A file is a row of records; a record is a protocol buffer (tensorflow/core/util/event.proto) framed by its
length and checksums (tensorflow/core/lib/io/record_writer.h). A point per epoch needs no more of either than
the few fields below.
"""

from __future__ import annotations

import struct
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.runs import atomic

if TYPE_CHECKING:
    from bmcli.training.events import EpochRecord


class EventWriter:
    """Scalars of one run, a point per epoch. Every write is flushed, so that a kill loses nothing written.

    folder: made if missing; epoch: the first to be written; points of a cut-off sitting from there on are
    dropped by TensorBoard.
    """

    def __init__(self, folder: Path, *, epoch: int) -> None:
        with atomic.resources(f"write {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
            # TensorBoard reads them in the order of their names, also where the clock was set back meanwhile.
            stamps = [file.name.split(".")[3] for file in folder.glob("events.out.tfevents.*.bm")]
            earlier = [int(stamp) for stamp in stamps if stamp.isdecimal()]
            moment = max([time.time_ns() // 1000, *(stamp + 1 for stamp in earlier)])
        self._path = folder / f"events.out.tfevents.{moment:020d}.bm"
        with atomic.resources(f"write {self._path}"):
            self._file = self._path.open("xb")  # never through a link that lies there already
        self._write(_bytes(3, b"brain.Event:2"))  # file_version
        if epoch > 1:
            self._write(_int(2, epoch) + _bytes(7, _int(1, 1)))  # session_log: START

    def epoch(self, record: EpochRecord) -> None:
        """The metrics of one line of metrics.jsonl; `val_x` is drawn as x of the validation run."""
        values = b"".join(
            _bytes(1, _bytes(1, _tag(name).encode()) + struct.pack("<Bf", 2 << 3 | 5, value))
            for name, value in record.items()
            if name != "epoch" and value is not None
        )
        self._write(_int(2, int(record["epoch"] or 0)) + _bytes(5, values))  # summary

    def image(self, name: str, png: bytes, *, step: int) -> None:
        """A PNG."""
        width, height = struct.unpack(">II", png[16:24])  # of its header
        image = _int(1, height) + _int(2, width) + _int(3, 4) + _bytes(4, png)
        value = _bytes(1, name.encode()) + _bytes(4, image)
        self._write(_int(2, step) + _bytes(5, _bytes(1, value)))

    def close(self) -> None:
        """No more points."""
        self._file.close()

    def _write(self, fields: bytes) -> None:
        event = struct.pack("<Bd", 1 << 3 | 1, time.time()) + fields
        with atomic.resources(f"write {self._path}"):
            self._file.write(framed(event))
            self._file.flush()


def framed(data: bytes) -> bytes:
    """A record: length, checksum of the length, data, checksum of the data."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", _masked(length)) + data + struct.pack("<I", _masked(data))


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720 (Castagnoli's polynomial), which Python's zlib does not have."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _masked(data: bytes) -> int:
    """As the record format keeps a checksum: data that holds checksums itself must not look like one."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@cache
def _crc_table() -> list[int]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _tag(name: str) -> str:
    """Names grouped as TensorBoard groups them: loss/validation beside loss/train."""
    if name in ("learning_rate", "seconds", "training_seconds", "examples_per_second"):
        return f"training/{name}"
    return f"{name.removeprefix('val_')}/{'validation' if name.startswith('val_') else 'train'}"
