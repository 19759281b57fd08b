"""The tasks of the Export page: exporting, verifying, measuring, and publishing. Does not depend on Qt."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from visionft.core.events import Progress
from visionft.core.jobs import JobContext, load_libraries
from visionft.export.contents import INDEX_FILE, read_record
from visionft.export.export_result import ExportResult
from visionft.export.options import ExportOptions
from visionft.export.record import facts_of
from visionft.export.verifying import UploadFile, files_to_send, require_network, send_export
from visionft.project.store import Project

if TYPE_CHECKING:
    from visionft.data.types import Snapshot


@dataclass(frozen=True, kw_only=True)
class UploadOffer:
    """The files to publish of an export, and the facts about the target.

    Attributes:
        hub: Host name of the hub.
        has_token: Whether huggingface_hub finds a token for it on this computer.
        caveats: Open questions about the rights in the initial weights of the training.
        names_images: Whether names, notes and tags of labelled images are included.
    """

    files: tuple[UploadFile, ...]
    hub: str
    has_token: bool
    caveats: tuple[str, ...] = ()
    names_images: bool = False


def export_model(
    run_dir: Path, images: "Snapshot", out_dir: Path, *, options: ExportOptions, project: Project, job: JobContext
) -> ExportResult | None:
    load_libraries(job)
    from visionft.export.exporter import export_run

    return export_run(run_dir, images, out_dir, options=options, facts=facts_of(project), job=job)


def upload_offer(folder: Path, *, job: JobContext) -> UploadOffer:
    """Return the files to publish of an export. Opens no connection.

    Raises:
        VisionFTError: Network access is disabled, or the export is incomplete.
    """
    from huggingface_hub import constants, get_token

    require_network()
    job.report(Progress(stage="Checking files", done=0, total=0))
    files = files_to_send(folder)
    record = read_record(folder) or {}
    return UploadOffer(
        files=files,
        hub=urlsplit(constants.ENDPOINT).netloc or constants.ENDPOINT,
        has_token=get_token() is not None,
        caveats=tuple(map(str, record.get("caveats", ()))),
        names_images=any(each.name == INDEX_FILE for each in files),
    )


def send(folder: Path, repository: str, *, is_public: bool, token: str, job: JobContext) -> str:
    """Publish an export, as it is now, to the hub, and return the address of its repository there."""
    return send_export(folder, repository, is_public=is_public, token=token, job=job)
