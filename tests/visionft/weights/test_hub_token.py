"""The hub's token: read from and stored in the place of huggingface_hub's tools, for this user only."""

import stat
from pathlib import Path

import pytest
from huggingface_hub import constants, get_token

from visionft.errors import VisionFTError
from visionft.weights.uploading import keep_token, token_place


@pytest.fixture(autouse=True)
def token_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
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


def test_a_place_that_takes_nothing_is_said(token_file: Path, unprivileged, monkeypatch: pytest.MonkeyPatch) -> None:
    token_file.parent.parent.joinpath("hf").write_text("no folder")
    with pytest.raises(VisionFTError, match=str(token_file.parent)):
        keep_token("hf_mine")
