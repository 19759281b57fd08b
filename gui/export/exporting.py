"""What the Export page runs, each in a task: exporting, checking again, measuring, and sending. Knows no Qt."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from visionft.errors import VisionFTError
from visionft.events import Notice, OnEvent, Progress, ShouldStop
from visionft.export.bundle.project_facts import facts_of
from visionft.export.bundle.pushing import Sending, files_to_send
from visionft.export.bundle.verifying import Verification, verify_export
from visionft.export.contents import INDEX_FILE, read_record
from visionft.export.options import ExportOptions
from visionft.export.parity import ExportResult
from visionft.libraries import load_libraries
from visionft.project.store import Project
from visionft.weights.hub_token import TokenPlace, keep_token, token_place
from visionft.weights.uploading import Destination, Sent, hub_name, require_network, send_files

if TYPE_CHECKING:
    from visionft.data.types import Snapshot
    from visionft.export.bundle.benching import Bench

MESSAGE = "Export"  # of the commit on the hub, as the command line says it


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What would be sent of an export, and what is known of where to.

    Attributes:
        hub: Name of the computer that takes it.
        token: Where this computer has a token for it.
        caveats: What is not settled about the rights in the weights that training started from.
        names_pictures: Whether names, notes and tags of labelled pictures are among it.
    """

    files: tuple[Sending, ...]
    hub: str
    token: TokenPlace
    caveats: tuple[str, ...] = ()
    names_pictures: bool = False

    @property
    def bytes(self) -> int:
        """Return the size of all of it."""
        return sum(each.bytes for each in self.files)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Where a person wants it sent, and whether their token is to be kept on this computer."""

    to: Destination
    keeps_token: bool = False


def export_model(
    run_dir: Path,
    images: "Snapshot",
    out_dir: Path,
    *,
    options: ExportOptions,
    project: Project,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> ExportResult | None:
    """Export a run to one ONNX file and compare it with PyTorch."""
    load_libraries(on_event)
    from visionft.export.exporter import export_run

    return export_run(
        run_dir,
        images,
        out_dir,
        options=options,
        facts=facts_of(project),
        on_event=on_event,
        should_stop=should_stop,
    )


def check_export(folder: Path, *, on_event: OnEvent, should_stop: ShouldStop) -> Verification:
    """Check an export again."""
    return verify_export(folder, on_event=on_event, should_stop=should_stop)


def measure_speed(folder: Path, side: int, *, on_event: OnEvent, should_stop: ShouldStop) -> "Bench":
    """Measure every model file of an export with one picture at a time; what was stopped is left out."""
    from visionft.export.bundle.benching import bench_model

    return bench_model(folder, side=side, batches=(1,), on_event=on_event, should_stop=should_stop)


def look_at(folder: Path, *, on_event: OnEvent, should_stop: ShouldStop) -> Offer:
    """Return what would be sent of an export. Opens no connection.

    Raises:
        VisionFTError: The network may not be used, or the export is not whole.
    """
    require_network()
    on_event(Progress(stage="Checking files", done=0, total=0))
    files, record = files_to_send(folder), read_record(folder) or {}
    return Offer(
        files=files,
        hub=hub_name(),
        token=token_place(),
        caveats=tuple(map(str, record.get("caveats", ()))),
        names_pictures=any(each.name == INDEX_FILE for each in files),
    )


def send(folder: Path, wish: Wish, *, on_event: OnEvent, should_stop: ShouldStop) -> Sent:
    """Send an export, as it is now, to the hub; a token that is to be kept is kept once the hub has taken it."""
    files = {each.name: each.path for each in files_to_send(folder)}
    sent = send_files(files, wish.to, message=MESSAGE, on_event=on_event, should_stop=should_stop)
    if wish.keeps_token and wish.to.token:
        try:
            keep_token(wish.to.token)
        except VisionFTError as error:
            on_event(Notice(message=error.message, level="warning"))  # what was asked for first is done
    return sent
