"""The tasks of the Export page: exporting, verifying, measuring, and publishing. Does not depend on Qt."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.messages import Message
from visionft.errors import VisionFTError
from visionft.events import Notice, Progress
from visionft.export.bundle.verifying import UploadFile, files_to_send
from visionft.export.contents import INDEX_FILE, read_record
from visionft.export.export_result import ExportResult
from visionft.export.options import ExportOptions
from visionft.export.record import facts_of
from visionft.export.uploading import (
    Destination,
    TokenPlace,
    UploadResult,
    hub_name,
    keep_token,
    require_network,
    send_files,
    token_place,
)
from visionft.jobs import JobContext
from visionft.libraries import load_libraries
from visionft.project.store import Project

if TYPE_CHECKING:
    from visionft.data.types import Snapshot


@dataclass(frozen=True, kw_only=True)
class UploadOffer:
    """The files to publish of an export, and the facts about the target.

    Attributes:
        hub: Host name of the hub.
        token: The source of a token for it on this computer.
        caveats: Open questions about the rights in the initial weights of the training.
        names_images: Whether names, notes and tags of labelled images are included.
    """

    files: tuple[UploadFile, ...]
    hub: str
    token: TokenPlace
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
    require_network()
    job.report(Progress(stage="Checking files", done=0, total=0))
    files = files_to_send(folder)
    record = read_record(folder) or {}
    return UploadOffer(
        files=files,
        hub=hub_name(),
        token=token_place(),
        caveats=tuple(map(str, record.get("caveats", ()))),
        names_images=any(each.name == INDEX_FILE for each in files),
    )


def send(folder: Path, to: Destination, *, keeps_token: bool, job: JobContext) -> UploadResult:
    """Publish an export, as it is now, to the hub; a token is stored once the hub has accepted it."""
    files = {each.name: each.path for each in files_to_send(folder)}
    sent = send_files(files, to, message=Message("Export"), job=job)  # of the commit, as in the command line
    if keeps_token and to.token:
        try:
            keep_token(to.token)
        except VisionFTError as error:
            job.report(Notice(message=error.message, level="warning"))  # the export is sent, the token is not stored
    return sent
