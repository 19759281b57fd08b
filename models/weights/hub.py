"""Downloads from the model hub: file metadata and chunked reading. It is the one module that connects.

`hf_hub_download` can neither be cancelled nor resumed (huggingface_hub 2.4 deletes the partial file), so the bytes are
streamed here; huggingface_hub handles addresses, metadata, proxies and certificates.
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
from models.weights.locations import substitutes, weights_folder
from visionft.core.errors import NextStep, WeightsError
from visionft.core.files import converting_write_errors
from visionft.core.foreign_text import without_secrets
from visionft.core.jobs import JobContext
from visionft.core.messages import Message, Text, sentences

logger = logging.getLogger(__name__)

TIMEOUT_S = 10.0  # without a byte
TRIES = 4  # without progress; the waits between them last 3.5 s
FIRST_WAIT_S = 0.5  # doubles from try to try
_MAX_REDIRECTS = 10  # the hub redirects once or twice, to where it stores large files
SPARE_BYTES = 200_000_000  # of a file larger than expected, such as one with a head for 22,000 classes
_Answer = TypeVar("_Answer")
OnBytes = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A weights file on the hub; 0 or empty where the hub does not state size, hash or the repository's commit."""

    url: str
    bytes: int
    sha256: str
    revision: str


class _ConnectionLost(Exception):
    """The connection failed or broke off; trying again may help."""


def look_up(backbone: Backbone, *, job: JobContext) -> RemoteFile | None:
    """Ask the hub for a backbone's file; None when cancelled, a `WeightsError` where the hub is gone or lacks it."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
    url = hf_hub_url(backbone.hub_id, backbone.hub_file, revision=backbone.pin.revision or None, endpoint=endpoint)

    def ask() -> RemoteFile:
        with _explained(backbone):
            found = get_hf_file_metadata(url, token=False, timeout=TIMEOUT_S, endpoint=endpoint)
        sha256 = found.etag if re.fullmatch(r"[0-9a-f]{64}", found.etag or "") else ""
        return RemoteFile(url=url, bytes=max(0, found.size or 0), sha256=sha256 or "", revision=found.commit_hash or "")

    return _with_retries(backbone, job, ask)


def most_bytes(backbone: Backbone, remote: RemoteFile) -> int:
    """Return how many bytes a download may have: the stated size, else twice the expected one and a little more."""
    return remote.bytes or 2 * backbone.hub_bytes + SPARE_BYTES


def download(backbone: Backbone, remote: RemoteFile, partial: Path, *, on_bytes: OnBytes, job: JobContext) -> bool:
    """Append the missing bytes of a file to `partial`; False when cancelled. Lost connections are retried.

    `partial` holds the first bytes of the same file, or does not exist yet; it is kept when this ends early. `on_bytes`
    receives the number of local bytes.

    Raises:
        WeightsError: The hub refuses or is gone, or the disk is full.
    """

    def stream() -> bool:
        return _stream(backbone, remote, partial, on_bytes, job)

    return bool(_with_retries(backbone, job, stream, lambda: size_of(partial)))


def size_of(path: Path) -> int:
    """Return the size of a file in bytes; 0 where it is missing."""
    return path.stat().st_size if path.exists() else 0


def _stream(backbone: Backbone, remote: RemoteFile, partial: Path, on_bytes: OnBytes, job: JobContext) -> bool:
    """Read the rest of the file once; False when stopped."""
    from huggingface_hub.utils import build_hf_headers

    have = size_of(partial)
    if remote.bytes and have == remote.bytes:
        return True
    headers = {**build_hf_headers(token=False), "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with _explained(backbone), _answer(remote.url, headers) as response:
        if response.status_code == 416:  # the piece that is here is no beginning of that file
            partial.unlink(missing_ok=True)
        _raise_for(response.status_code, backbone)
        goes_on = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        arrived = have if goes_on else 0
        with converting_write_errors(partial):  # errors of the disk, and not of the network
            handle = partial.open("ab" if goes_on else "wb")
        try:
            for piece in response.iter_raw():
                with converting_write_errors(partial):
                    handle.write(piece)
                arrived += len(piece)
                on_bytes(arrived)
                if job.is_cancelled:
                    return False
                if arrived > most_bytes(backbone, remote):
                    break  # the check of the size says it
        finally:
            with converting_write_errors(partial):
                handle.close()  # writes what is left
    if arrived < remote.bytes and "Content-Length" not in response.headers:
        # With a length, the client has seen to it that all came; then the promise was wrong, and the check says so.
        raise _ConnectionLost(
            Message("it ended after {arrived} of {bytes} bytes", arrived=f"{arrived:,}", bytes=f"{remote.bytes:,}")
        )
    return True


@contextmanager
def _answer(url: str, headers: dict[str, str]) -> Generator[Any]:
    """Yield the response of a file's address, its content unread; that of redirects is never read."""
    from huggingface_hub.utils import get_session

    session: Any = get_session()
    for _ in range(_MAX_REDIRECTS):
        with session.stream("GET", url, headers=headers, timeout=TIMEOUT_S, follow_redirects=False) as response:
            if response.next_request is None:
                yield response
                return
            url = str(response.next_request.url)
    raise _ConnectionLost(Message("its redirects do not end"))


def _with_retries(
    backbone: Backbone, job: JobContext, ask: Callable[[], _Answer], progress: Callable[[], int] = lambda: 0
) -> _Answer | None:
    """Return the result of `ask`, tried again until `TRIES` failures without `progress`; None when cancelled."""
    failures = 0
    while True:
        before = progress()
        try:
            return ask()
        except _ConnectionLost as fault:
            logger.info("hub: %s", fault, exc_info=True)
            failures = 1 if progress() > before else failures + 1
            if failures >= TRIES:
                text = Message("The weights of {name} are not on this computer and cannot be fetched: {fault}.")
                again = "Check the connection and try again: what has arrived is kept and not fetched twice."
                raise _to_import(backbone, Message(text, name=backbone.name, fault=fault), again) from fault
        end = time.monotonic() + FIRST_WAIT_S * 2 ** (failures - 1)
        while not job.is_cancelled and (left := end - time.monotonic()) > 0:
            time.sleep(min(0.1, left))
        if job.is_cancelled:
            return None


@contextmanager
def _explained(backbone: Backbone) -> Generator[None]:
    """Turn an exception of the hub's client into `_ConnectionLost`, or into an error with a next step."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    # The HTTP library's own base error (httpx under huggingface_hub 1, httpx2 under 2) and OSError.
    transport_errors = cast(tuple[type[Exception], ...], HfHubHTTPError.__bases__)
    try:
        yield
    except OfflineModeIsEnabled:
        raise offline_error(backbone, Message("VisionFT works offline (HF_HUB_OFFLINE was set).")) from None
    except HfHubHTTPError as error:
        _raise_for(error.response.status_code, backbone)
        raise _ConnectionLost(Message("the hub answered {status}", status=error.response.status_code)) from None
    except transport_errors as error:
        raise _ConnectionLost(without_secrets(str(error)) or type(error).__name__) from None
    except ValueError:  # invalid address
        raise _ConnectionLost(Message("its answer is not a hub's")) from None


def _raise_for(status: int, backbone: Backbone) -> None:
    """Raise for an error response; temporary ones are `_ConnectionLost`.

    What the client raised is no cause of the error: its text holds the address, with a password for a mirror.
    """
    if status < 400:
        return
    if status in (408, 416, 425, 429) or status >= 500:
        raise _ConnectionLost(Message("the hub answered {status}", status=status)) from None
    template = Message("The hub refuses {file} of {repository} (it answered {status}).", status=status)
    if status == 404:
        template = Message("The hub does not have {file} of {repository} (it answered {status}).", status=status)
    repository = f"{backbone.hub_id}@{backbone.pin.revision}".rstrip("@")  # at the pinned commit
    raise _to_import(backbone, Message(template, file=backbone.hub_file, repository=repository)) from None


def offline_error(backbone: Backbone, reason: str) -> WeightsError:
    message = Message("The weights of {name} are not on this computer.", name=backbone.name)
    return _to_import(backbone, sentences(message, reason), "Allow the network once, or import the file.")


def import_advice(backbone: Backbone) -> Message:
    """Return advice to import the backbone's file from elsewhere, or to do without it where another can answer."""
    advice = Message(
        "Get {file} of {hub_id} elsewhere and import it; it is copied to {folder}.",
        file=backbone.hub_file,
        hub_id=backbone.hub_id,
        folder=weights_folder(),
    )
    return sentences(advice, substitutes(backbone))


def _to_import(backbone: Backbone, message: Message, advice: Text = "") -> WeightsError:
    step = NextStep("import_weights", backbone=backbone.name)
    return WeightsError(message, sentences(advice, import_advice(backbone)), step)
