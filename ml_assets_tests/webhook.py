"""A webhook on this machine that keeps what it is sent, for tests of what is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

ANSWERS = {200: b"ok", 404: b"no_such_hook", 429: b"slow_down", 500: b"broken"}


@dataclass
class Webhook:
    """A local server that keeps what it is sent."""

    url: str = ""
    status: int = 200
    """What it answers."""
    headers: dict[str, str] = field(default_factory=dict)
    received: list[dict[str, Any]] = field(default_factory=list)
    """What it was sent, whatever it answered."""

    def texts(self, start: str = "") -> list[str]:
        """The lines it was sent that begin with `start`."""
        return [message["text"] for message in self.received if message["text"].startswith(start)]


@contextmanager
def serving() -> Iterator[Webhook]:
    """A webhook that listens for the length of the block."""
    kept = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            kept.received.append(json.loads(self.rfile.read(length)))
            self.send_response(kept.status)
            for name, value in kept.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(ANSWERS[kept.status])

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_port}/secret"
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
