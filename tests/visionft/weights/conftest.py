"""A file of weights to fit and to damage; a hub on loopback with every failure of a real one."""

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session
from safetensors.torch import save, save_file

from visionft.weights import hub

COMMIT = "c" * 40


@dataclass
class Hub:
    """Content and behaviour of the server."""

    content: bytes  # of the file of every repository
    stated_size: int | None = None  # None for the true one
    stated_sha256: str | None = None  # None for the true one, empty for none
    statuses: list[int] = field(default_factory=list)  # instead of the file, one a request; the last repeats ...
    is_for_ever: bool = False  # ... with this
    breaks_after: int | None = None  # bytes of each response
    honours_range: bool = True  # whether it resumes at the client's offset
    stalls_after: int | None = None  # bytes before the first response pauses for a second
    redirects: bool = False  # downloads, as the hub does
    pause_s: float = 0.0  # after each 10 kB
    requests: list[tuple[str, str, str]] = field(default_factory=list)  # (method, path, value of the Range header)
    sent: int = 0

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Responds as the hub does: metadata in the headers of HEAD, the file for GET, Range honoured."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        if not self._is_answered():
            self._headers(200, len(self.hub.content))

    def do_GET(self) -> None:
        if self._is_answered():
            return
        start = 0
        if (wanted := self.headers.get("Range")) and self.hub.honours_range:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(self.hub.content):
                self._headers(416, 0)
                return
        rest = self.hub.content[start:]
        self._headers(206 if start else 200, len(rest), start=start)
        for place in range(0, len(rest), 10_000):
            piece = rest[place : place + 10_000]
            if self.hub.stalls_after is not None and place >= self.hub.stalls_after:
                self.hub.stalls_after = None
                time.sleep(1)
            try:
                if self.hub.breaks_after is not None and place >= self.hub.breaks_after:
                    raise OSError
                self.wfile.write(piece)
            except OSError:
                self.close_connection = True
                self.connection.close()
                return
            self.hub.sent += len(piece)
            time.sleep(self.hub.pause_s)

    def _is_answered(self) -> bool:
        """Record a request, and answer it where it is refused or sent elsewhere."""
        self.hub.requests.append((self.command, self.path, self.headers.get("Range", "")))
        status = 200
        if self.hub.statuses:
            status = self.hub.statuses[0] if self.hub.is_for_ever else self.hub.statuses.pop(0)
        if status == 200 and (not self.hub.redirects or self.path.startswith("/elsewhere")):
            return False
        location = f"http://localhost:{self.server.server_address[1]}/elsewhere?signed=yes" if status == 200 else ""
        self._headers(302 if location else status, 0, location=location)
        return True

    def _headers(self, status: int, length: int, *, start: int = 0, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if location:
            self.send_header("Location", location)
        self.send_header("X-Repo-Commit", COMMIT)
        stated = self.hub.sha256 if self.hub.stated_sha256 is None else self.hub.stated_sha256
        self.send_header("X-Linked-Etag", f'"{stated or "d" * 40}"')
        self.send_header("X-Linked-Size", str(self.hub.stated_size or len(self.hub.content)))
        if status == 206:
            size = len(self.hub.content)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub_server(state_of, weights_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Return a hub on loopback with test_vit; the client points at it and may connect."""
    served = Hub(save(state_of("test_vit", image_size=160)))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Handler", (Handler,), {"hub": served}))
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "FIRST_WAIT_S", 0.01)
    close_session()
    yield served
    close_session()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def saved(tmp_path: Path, state_of) -> Path:
    """Return a file of test_vit's weights with a head for 1,000 classes, for images of 64 px."""
    save_file(state_of("test_vit"), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"
