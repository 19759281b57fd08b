"""Sending an export to the model hub, when a person has asked for it and never else.

huggingface_hub makes the repository and sends the files, with its own login or `HF_TOKEN` unless a token is given.
`HF_ENDPOINT` names another hub. No token is stored, logged or shown.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from visionft.core.credentials import without_secrets
from visionft.core.errors import NextStep, VisionFTError
from visionft.core.events import Progress
from visionft.core.jobs import SILENT, JobContext
from visionft.core.messages import Message
from visionft.core.offline import offline_reason
from visionft.export.verifying import files_to_send

_LOGIN = Message(
    "Give a token that may write (they are made on huggingface.co, Settings, Access Tokens), or log in with "
    "huggingface_hub's own tool."
)


def require_network() -> None:
    """Raise a `VisionFTError` where the settings forbid the network."""
    if reason := offline_reason():
        message = Message("Nothing was sent. {reason}", reason=reason)
        raise VisionFTError(message, "Allow the network first.", NextStep("allow_network"))


def send_export(
    folder: Path, repository: str, *, is_public: bool = False, token: str = "", job: JobContext = SILENT
) -> str:
    """Send the files of an export to a model repository, in one commit, and return the repository's address.

    Args:
        folder: Of the export; only the files that its record lists are sent.
        repository: `NAME` of the person whose token it is, or `OWNER/NAME`; it is made where it is missing.
        is_public: Whether everybody may see it.
        token: Of the person who sends; empty for huggingface_hub's own.

    Raises:
        VisionFTError: A file was changed since the export, the network may not be used, the hub refuses or is gone, or
            the repository is public although it was not to be.
        JobCancelled: It was stopped before the files were on their way.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils import disable_progress_bars

    require_network()
    files = files_to_send(folder)
    token = token.strip()
    if not re.fullmatch(r"[!-~]*", token):
        raise VisionFTError("That is no token of the hub.", "Copy it whole: it has neither blanks nor accents.")
    disable_progress_bars()  # they would be printed
    api: Any = HfApi(library_name="visionft", token=token or None)
    with _explained(repository):
        job.check_cancelled()
        made = api.create_repo(repository, private=not is_public, exist_ok=True)
        if not is_public and not api.model_info(made.repo_id).private:
            hint = Message("Choose another repository, or say that everybody may see it.")
            message = Message("{repository} is public, so nothing was sent.", repository=made.repo_id)
            raise VisionFTError(message, hint)
        job.check_cancelled()
        job.report(Progress(stage="Sending", done=0, total=0))
        # Not `upload_folder`: the folder may hold other files, and it may send in several commits.
        operations = [CommitOperationAdd(each.name, each.path) for each in files]
        api.create_commit(made.repo_id, operations, commit_message="Export")
    return without_secrets(str(made))


@contextmanager
def _explained(repository: str) -> Generator[None]:
    """Turn the errors of huggingface_hub into a `VisionFTError` with a next step, without what the hub answered."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

    # The base error of the HTTP library, which differs between versions of huggingface_hub, and OSError.
    transport_errors = cast(tuple[type[Exception], ...], HfHubHTTPError.__bases__)
    try:
        yield
    except HFValidationError:
        hint = Message("Give NAME or OWNER/NAME, of letters, digits, “-”, “_” and “.”.")
        raise VisionFTError(Message("{repository} is no name of a repository.", repository=repository), hint) from None
    except OfflineModeIsEnabled:
        step = NextStep("allow_network")
        raise VisionFTError("Nothing was sent: HF_HUB_OFFLINE was set.", "Allow the network first.", step) from None
    except LocalTokenNotFoundError:
        raise VisionFTError("Nobody is logged in to the hub on this computer.", _LOGIN) from None
    except HfHubHTTPError as error:
        raise _refused(repository, error.response.status_code) from None
    except (*transport_errors, LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        message = Message("The hub took nothing: {error}", error=without_secrets(str(error)) or type(error).__name__)
        hint = Message("Check the connection and the address of the hub (HF_ENDPOINT), and try again.")
        raise VisionFTError(message, hint) from None


def _refused(repository: str, status: int) -> VisionFTError:
    if status == 401:
        return VisionFTError("The hub does not know the token, or there is none (it answered 401).", _LOGIN)
    if status == 403:
        message = Message("The token may not write to {repository} (the hub answered 403).", repository=repository)
        return VisionFTError(message, _LOGIN)
    reason = Message("it answered {status}", status=status)
    hint = Message("Try again later.") if status >= 500 else Message("Choose another name.")
    message = Message("The hub refuses to take {repository}: {reason}.", repository=repository, reason=reason)
    return VisionFTError(message, hint)
