"""Uploading an export: only on request, private by default, and never to a public repository by mistake."""

import base64
import hashlib
import logging
import stat
import time
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from huggingface_hub import constants, get_token

from visionft.credentials import without_secrets
from visionft.errors import VisionFTError
from visionft.events import Progress
from visionft.export.uploading import Destination, keep_token, send_files, token_place
from visionft.jobs import JobCancelled, JobContext
from visionft.log import log_expected, log_file, start_log
from visionft.support import report_text
from visionft.weights.offline import OFFLINE_VARIABLE

# httpx warns of how huggingface_hub sends large files.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
TO = Destination(repository="me/model")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "card.md").write_text("# card")
    (tmp_path / "model.onnx").write_bytes(b"\x08" * 3_000_000)
    return {"README.md": tmp_path / "card.md", "model.onnx": tmp_path / "model.onnx"}


def test_files_arrive_whole_under_their_names_in_a_private_repository(hub, files, tmp_path, caplog, capfd) -> None:
    files["model_int8.onnx"] = tmp_path / "model_int8.onnx"
    files["model_int8.onnx"].write_bytes(b"int8")
    told: list[Progress] = []
    sent = send_files(files, TO, message="Export", job=JobContext(told.append))
    assert sent.address == f"{hub.url}/me/model" and not sent.is_public and hub.is_private is True
    assert hub.files == {name: path.read_bytes() for name, path in files.items()}
    assert hashlib.sha256(b"\x08" * 3_000_000).hexdigest() in hub.objects and len(hub.objects) == 2
    done = [each.done for each in told]
    assert len(done) > 20 and done == sorted(done) and done[-1] == told[0].total == 3_000_010
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not warned and capfd.readouterr() == ("", "")


def test_a_public_repository_takes_nothing_unless_that_was_said(hub, files: dict[str, Path]) -> None:
    hub.is_private = False
    with pytest.raises(VisionFTError, match="me/model"):
        send_files(files, TO, message="Export")
    assert not hub.files and not any("preupload" in path for path in hub.asked)
    sent = send_files(files, Destination(repository="me/model", is_public=True), message="Export")
    assert set(hub.files) == {"README.md", "model.onnx"} and sent.is_public


def test_a_repository_with_files_is_filled_again_only_when_that_was_said(hub, files: dict[str, Path]) -> None:
    once = Destination(repository="me/model", may_replace=False)
    send_files(files, once, message="Export")  # it was made for this
    files["README.md"].write_text("# other")
    with pytest.raises(VisionFTError, match="me/model"):
        send_files(files, once, message="Export")
    assert hub.files["README.md"] == b"# card"
    send_files(files, TO, message="Export")
    assert hub.files["README.md"] == b"# other"


def test_it_stops_within_a_large_file_and_leaves_nothing(hub, files: dict[str, Path]) -> None:
    told: list[Progress] = []
    with pytest.raises(JobCancelled):
        send_files(files, TO, message="Export", job=JobContext(told.append, lambda: told[-1].done > 1_000_000))
    assert told[-1].done < 2_000_000 and not hub.files and not hub.objects
    send_files(files, Destination(repository="me/model", may_replace=False), message="Export")  # an empty one is as new


def test_a_given_token_is_the_one_that_is_used_and_is_shown_nowhere(hub, files: dict[str, Path], caplog) -> None:
    caplog.set_level(logging.DEBUG, "visionft")
    to = Destination(repository="me/model", token=" hf_given\n")
    send_files(files, to, message="Export")
    assert hub.tokens - {""} == {"hf_given"}
    assert "hf_given" not in repr(to) and "hf_given" not in caplog.text
    with pytest.raises(VisionFTError, match="token") as caught:
        send_files(files, Destination(repository="me/model", token="hf_é\nx"), message="Export")
    assert "hf_" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_hub_that_refuses_says_what_of_the_token(status: int, hub, files: dict[str, Path]) -> None:
    hub.status = status
    with pytest.raises(VisionFTError, match=rf"{status}.*huggingface\.co") as caught:
        send_files(files, TO, message="Export")
    assert ("me/model" in caught.value.message) == (status == 403) and not hub.files


def test_a_repository_or_hub_that_is_none_is_said(hub, files: dict[str, Path]) -> None:
    with pytest.raises(VisionFTError, match=r"me/\.\./x"):
        send_files(files, Destination(repository="me/../x"), message="Export")
    with pytest.raises(VisionFTError, match="refused"):
        send_files(files, Destination(repository="me/model", endpoint="http://127.0.0.1:9"), message="Export")


def test_a_large_file_that_does_not_arrive_leaves_nothing(hub, files: dict[str, Path], monkeypatch) -> None:
    hub.loses = True
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)  # huggingface_hub waits between its five tries
    with pytest.raises(VisionFTError, match="hub"):
        send_files(files, TO, message="Export")
    assert not hub.files


def test_offline_nothing_is_sent(hub, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")
    with pytest.raises(VisionFTError, match=OFFLINE_VARIABLE) as caught:
        send_files(files, TO, message="Export")
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
def test_a_hub_that_sends_the_token_back_brings_it_nowhere(status: int, hub, files, log_text, monkeypatch) -> None:
    hub.status, hub.echoes = status, True
    with pytest.raises(VisionFTError) as caught:
        send_files(files, Destination(repository="me/model", token=TOKEN), message="Export")
    assert hub.tokens == {TOKEN} and leaks(hub.told[-1])
    log_expected(logging.getLogger("visionft.test"), caught.value)
    logging.getLogger("huggingface_hub").warning("it said %s", hub.told[-1])
    logging.getLogger("visionft.test").error("a bug", exc_info=caught.value)
    trace = "".join(traceback.format_exception(caught.value))
    said = [str(caught.value), str(caught.value.__cause__), trace, log_text(), report_text(trace, with_names=True)]
    assert [leaks(text) for text in said] == [[]] * len(said)
    assert "<secret>" in log_text() and "Traceback" in log_text()


def test_the_token_of_the_environment_and_a_proxys_password_are_secrets_too(hub, files, monkeypatch) -> None:
    hub.status, hub.echoes = 400, True
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HTTPS_PROXY", "http://me:pass%2Fword-123@127.0.0.1:9")
    with pytest.raises(VisionFTError) as caught:
        send_files(files, Destination(repository="me/model"), message="Export")
    assert hub.tokens == {TOKEN} and not leaks("".join(traceback.format_exception(caught.value)))
    basic = base64.b64encode(b"me:pass/word-123").decode()
    told = without_secrets(f"407 from me:pass%2Fword-123@ pass/word-123 {basic[4:]}")
    assert not leaks(told, "pass/word-123") and not leaks(told, "pass%2Fword-123") and "407 from me:" in told


@pytest.fixture
def token_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return where the hub's own tools keep a token; there is none."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))
    return tmp_path / "hf" / "token"


def test_a_kept_token_is_the_login_of_the_hubs_own_tools(token_file: Path, monkeypatch) -> None:
    assert token_place() == ""
    keep_token("hf_mine")
    assert token_place() == "login" and get_token() == "hf_mine"
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    keep_token("hf_other")
    assert get_token() == "hf_other" and [each.name for each in token_file.parent.iterdir()] == ["token"]
    monkeypatch.setenv("HF_TOKEN", "hf_environment")  # goes before the login
    assert token_place() == "environment" and get_token() == "hf_environment"


def test_a_place_that_takes_nothing_is_said(token_file: Path) -> None:
    token_file.parent.write_text("no folder")
    with pytest.raises(VisionFTError, match=str(token_file.parent)):
        keep_token("hf_mine")
