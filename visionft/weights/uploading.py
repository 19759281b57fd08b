"""Sending files to the model hub, when a person has asked for it and never else. It connects, as `hub` does.

Who sends is huggingface_hub's business: its own login, or `HF_TOKEN`. `HF_ENDPOINT` names another hub.
"""

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from visionft.errors import NextStep, VisionFTError
from visionft.weights.states import offline_reason

logger = logging.getLogger(__name__)


def send_files(
    files: Mapping[str, Path], repository: str, *, is_public: bool = False, endpoint: str | None = None, message: str
) -> str:
    """Put files into a model repository, in one commit, and return its address; it is made where it is missing.

    Args:
        files: {name in the repository: file}.
        repository: `NAME` of the person who is logged in, or `OWNER/NAME`.
        is_public: Whether a repository that is made may be seen by everybody.
        endpoint: Address of the hub; huggingface_hub's own when None.
        message: Of the commit.

    Raises:
        VisionFTError: The network may not be used, the hub refuses or is gone, or the repository is public although it
            was not to be.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils import validate_repo_id

    if reason := offline_reason():
        raise VisionFTError(f"Nothing was sent. {reason}", "Allow the network first.", NextStep("allow_network"))
    api: Any = HfApi(endpoint=endpoint, library_name="visionft")
    with _explained(repository):
        validate_repo_id(repository)
        made = api.create_repo(repository, private=not is_public, exist_ok=True, repo_type="model")
        if not is_public and not api.model_info(made.repo_id).private:
            hint = "Choose another repository, or say that everybody may see it."
            raise VisionFTError(f"{made.repo_id} is public, so nothing was sent.", hint)
        operations = [CommitOperationAdd(name, str(path)) for name, path in files.items()]
        api.create_commit(made.repo_id, operations, commit_message=message, repo_type="model")
    logger.info("sent %d files to the hub", len(files))
    return str(made)


@contextmanager
def _explained(repository: str) -> Generator[None]:
    """Turn what the hub's client raises into an error with advice."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

    # The HTTP library's own base error (httpx under huggingface_hub 1, httpx2 under 2) and OSError.
    transport_errors = cast(tuple[type[Exception], ...], HfHubHTTPError.__bases__)
    login = "Log in with huggingface_hub's own tool, or give a token that may write in HF_TOKEN."
    try:
        yield
    except HFValidationError as error:
        raise VisionFTError(f"{repository} is no name of a repository.", "Give OWNER/NAME.") from error
    except OfflineModeIsEnabled as error:
        step = NextStep("allow_network")
        raise VisionFTError("Nothing was sent: HF_HUB_OFFLINE was set.", "Allow the network first.", step) from error
    except LocalTokenNotFoundError as error:
        raise VisionFTError("Nobody is logged in to the hub on this computer.", login) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        said = f"The hub refuses to take {repository} (it answered {status})."
        raise VisionFTError(said, login if status in (401, 403) else "Try again later.") from error
    except RuntimeError as error:
        if error.__cause__ is None:
            raise
        # Of a large file that did not arrive; nothing counts before the commit.
        raise VisionFTError(f"The hub took nothing: {error}", "Check the connection and try again.") from error
    except transport_errors as error:
        reason = str(error) or type(error).__name__
        raise VisionFTError(f"The hub cannot be reached: {reason}.", "Check the connection and try again.") from error
