"""Talking to the model hub: what a file there is, and reading it piece by piece. The one module that connects.

`hf_hub_download` can neither be stopped nor goes on where an earlier call broke off (huggingface_hub 2.4 deletes the
piece), so the bytes are streamed here; addresses, metadata, proxies and certificates stay huggingface_hub's business.
`HF_ENDPOINT` names a mirror.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from models.catalog import Backbone
from visionft.errors import NextStep, WeightsError
from visionft.events import ShouldStop
from visionft.files import write_error
from visionft.weights.locations import weights_folder

logger = logging.getLogger(__name__)

TIMEOUT_S = 10.0
TRIES = 4
FIRST_WAIT_S = 0.5  # doubles from try to try
_Answer = TypeVar("_Answer")
OnBytes = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A weights file on the hub.

    Attributes:
        url: Where it is.
        bytes: Its size; 0 where the hub does not say.
        sha256: Its hash, as the hub states it; empty where it does not.
        revision: The repository's commit; empty where the hub does not say.
    """

    url: str
    bytes: int
    sha256: str
    revision: str


class _Interrupted(Exception):
    """The connection failed or broke off; trying again may help. `__cause__` says why."""


def look_up(backbone: Backbone, *, should_stop: ShouldStop) -> RemoteFile | None:
    """Ask the hub for a backbone's file; None when stopped.

    Raises:
        WeightsError: The hub cannot be reached, or does not have it.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
    url = hf_hub_url(backbone.hub_id, backbone.hub_file, revision=backbone.pin.revision or None, endpoint=endpoint)

    def ask() -> RemoteFile:
        with _explained(backbone):
            found = get_hf_file_metadata(url, token=False, timeout=TIMEOUT_S, endpoint=endpoint)
        sha256 = found.etag if re.fullmatch(r"[0-9a-f]{64}", found.etag or "") else ""
        return RemoteFile(url=url, bytes=found.size or 0, sha256=sha256 or "", revision=found.commit_hash or "")

    return _Patience(backbone, should_stop).get(ask)


def download(
    backbone: Backbone, remote: RemoteFile, partial: Path, *, on_bytes: OnBytes, should_stop: ShouldStop
) -> bool:
    """Append to `partial` what it lacks of a file; False when stopped. A connection that breaks off is taken up again.

    Args:
        backbone: Whose weights they are.
        remote: What `look_up` gave.
        partial: Holds the first bytes of the same file, or is not there yet; kept when this ends early.
        on_bytes: Receives how many bytes are here.
        should_stop: Asked after each piece.

    Raises:
        WeightsError: The hub refuses or is gone, or the disk is full.
    """
    patience = _Patience(backbone, should_stop)

    def go_on() -> bool:
        before = _size(partial)
        try:
            return _stream(backbone, remote, partial, on_bytes, should_stop)
        except _Interrupted:
            if _size(partial) > before:
                patience.renew()
            raise

    return bool(patience.get(go_on))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _stream(backbone: Backbone, remote: RemoteFile, partial: Path, on_bytes: OnBytes, should_stop: ShouldStop) -> bool:
    """Read the rest of the file once; False when stopped."""
    from huggingface_hub.utils import build_hf_headers, get_session

    have = _size(partial)
    if remote.bytes and have == remote.bytes:
        return True
    headers = {**build_hf_headers(token=False), "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with (
        _explained(backbone),
        get_session().stream("GET", remote.url, headers=headers, timeout=TIMEOUT_S) as response,
    ):
        if response.status_code == 416:  # the piece that is here is no beginning of that file
            partial.unlink(missing_ok=True)
        _raise_for(response.status_code, backbone)
        goes_on = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        with _opened(partial, "ab" if goes_on else "wb") as write:
            arrived = have if goes_on else 0
            for piece in response.iter_raw():
                write(piece)
                arrived += len(piece)
                on_bytes(arrived)
                if should_stop():
                    return False
                if remote.bytes and arrived > remote.bytes:
                    break  # the check of the size says it
    if arrived < remote.bytes and "Content-Length" not in response.headers:
        # With a length, the client has seen to it that all came; then the promise was wrong, and the check says so.
        raise _Interrupted(f"it ended after {arrived:,} of {remote.bytes:,} bytes")
    return True


@contextmanager
def _opened(partial: Path, mode: str) -> Generator[Callable[[bytes], Any]]:
    """Open `partial` and give what writes to it; its own faults never pass for the network's."""
    try:
        handle = partial.open(mode)
    except OSError as error:
        raise write_error(partial, error) from error

    def write(piece: bytes) -> None:
        try:
            handle.write(piece)
        except OSError as error:
            raise write_error(partial, error) from error

    try:
        yield write
    finally:
        try:
            handle.close()  # writes what is left
        except OSError as error:
            raise write_error(partial, error) from error


class _Patience:
    """Tries again a few times, ever later, for as long as nobody wants to stop."""

    def __init__(self, backbone: Backbone, should_stop: ShouldStop) -> None:
        self._backbone, self._should_stop = backbone, should_stop
        self._failures = 0

    def renew(self) -> None:
        """Start counting anew: something did arrive."""
        self._failures = 0

    def get(self, ask: Callable[[], _Answer]) -> _Answer | None:
        """Return what `ask` gives; None when stopped.

        Raises:
            WeightsError: It failed too often.
        """
        while True:
            try:
                return ask()
            except _Interrupted as fault:
                logger.info("hub: %s", fault, exc_info=True)
                self._failures += 1
                if self._failures >= TRIES:
                    raise _unreachable(self._backbone, fault) from fault
            if self._is_stopped_within(FIRST_WAIT_S * 2 ** (self._failures - 1)):
                return None

    def _is_stopped_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self._should_stop():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(0.1, left))
        return True


@contextmanager
def _explained(backbone: Backbone) -> Generator[None]:
    """Turn what the hub's client raises into `_Interrupted`, or into an error with the next step."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    # The HTTP library's own base error (httpx under huggingface_hub 1, httpx2 under 2) and OSError.
    transport_errors = cast(tuple[type[Exception], ...], HfHubHTTPError.__bases__)
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise offline_error(backbone, "VisionFT works offline (HF_HUB_OFFLINE was set).") from error
    except HfHubHTTPError as error:
        _raise_for(error.response.status_code, backbone, error)
        raise _Interrupted(f"the hub answered {error.response.status_code}") from error
    except transport_errors as error:
        raise _Interrupted(str(error) or type(error).__name__) from error


def _raise_for(status: int, backbone: Backbone, cause: Exception | None = None) -> None:
    """Raise for an answer that is no file; those that pass by themselves are `_Interrupted`."""
    if status < 400:
        return
    if status in (408, 416, 425, 429) or status >= 500:
        raise _Interrupted(f"the hub answered {status}") from cause
    what = {401: "does not give", 403: "does not give", 404: "does not have"}.get(status, "refuses")
    commit = f" at commit {backbone.pin.revision}" if backbone.pin.revision else ""
    message = f"The hub {what} {backbone.hub_file} of {backbone.hub_id}{commit} (it answered {status})."
    raise WeightsError(message, f"Get the file elsewhere and {_import_hint()}.", _import_step(backbone)) from cause


def _import_hint() -> str:
    return f"import it, which copies it to {weights_folder()}; or take a starter backbone, which ships with the program"


def _import_step(backbone: Backbone) -> NextStep:
    return NextStep("import_weights", backbone=backbone.name)


def _unreachable(backbone: Backbone, fault: _Interrupted) -> WeightsError:
    hint = (
        "Check the connection and try again: what has arrived is kept and not fetched twice. Or, on a computer with a "
        f"network, get {backbone.hub_file} of {backbone.hub_id}, and here {_import_hint()}."
    )
    message = f"The weights of {backbone.name} are not on this computer and cannot be fetched: {fault}."
    return WeightsError(message, hint, _import_step(backbone))


def offline_error(backbone: Backbone, reason: str) -> WeightsError:
    """Return the error for weights that are not here and may not be fetched."""
    hint = (
        f"Allow the network once, or get {backbone.hub_file} of {backbone.hub_id} elsewhere and {_import_hint()}; "
        "or train from random weights."
    )
    message = f"The weights of {backbone.name} are not on this computer. {reason}"
    return WeightsError(message, hint, _import_step(backbone))
