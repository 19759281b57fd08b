"""Sending an export: only when asked, private unless said, and never to a public repository by mistake."""

import hashlib
import logging
from pathlib import Path

import pytest

from visionft.errors import StoppedError, VisionFTError
from visionft.events import Progress
from visionft.weights.states import OFFLINE_VARIABLE
from visionft.weights.uploading import Destination, send_files

# httpx warns of how huggingface_hub sends large files.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
TO = Destination(repository="me/model")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "card.md").write_text("# card")
    (tmp_path / "model.onnx").write_bytes(b"\x08" * 3_000_000)
    return {"README.md": tmp_path / "card.md", "model.onnx": tmp_path / "model.onnx"}


def test_several_large_files_and_small_ones_arrive_whole(hub, files: dict[str, Path], tmp_path: Path) -> None:
    for name in ("model_int8.onnx", "model_fp16.onnx"):
        files[name] = tmp_path / name
        files[name].write_bytes(name.encode())
    send_files(files, TO, message="Export")
    assert hub.files == {name: path.read_bytes() for name, path in files.items()} and len(hub.objects) == 3


def test_files_arrive_under_their_names_in_a_private_repository(hub, files: dict[str, Path], caplog, capfd) -> None:
    told: list[Progress] = []
    sent = send_files(files, TO, message="Export", on_event=told.append)
    assert sent.address == f"{hub.url}/me/model" and not sent.is_public and hub.is_private is True
    assert hub.files == {"README.md": b"# card", "model.onnx": b"\x08" * 3_000_000}
    assert list(hub.objects) == [hashlib.sha256(b"\x08" * 3_000_000).hexdigest()]
    done = [each.done for each in told]
    assert len(done) > 20 and done == sorted(done) and done[-1] == told[0].total == 3_000_006
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not warned and capfd.readouterr() == ("", "")


def test_a_public_repository_takes_nothing_unless_that_was_said(hub, files: dict[str, Path]) -> None:
    hub.is_private = False
    with pytest.raises(VisionFTError, match=r"me/model is public, so nothing was sent"):
        send_files(files, TO, message="Export")
    assert not hub.files and not any("preupload" in path for path in hub.asked)
    sent = send_files(files, Destination(repository="me/model", is_public=True), message="Export")
    assert set(hub.files) == {"README.md", "model.onnx"} and sent.is_public


def test_a_repository_with_files_is_filled_again_only_when_that_was_said(hub, files: dict[str, Path]) -> None:
    once = Destination(repository="me/model", may_replace=False)
    send_files(files, once, message="Export")  # it was made for this
    files["README.md"].write_text("# other")
    with pytest.raises(VisionFTError, match="me/model is there already and holds files") as caught:
        send_files(files, once, message="Export")
    assert "be replaced" in caught.value.hint and hub.files["README.md"] == b"# card"
    send_files(files, TO, message="Export")
    assert hub.files["README.md"] == b"# other"


def test_it_stops_within_a_large_file_and_leaves_nothing(hub, files: dict[str, Path]) -> None:
    told: list[Progress] = []
    with pytest.raises(StoppedError, match="Sending was stopped"):
        send_files(files, TO, message="Export", on_event=told.append, should_stop=lambda: told[-1].done > 1_000_000)
    assert told[-1].done < 2_000_000 and not hub.files and not hub.objects
    send_files(files, Destination(repository="me/model", may_replace=False), message="Export")  # an empty one is as new


def test_a_given_token_is_the_one_that_is_used_and_is_shown_nowhere(hub, files: dict[str, Path], caplog) -> None:
    caplog.set_level(logging.DEBUG, "visionft")
    to = Destination(repository="me/model", token=" hf_given\n")
    send_files(files, to, message="Export")
    assert hub.tokens - {""} == {"hf_given"}
    assert "hf_given" not in repr(to) and "hf_given" not in caplog.text
    with pytest.raises(VisionFTError, match="That is no token") as caught:
        send_files(files, Destination(repository="me/model", token="hf_é\nx"), message="Export")
    assert "hf_" not in str(caught.value)


@pytest.mark.parametrize(("status", "words"), [(401, "does not know the token"), (403, "may not write to me/model")])
def test_a_hub_that_refuses_says_what_of_the_token(status: int, words: str, hub, files: dict[str, Path]) -> None:
    hub.status = status
    with pytest.raises(VisionFTError, match=words) as caught:
        send_files(files, TO, message="Export")
    assert str(status) in caught.value.message and "Access Tokens" in caught.value.hint and not hub.files


def test_a_hub_that_is_gone_and_a_name_that_is_none_are_said(hub, files: dict[str, Path]) -> None:
    with pytest.raises(VisionFTError, match="is no name of a repository"):
        send_files(files, Destination(repository="me/../x"), message="Export")
    with pytest.raises(VisionFTError, match="cannot be reached"):
        send_files(files, Destination(repository="me/model", endpoint="http://127.0.0.1:9"), message="Export")


@pytest.mark.slow  # huggingface_hub waits and tries again
def test_a_large_file_that_does_not_arrive_leaves_nothing(hub, files: dict[str, Path]) -> None:
    hub.loses = True
    with pytest.raises(VisionFTError, match="The hub took nothing"):
        send_files(files, TO, message="Export")
    assert not hub.files


def test_offline_nothing_is_sent(hub, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")
    with pytest.raises(VisionFTError, match="Nothing was sent") as caught:
        send_files(files, TO, message="Export")
    assert not hub.asked and caught.value.next_step and caught.value.next_step.action == "allow_network"
