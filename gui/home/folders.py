"""Where projects and public sets are kept unless the user says otherwise."""

from pathlib import Path

import platformdirs


def projects_folder() -> Path:
    """Return where new projects are kept unless the user says otherwise."""
    return platformdirs.user_documents_path() / "VisionFT"


def public_folder() -> Path:
    """Return where public sets are kept, for all projects."""
    return projects_folder() / "Public sets"
