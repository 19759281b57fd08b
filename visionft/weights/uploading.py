"""Sending files to the model hub, when a person has asked for it and never else. It connects, as `hub` does.

Who sends is huggingface_hub's business (its own login, or `HF_TOKEN`) unless a token is given. `HF_ENDPOINT` names
another hub. The files are read here, piece by piece, so that sending them can be followed and stopped: by a path the
client would hand them to a library that can do neither.
"""

import io
import logging
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from visionft.errors import NextStep, StoppedError, VisionFTError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.foreign_text import printable
from visionft.weights.hub_token import checked_token
from visionft.weights.states import offline_reason

logger = logging.getLogger(__name__)
_PATIENCE_S = 30.0  # for an answer, or for a piece to be taken; the client's own is endless
_LOGIN = (
    "Give a token that may write (they are made on huggingface.co, Settings, Access Tokens), or log in with "
    "huggingface_hub's own tool."
)
_MADE_BY_THE_HUB = {".gitattributes"}


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where files go, and as whose.

    Attributes:
        repository: `NAME` of the person whose token it is, or `OWNER/NAME`; it is made where it is missing.
        is_public: Whether everybody may see it.
        may_replace: Whether it may hold files already; those of the same names are replaced.
        token: Of who sends; empty for huggingface_hub's own. It is in no `repr`.
        endpoint: Address of the hub; huggingface_hub's own when None.
    """

    repository: str
    is_public: bool = False
    may_replace: bool = True
    token: str = field(default="", repr=False)
    endpoint: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sent:
    """Where files are now, and whether everybody may see them: what the hub says, not what was asked for."""

    address: str
    is_public: bool


def hub_name() -> str:
    """Return the name of the computer that takes the files, such as `huggingface.co`."""
    from huggingface_hub import constants

    return urlsplit(constants.ENDPOINT).netloc or constants.ENDPOINT


def require_network() -> None:
    """Refuse to send where the settings forbid the network.

    Raises:
        VisionFTError: They do.
    """
    if reason := offline_reason():
        raise VisionFTError(f"Nothing was sent. {reason}", "Allow the network first.", NextStep("allow_network"))


def send_files(
    files: Mapping[str, Path],
    to: Destination,
    *,
    message: str,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Sent:
    """Put files into a model repository, in one commit: all of them arrive, or none.

    Args:
        files: {name in the repository: file}.
        to: Where they go.
        message: Of the commit.
        on_event: Receives how many bytes are there.
        should_stop: Asked with each piece of a file.

    Raises:
        VisionFTError: The network may not be used, the hub refuses or is gone, the repository is public although it was
            not to be, or holds files although it was not to.
        StoppedError: It was stopped; the repository may have been made, and is empty.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils import disable_progress_bars, get_session, validate_repo_id

    require_network()
    disable_progress_bars()  # they would be printed
    get_session().timeout = _PATIENCE_S
    token = checked_token(to.token)
    api: Any = HfApi(endpoint=to.endpoint, library_name="visionft", token=token or None)
    sending = _Sending(sum(path.stat().st_size for path in files.values()), on_event, should_stop)
    with _explained(to.repository), ExitStack() as opened:
        validate_repo_id(to.repository)
        made = api.create_repo(to.repository, private=not to.is_public, exist_ok=True, repo_type="model")
        is_public = _allowed(api.model_info(made.repo_id), to)
        contents = {name: opened.enter_context(_Followed(name, path, sending)) for name, path in files.items()}
        operations = [
            CommitOperationAdd(name, content) for name, content in contents.items()
        ]  # reads each for its hash
        sending.begin()
        opened.enter_context(_silent())
        api.create_commit(made.repo_id, operations, commit_message=message, repo_type="model", num_threads=1)
    logger.info("sent %d files to the hub", len(files))
    return Sent(address=str(made), is_public=is_public)


def _allowed(found: Any, to: Destination) -> bool:
    """Return whether a repository is public; refuse one that is to take nothing."""
    if not to.is_public and not found.private:
        hint = "Choose another repository, or say that everybody may see it."
        raise VisionFTError(f"{found.id} is public, so nothing was sent.", hint)
    holds = {each.rfilename for each in found.siblings or ()} - _MADE_BY_THE_HUB
    if holds and not to.may_replace:
        hint = "Choose another name, or let its files be replaced."
        raise VisionFTError(f"{found.id} is there already and holds files, so nothing was sent.", hint)
    return not found.private


class _Sending:
    """How far it is; ends it when asked to."""

    def __init__(self, total: int, on_event: OnEvent, should_stop: ShouldStop) -> None:
        self._total, self._on_event, self._should_stop = total, on_event, should_stop
        self._has_begun, self._done = False, dict[str, int]()
        self._say()

    def begin(self) -> None:
        """Count from now on: what was read before was not sent."""
        self._has_begun = True

    def tell(self, name: str, done: int) -> None:
        """Say how many bytes of a file were read."""
        if self._has_begun:
            self._done[name] = done
            self._say()

    def stop_if_asked(self) -> None:
        """Raise StoppedError when it is to stop."""
        if self._should_stop():
            raise StoppedError("Sending was stopped.", "Nothing of it is on the hub but, perhaps, an empty repository.")

    def _say(self) -> None:
        done = sum(self._done.values())
        self._on_event(Progress(stage="Sending", done=done, total=self._total, unit="bytes"))


class _Followed(io.BufferedReader):
    """A file that is read to be sent: it tells how far it was read, and can be stopped there."""

    def __init__(self, name: str, path: Path, sending: _Sending) -> None:
        super().__init__(io.FileIO(path))
        self._called, self._sending = name, sending

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any file does."""
        self._sending.stop_if_asked()
        piece = super().read(size)
        self._sending.tell(self._called, self.tell())
        return piece


@contextmanager
def _silent() -> Generator[None]:
    """Keep the client from warning that it reads the file itself, which is wanted."""
    client = logging.getLogger("huggingface_hub")
    level = client.level
    client.setLevel(logging.ERROR)
    try:
        yield
    finally:
        client.setLevel(level)


@contextmanager
def _explained(repository: str) -> Generator[None]:
    """Turn what the hub's client raises into an error with advice."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

    # The HTTP library's own base error (httpx under huggingface_hub 1, httpx2 under 2) and OSError.
    transport_errors = cast(tuple[type[Exception], ...], HfHubHTTPError.__bases__)
    try:
        yield
    except HFValidationError as error:
        hint = "Give NAME or OWNER/NAME, of letters, digits, “-”, “_” and “.”."
        raise VisionFTError(f"{repository} is no name of a repository.", hint) from error
    except OfflineModeIsEnabled as error:
        step = NextStep("allow_network")
        raise VisionFTError("Nothing was sent: HF_HUB_OFFLINE was set.", "Allow the network first.", step) from error
    except LocalTokenNotFoundError as error:
        raise VisionFTError("Nobody is logged in to the hub on this computer.", _LOGIN) from error
    except HfHubHTTPError as error:
        raise _refused(repository, error) from error
    except RuntimeError as error:
        if isinstance(error.__cause__, StoppedError):
            raise error.__cause__ from None
        if error.__cause__ is None:
            raise
        # Of a large file that did not arrive; nothing counts before the commit.
        raise VisionFTError(f"The hub took nothing: {error}", "Check the connection and try again.") from error
    except transport_errors as error:
        reason = str(error) or type(error).__name__
        raise VisionFTError(f"The hub cannot be reached: {reason}.", "Check the connection and try again.") from error


def _refused(repository: str, error: Any) -> VisionFTError:
    status = error.response.status_code
    if status == 401:
        return VisionFTError("The hub does not know the token, or there is none (it answered 401).", _LOGIN)
    if status == 403:
        return VisionFTError(f"The token may not write to {repository} (the hub answered 403).", _LOGIN)
    said = printable(str(error.server_message or ""))[:200].rstrip(".") or f"it answered {status}"
    hint = "Try again later." if status >= 500 else "Choose another name."
    return VisionFTError(f"The hub refuses to take {repository}: {said}.", hint)
