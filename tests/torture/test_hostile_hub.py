"""A hub that answers anything: weights arrive whole or not at all, and each failure is a `WeightsError`.

Sizes, hashes, statuses, redirects, ranges and content are drawn, right and wrong, by the number of the round.
`--torture 200` asks for 200 rounds.
"""

import random
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session
from safetensors.numpy import save

from models.catalog import BACKBONES
from visionft.errors import WeightsError
from visionft.weights import hub
from visionft.weights.fetching import fetch
from visionft.weights.records import read_record

pytestmark = pytest.mark.timeout(0)
ROW = BACKBONES["test_vit"]
WHOLE = save({"weight": np.arange(5000, dtype=np.float32)})
HASH = sha256(WHOLE).hexdigest()
OTHER = save({"weight": np.ones(5000, dtype=np.float32)})
SIZES = (*[str(len(WHOLE))] * 6, "0", "-7", "12", "999999999999999", "many", "\u00b2", "")
HASHES = (*[HASH] * 6, "d" * 40, "e" * 64, "../../x", "", "\u00e9" * 64)
STATUSES = (*[200] * 12, 204, 206, 302, 304, 307, 404, 416, 451, 500, 503, 999)
PLACES = ("/again", "http://127.0.0.1:9/x", "file:///etc/passwd", "http://[", "", "//", "ftp://x/y", "\x01")
COMMITS = ("c" * 40, "", "../../../etc", "x" * 5000, "\u00fc")


@dataclass
class Plan:
    """What a round's hub does; each request draws from it."""

    chance: random.Random
    sent: int = 0

    def answer(self, method: str, start: int) -> Iterator[bytes]:
        status = self.chance.choice(STATUSES)
        body = self.content(start) if method == "GET" else b""
        length = self.chance.choice([len(body)] * 5 + [0, 7, len(body) + 50, "x"])
        lines = [f"HTTP/1.1 {status} OK", f"X-Repo-Commit: {self.chance.choice(COMMITS)}"]
        lines += [f"X-Linked-Size: {self.chance.choice(SIZES)}", f'X-Linked-Etag: "{self.chance.choice(HASHES)}"']
        lines.append(f"Content-Type: {self.chance.choice(['text/html', 'application/octet-stream', 'x'])}")
        if status in (302, 307):
            lines.append(f"Location: {self.chance.choice(PLACES)}")
        if status == 206:
            lines.append(f"Content-Range: bytes {self.chance.choice([start, start, 0, 9, 'x'])}-/{len(WHOLE)}")
        if self.chance.random() < 0.1:
            lines.append(f"Content-Encoding: {self.chance.choice(['gzip', 'br', 'x'])}")
        endless = method == "GET" and self.chance.random() < 0.2
        lines.append("Transfer-Encoding: chunked" if endless else f"Content-Length: {length}")
        yield ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode("utf-8")
        yield from self.chunks(body) if endless else [body]

    def content(self, start: int) -> bytes:
        flipped = bytearray(WHOLE)
        flipped[self.chance.randrange(len(flipped))] ^= 1
        whole = WHOLE[start:]
        wrong = (whole[:-9], whole + b"more", bytes(flipped), OTHER, b"<html>log in</html>", b"", bytes(len(WHOLE)))
        return self.chance.choice([whole] * 7 + list(wrong))

    def chunks(self, body: bytes) -> Iterator[bytes]:
        yield f"{len(body) + 1:x}\r\n".encode() + body + b"!\r\n"
        yield from [b"10000\r\n" + bytes(65536) + b"\r\n"] * 10_000  # 655 MB, unless who reads has gone


class Handler(socketserver.StreamRequestHandler):
    plan: Plan

    def handle(self) -> None:
        with suppress(OSError, ValueError, IndexError):
            method = self.rfile.readline().split()[0].decode()
            start = 0
            while (line := self.rfile.readline().strip().lower()) != b"":
                if line.startswith(b"range: bytes="):
                    start = int(line.removeprefix(b"range: bytes=").rstrip(b"-"))
            for piece in self.plan.answer(method, start):
                self.wfile.write(piece)
                self.plan.sent += len(piece)


@pytest.fixture
def plan(weights_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plan]:
    plan = Plan(random.Random(0))
    handler = type("_Handler", (Handler,), {"plan": plan})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("HF_HUB_OFFLINE")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(hub, "FIRST_WAIT_S", 0.0)
        monkeypatch.setattr(hub, "SPARE_BYTES", 1_000_000)
        close_session()
        yield plan
        close_session()
        server.shutdown()


def test_weights_arrive_whole_or_not_at_all(
    plan: Plan, weights_home: Path, torture_rounds: int, tally: Counter[str]
) -> None:
    for number in range(torture_rounds):
        plan.chance, plan.sent = random.Random(number), 0
        for each in weights_home.iterdir():
            each.unlink()
        try:
            path = fetch(ROW)
        except WeightsError as error:
            tally["refused"] += 1
            assert not (weights_home / "test_vit.safetensors").exists(), number
            assert len(error.message) < 1000 and error.message.isprintable(), number
        else:
            record = read_record(path) if path else None
            assert path and record and record.sha256 == sha256(path.read_bytes()).hexdigest(), number
            tally["whole" if path.read_bytes() == WHOLE else f"{record.sha256_from} vouched for another"] += 1
        assert plan.sent < 40_000_000, f"{number}: {plan.sent} bytes were taken"
