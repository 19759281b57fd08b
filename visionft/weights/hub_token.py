"""The token by which the model hub knows who sends: where this computer has one, and keeping one when asked to.

Environment and file are huggingface_hub's own, so that its tools and this program know the same login. No token is
logged, shown, or kept without being asked.
"""

import os
import re
from pathlib import Path
from typing import Literal

from visionft.errors import VisionFTError
from visionft.files import atomic_path, write_error

TokenPlace = Literal["", "environment", "login"]
_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def token_place() -> TokenPlace:
    """Return where this computer has a token for the hub; empty where it has none. Opens no connection."""
    if any(os.environ.get(name, "").strip() for name in _VARIABLES):
        return "environment"
    try:
        return "login" if _token_file().read_text(encoding="utf-8").strip() else ""
    except (OSError, UnicodeDecodeError):
        return ""


def checked_token(token: str) -> str:
    """Return a token without blanks around it.

    Raises:
        VisionFTError: It cannot stand in a request; the client's own error would show it.
    """
    token = token.strip()
    if not re.fullmatch(r"[!-~]*", token):
        raise VisionFTError("That is no token of the hub.", "Copy it whole: it has neither blanks nor accents.")
    return token


def keep_token(token: str) -> None:
    """Write a token where huggingface_hub's own login keeps it, for this user's eyes only.

    Raises:
        VisionFTError: It cannot be written there.
    """
    target = _token_file()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(target, error) from error
    with atomic_path(target) as unfinished:
        unfinished.touch(mode=0o600)
        unfinished.write_text(token, encoding="utf-8")


def _token_file() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_TOKEN_PATH)
