"""Small real files, made as each test needs them."""

from __future__ import annotations

import http.server
import io
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bmcli.config.schema import DataConfig
from bmcli.data.bundle import DataBundle


@pytest.fixture(autouse=True)
def _own_data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test looks at this machine's data or downloads from anywhere but its own server."""
    monkeypatch.setenv("BM_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BM_OFFLINE", "1")
    monkeypatch.delenv("BM_DATA_MIRROR", raising=False)


@pytest.fixture
def load() -> Callable[..., DataBundle]:
    """Load data by the keys of `data:`."""
    from bmcli import data

    def load_(**keys: Any) -> DataBundle:
        call = {k: keys.pop(k) for k in ("synthesize", "examples", "home") if k in keys}
        return data.load(
            DataConfig(**{k: str(v) if isinstance(v, Path) else v for k, v in keys.items()}), **call
        )

    return load_


def picture(
    path: Path, seed: int = 0, size: tuple[int, int] = (8, 8), mode: str = "RGB", **options: Any
) -> Path:
    """A small picture of noise; size is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = len(Image.new(mode, (1, 1)).getbands())
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], bands), np.uint8)
    Image.fromarray(noise[:, :, 0] if bands == 1 else noise, mode).save(path, **options)
    return path


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def huge_png() -> bytes:
    """60,000 × 60,000 in a few bytes of header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (60_000).to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def broken_files(folder: Path) -> dict[str, str]:
    """File name -> what the message must say."""
    good = picture(folder / "good.jpg", size=(64, 64)).read_bytes()
    png = picture(folder / "good.png", size=(64, 64)).read_bytes()
    contents = {
        "empty.jpg": (b"", "empty"),
        "text.png": (b"no picture at all", "known format"),
        "truncated.jpg": (good[: len(good) // 2], "truncated"),
        "truncated.png": (png[: len(png) // 2], "decoded"),
        "header.jpg": (good[:20], "cannot|known"),
        "flipped.png": (png[:60] + b"\xff\xff\xff\xff" + png[64:], "decoded"),
        "huge.png": (huge_png(), "pixels"),
        "drawing.png": (encoded(Image.new("L", (2, 2)), "PPM"), "known format"),
    }
    for name, (data, _) in contents.items():
        (folder / name).write_bytes(data)
    os.mkfifo(folder / "pipe.jpg")
    return {name: what for name, (_, what) in contents.items()} | {
        "pipe.jpg": "regular",
        "gone.jpg": "no such",
    }


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """Three classes of ten pictures each."""
    root = tmp_path / "flowers"
    for c, name in enumerate(("aster", "daisy", "rose")):
        for i in range(10):
            picture(root / name / f"{i}.png", seed=10 * c + i)
    return root


class Server:
    """A file server on the loopback with the faults a test asks for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[str | None] = []
        """The Range header of every request."""
        self.ranges = True
        self.cut_after: int | None = None
        """Bytes of the next answer's body, after which the connection closes; once."""
        self.status = 200
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner._answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def _answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.requests.append(wanted)
        data = self.files.get(request.path.lstrip("/"))
        if data is None or self.status != 200:
            request.send_error(self.status if data is not None else 404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if start >= len(data) > 0 and wanted and self.ranges:
            request.send_error(416)
            return
        body = data[start:]
        request.send_response(206 if wanted and self.ranges else 200)
        if wanted and self.ranges:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        cut, self.cut_after = self.cut_after, None
        request.wfile.write(body if cut is None else body[:cut])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A running server, set as the mirror."""
    running = Server()
    monkeypatch.setenv("BM_DATA_MIRROR", running.url)
    monkeypatch.setenv("BM_OFFLINE", "0")
    yield running
    running.http.shutdown()
    running.http.server_close()
