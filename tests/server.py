"""A file server on the loopback, for downloads."""

from __future__ import annotations

import http.server
import threading
from typing import Any


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
