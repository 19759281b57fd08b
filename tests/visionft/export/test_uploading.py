"""Uploading an export: only on request, private by default, and never to a public repository by mistake."""

import base64
import json
import logging
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from huggingface_hub import constants

from visionft.core.doctor import report_text
from visionft.core.errors import VisionFTError
from visionft.core.files import sha256_file
from visionft.core.log import log_file, log_visionft_error, start_log
from visionft.core.offline import OFFLINE_VARIABLE
from visionft.export.contents import list_contents
from visionft.export.verifying import send_export

# httpx warns of how huggingface_hub sends large files.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def export(tmp_path: Path, write_model) -> Path:
    """Return the folder of an export, with a file of the user in it."""
    model = write_model(tmp_path / "export" / "model.onnx")
    listed = list_contents(model.parent)
    record = {"sha256": sha256_file(model), "parity": {}, "bytes": model.stat().st_size, "files": listed}
    model.with_name("export.json").write_text(json.dumps(record))
    model.with_name("mine.txt").write_text("mine")
    return model.parent


def test_the_files_of_the_export_arrive_whole_in_a_private_repository(hub, export, capfd) -> None:
    assert send_export(export, "me/model") == f"{hub.url}/me/model" and hub.is_private is True
    assert hub.files == {name: (export / name).read_bytes() for name in ("model.onnx", "export.json")}
    assert capfd.readouterr() == ("", "")


def test_a_public_repository_takes_nothing_unless_that_was_said(hub, export) -> None:
    hub.is_private = False
    with pytest.raises(VisionFTError, match="me/model"):
        send_export(export, "me/model")
    assert not hub.files and not any("preupload" in path for path in hub.asked)
    send_export(export, "me/model", is_public=True)
    assert "model.onnx" in hub.files


def test_a_given_token_is_the_one_that_is_used_and_is_shown_nowhere(hub, export, caplog) -> None:
    caplog.set_level(logging.DEBUG, "visionft")
    send_export(export, "me/model", token=" hf_given\n")
    assert hub.tokens - {""} == {"hf_given"} and "hf_given" not in caplog.text
    with pytest.raises(VisionFTError) as caught:
        send_export(export, "me/model", token="hf_é\nx")
    assert "hf_" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_hub_that_refuses_says_what_of_the_token(status: int, hub, export) -> None:
    hub.status = status
    with pytest.raises(VisionFTError, match=rf"{status}.*huggingface\.co") as caught:
        send_export(export, "me/model")
    assert ("me/model" in caught.value.message) == (status == 403) and not hub.files


def test_a_repository_or_hub_that_is_none_is_said(hub, export, monkeypatch) -> None:
    with pytest.raises(VisionFTError, match=r"me/\.\./x"):
        send_export(export, "me/../x")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(VisionFTError) as caught:
        send_export(export, "me/model")
    assert caught.value.hint


def test_offline_nothing_is_sent(hub, export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")
    with pytest.raises(VisionFTError, match=OFFLINE_VARIABLE) as caught:
        send_export(export, "me/model")
    assert not hub.asked and caught.value.next_step and caught.value.next_step.action == "allow_network"


TOKEN = "hf_q7/Rw+ZkB2m9XcV5tN1sJ8yL4pD6fG3hA"


@pytest.fixture
def log_text(tmp_path: Path):
    """Return a function to get the text of this test's log."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    start_log("test")
    yield lambda: log_file().read_text(encoding="utf-8")
    root.setLevel(level)
    root.handlers[:] = handlers


def leaks(text: str, token: str = TOKEN) -> list[str]:
    """Return the pieces of a token found in a text, also encoded."""
    forms = [token, quote(token, safe=""), token.encode().hex()]
    forms += [base64.b64encode(f"{before}{token}".encode()).decode()[4:-4] for before in ("", "u", "me:")]
    return [form[at : at + 8] for form in forms for at in range(len(form) - 7) if form[at : at + 8] in text]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500])
def test_a_hub_that_sends_the_token_back_brings_it_nowhere(status: int, hub, export, log_text) -> None:
    hub.status, hub.echoes = status, True
    with pytest.raises(VisionFTError) as caught:
        send_export(export, "me/model", token=TOKEN)
    assert hub.tokens == {TOKEN} and leaks(hub.told[-1])
    log_visionft_error(logging.getLogger("visionft.test"), caught.value)
    logging.getLogger("huggingface_hub").warning("it was sent %s", "Authorization: Bearer hf_q7RwZkB2m9XcV5tN1sJ8")
    logging.getLogger("visionft.test").error("a bug", exc_info=caught.value)
    trace = "".join(traceback.format_exception(caught.value))
    said = [str(caught.value), trace, log_text(), report_text(trace)]
    assert [leaks(text) for text in said] == [[]] * len(said)
    assert "<secret>" in log_text() and "Traceback" in log_text()
