"""Sending files to the model hub, when a person has asked for it and never else. It connects, as `weights.hub` does.

Who sends is huggingface_hub's business (its own login, or `HF_TOKEN`) unless a token is given. `HF_ENDPOINT` names
another hub. No token is logged, shown, or saved without a request. The files are read here, piece by piece, so that
sending them can be followed and stopped: by a path the client would hand them to a library that can do neither.
"""

import io
import logging
import os
import re
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from models.messages import Message
from visionft.credentials import errors_without_secrets, without_secrets
from visionft.errors import NextStep, VisionFTError
from visionft.events import Progress
from visionft.files import atomic_path, write_error
from visionft.foreign_text import printable
from visionft.jobs import SILENT, JobCancelled, JobContext
from visionft.weights.offline import offline_reason

logger = logging.getLogger(__name__)
_PATIENCE_S = 30.0  # for an answer, or for a piece to be taken; the client's own is endless
_LOGIN = Message(
    "Give a token that may write (they are made on huggingface.co, Settings, Access Tokens), or log in with "
    "huggingface_hub's own tool."
)
TokenPlace = Literal["", "environment", "login"]


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where files go, and as whose."""

    repository: str  # `NAME` of the person whose token it is, or `OWNER/NAME`; it is made where it is missing
    is_public: bool = False  # whether everybody may see it
    may_replace: bool = True  # whether it may hold files already; those of the same names are replaced
    token: str = field(default="", repr=False)  # of who sends; empty for huggingface_hub's own. It is in no `repr`
    endpoint: str | None = None  # address of the hub; huggingface_hub's own when None


@dataclass(frozen=True, kw_only=True)
class UploadResult:
    """Where files are now, and whether everybody may see them: what the hub says, not what was asked for."""

    address: str
    is_public: bool


def hub_name() -> str:
    """Return the name of the computer that takes the files, such as `huggingface.co`."""
    from huggingface_hub import constants

    return urlsplit(constants.ENDPOINT).netloc or constants.ENDPOINT


def require_network() -> None:
    """Raise a `VisionFTError` where the settings forbid the network."""
    if reason := offline_reason():
        message = Message("Nothing was sent. {reason}", reason=reason)
        raise VisionFTError(message, "Allow the network first.", NextStep("allow_network"))


def send_files(files: Mapping[str, Path], to: Destination, *, message: str, job: JobContext = SILENT) -> UploadResult:
    """Put files ({name in the repository: file}) into a model repository, in one commit: all of them arrive, or none.

    Raises:
        VisionFTError: The network may not be used, the hub refuses or is gone, the repository is public although it was
            not to be, or holds files although it was not to.
        JobCancelled: It was stopped; the repository may have been made, and is empty.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.utils import disable_progress_bars, get_session, validate_repo_id

    require_network()
    disable_progress_bars()  # they would be printed
    get_session().timeout = _PATIENCE_S
    token = checked_token(to.token)
    api: Any = HfApi(endpoint=to.endpoint, library_name="visionft", token=token or None)
    progress = _UploadProgress(sum(path.stat().st_size for path in files.values()), job)
    with _explained(to.repository), errors_without_secrets(token or get_token() or ""), ExitStack() as opened:
        validate_repo_id(to.repository)
        made = api.create_repo(to.repository, private=not to.is_public, exist_ok=True, repo_type="model")
        found = api.model_info(made.repo_id)
        if not to.is_public and not found.private:
            hint = Message("Choose another repository, or say that everybody may see it.")
            raise VisionFTError(Message("{repository} is public, so nothing was sent.", repository=found.id), hint)
        if not to.may_replace and {each.rfilename for each in found.siblings or ()} - {".gitattributes"}:
            text = Message("{repository} is there already and holds files, so nothing was sent.", repository=found.id)
            raise VisionFTError(text, Message("Choose another name, or let its files be replaced."))
        contents = {name: opened.enter_context(_MonitoredFile(name, path, progress)) for name, path in files.items()}
        operations = [CommitOperationAdd(name, each) for name, each in contents.items()]  # reads each for its hash
        progress.is_sending = True
        client = logging.getLogger("huggingface_hub")
        opened.callback(client.setLevel, client.level)
        client.setLevel(logging.ERROR)  # it would warn that it reads the file itself, which is wanted
        api.create_commit(made.repo_id, operations, commit_message=message, repo_type="model", num_threads=1)
    logger.info("sent %d files to the hub", len(files))
    return UploadResult(address=without_secrets(str(made)), is_public=not found.private)


class _UploadProgress:
    """How far the sending is; what is read before `is_sending` does not count."""

    def __init__(self, total: int, job: JobContext) -> None:
        self.job = job
        self.is_sending = False
        self._total = total
        self._done = dict[str, int]()
        self._report()

    def note(self, name: str, done: int) -> None:
        if self.is_sending:
            self._done[name] = done
            self._report()

    def _report(self) -> None:
        done = sum(self._done.values())
        self.job.report(Progress(stage="Sending", done=done, total=self._total, unit="bytes"))


class _MonitoredFile(io.BufferedReader):
    """A file that is read to be sent: it reports how far it was read, and can be stopped there."""

    def __init__(self, name: str, path: Path, progress: _UploadProgress) -> None:
        super().__init__(io.FileIO(path))
        self._called, self._progress = name, progress

    def read(self, size: int | None = -1, /) -> bytes:
        self._progress.job.check_cancelled()
        piece = super().read(size)
        self._progress.note(self._called, self.tell())
        return piece


@contextmanager
def _explained(repository: str) -> Generator[None]:
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

    # The HTTP library's own base error (httpx under huggingface_hub 1, httpx2 under 2) and OSError.
    transport_errors = cast(tuple[type[Exception], ...], HfHubHTTPError.__bases__)
    check = Message("Check the connection and try again.")
    try:
        yield
    except HFValidationError as error:
        hint = Message("Give NAME or OWNER/NAME, of letters, digits, “-”, “_” and “.”.")
        raise VisionFTError(Message("{repository} is no name of a repository.", repository=repository), hint) from error
    except OfflineModeIsEnabled as error:
        step = NextStep("allow_network")
        raise VisionFTError("Nothing was sent: HF_HUB_OFFLINE was set.", "Allow the network first.", step) from error
    except LocalTokenNotFoundError as error:
        raise VisionFTError("Nobody is logged in to the hub on this computer.", _LOGIN) from error
    except HfHubHTTPError as error:
        raise _refused(repository, error) from error
    except RuntimeError as error:
        if isinstance(error.__cause__, JobCancelled):
            raise error.__cause__ from None
        if error.__cause__ is None:
            raise
        # Of a large file that did not arrive; nothing counts before the commit.
        raise VisionFTError(Message("The hub took nothing: {error}", error=error), check) from error
    except transport_errors as error:
        message = Message("The hub cannot be reached: {reason}.", reason=str(error) or type(error).__name__)
        raise VisionFTError(message, check) from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # of odd answers
        hint = Message("Check that its address (HF_ENDPOINT) is that of a hub.")
        raise VisionFTError("The hub's response is not that of a hub.", hint) from error


def _refused(repository: str, error: Any) -> VisionFTError:
    status = error.response.status_code
    if status == 401:
        return VisionFTError("The hub does not know the token, or there is none (it answered 401).", _LOGIN)
    if status == 403:
        message = Message("The token may not write to {repository} (the hub answered 403).", repository=repository)
        return VisionFTError(message, _LOGIN)
    reason = printable(str(error.server_message or ""))[:200].rstrip(".")
    reason = reason or Message("it answered {status}", status=status)
    hint = Message("Try again later.") if status >= 500 else Message("Choose another name.")
    message = Message("The hub refuses to take {repository}: {reason}.", repository=repository, reason=reason)
    return VisionFTError(message, hint)


def token_place() -> TokenPlace:
    """Return where this computer has a token for the hub; empty where it has none. Opens no connection."""
    if any(os.environ.get(name, "").strip() for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")):
        return "environment"
    try:
        return "login" if _token_file().read_text(encoding="utf-8").strip() else ""
    except (OSError, UnicodeDecodeError):
        return ""


def checked_token(token: str) -> str:
    """Return a token without blanks around it; a `VisionFTError`, which does not show it, where it is none."""
    token = token.strip()
    if not re.fullmatch(r"[!-~]*", token):
        raise VisionFTError("That is no token of the hub.", "Copy it whole: it has neither blanks nor accents.")
    return token


def keep_token(token: str) -> None:
    """Write a token where huggingface_hub's own login keeps it, for this user's eyes only."""
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
