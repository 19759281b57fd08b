"""Sending an export: only when asked, private unless said, and never to a public repository by mistake."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session

from visionft.errors import VisionFTError
from visionft.weights.states import OFFLINE_VARIABLE
from visionft.weights.uploading import send_files

# httpx warns of how huggingface_hub sends large files.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@dataclass
class Hub:
    """A hub that takes files: those that are no text as LFS objects.

    Attributes:
        is_private: Of the repository, once it is made.
        status: What it answers to everything; 0 does as it should.
        loses: Whether it takes no large file.
        files: What arrived, by name.
    """

    url: str = ""
    is_private: bool | None = None
    status: int = 0
    loses: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def do_PUT(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, body: bytes) -> None:
        self.hub.asked.append(self.path)
        status, value = (self.hub.status, {"error": "no"}) if self.hub.status else self._value(body)
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _value(self, body: bytes) -> tuple[int, object]:
        path, hub = self.path, self.hub
        repository = {"id": "me/model", "name": "me/model", "private": hub.is_private, "sha": "c" * 40}
        if path == "/api/repos/create":
            if hub.is_private is not None:
                return 409, {"url": f"{hub.url}/me/model"}
            hub.is_private = json.loads(body).get("private", json.loads(body).get("visibility") == "private")
            return 200, {"url": f"{hub.url}/me/model"}
        if "/preupload/" in path:
            files = json.loads(body)["files"]
            kinds = [{"path": each["path"], "uploadMode": self._mode(each["path"])} for each in files]
            return 200, {"files": [{**each, "shouldIgnore": False, "oid": None} for each in kinds]}
        if path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**each, "actions": {"upload": {"href": f"{hub.url}/lfs/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]
            return 200, {"transfer": "basic", "objects": objects}
        if path.startswith("/lfs/") and hub.loses:
            return 500, {}
        if path.startswith("/lfs/"):
            hub.objects[path.removeprefix("/lfs/")] = body
            return 200, {}
        if "/commit/" in path:
            for line in body.splitlines():
                self._take(json.loads(line))
            return 200, {"commitUrl": f"{hub.url}/me/model/commit/x", "commitOid": "c" * 40, "success": True}
        return 200, repository

    @staticmethod
    def _mode(name: str) -> str:
        return "lfs" if name.endswith(".onnx") else "regular"

    def _take(self, line: dict) -> None:
        value = line["value"]
        if line["key"] == "file":
            self.hub.files[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            self.hub.files[value["path"]] = self.hub.objects[value["oid"]]

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    served = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Handler", (Handler,), {"hub": served}))
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    close_session()
    yield served
    close_session()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "card.md").write_text("# card")
    (tmp_path / "model.onnx").write_bytes(b"\x08" * 1000)
    return {"README.md": tmp_path / "card.md", "model.onnx": tmp_path / "model.onnx"}


def test_files_arrive_under_their_names_in_a_private_repository(hub: Hub, files: dict[str, Path]) -> None:
    address = send_files(files, "me/model", endpoint=hub.url, message="Export")
    assert address == f"{hub.url}/me/model" and hub.is_private is True
    assert hub.files == {"README.md": b"# card", "model.onnx": b"\x08" * 1000}
    assert list(hub.objects) == [hashlib.sha256(b"\x08" * 1000).hexdigest()]


def test_a_public_repository_takes_nothing_unless_that_was_said(hub: Hub, files: dict[str, Path]) -> None:
    hub.is_private = False
    with pytest.raises(VisionFTError, match=r"me/model is public, so nothing was sent"):
        send_files(files, "me/model", endpoint=hub.url, message="Export")
    assert not hub.files and not any("preupload" in path for path in hub.asked)
    send_files(files, "me/model", is_public=True, endpoint=hub.url, message="Export")
    assert set(hub.files) == {"README.md", "model.onnx"}


@pytest.mark.parametrize(("status", "words"), [(401, "Log in with"), (403, "Log in with")])
def test_a_hub_that_refuses_says_how_to_log_in(status: int, words: str, hub: Hub, files: dict[str, Path]) -> None:
    hub.status = status
    with pytest.raises(VisionFTError, match=f"it answered {status}") as caught:
        send_files(files, "me/model", endpoint=hub.url, message="Export")
    assert words in caught.value.hint and not hub.files


def test_a_hub_that_is_gone_and_a_name_that_is_none_are_said(hub: Hub, files: dict[str, Path]) -> None:
    with pytest.raises(VisionFTError, match="is no name of a repository"):
        send_files(files, "me/../x", endpoint=hub.url, message="Export")
    with pytest.raises(VisionFTError, match="cannot be reached"):
        send_files(files, "me/model", endpoint="http://127.0.0.1:9", message="Export")


@pytest.mark.slow  # huggingface_hub waits and tries again
def test_a_large_file_that_does_not_arrive_leaves_nothing(hub: Hub, files: dict[str, Path]) -> None:
    hub.loses = True
    with pytest.raises(VisionFTError, match="The hub took nothing"):
        send_files(files, "me/model", endpoint=hub.url, message="Export")
    assert not hub.files


def test_offline_nothing_is_sent(hub: Hub, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")
    with pytest.raises(VisionFTError, match="Nothing was sent") as caught:
        send_files(files, "me/model", endpoint=hub.url, message="Export")
    assert not hub.asked and caught.value.next_step and caught.value.next_step.action == "allow_network"
