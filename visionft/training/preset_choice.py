"""The preset of a project: one place gathers the facts that a preset depends on, and measures its backbone.

Command line, demonstration, recommendation and Python API call this. The window gathers the same facts in the
background, because reading them takes too long for its main thread, and resolves them with `resolve_preset` too.
"""

from pathlib import Path

from models.catalog import BACKBONES
from visionft.data.types import Snapshot
from visionft.events import Notice
from visionft.jobs import SILENT, JobContext
from visionft.training.config.presets import Circumstances, preset_backbones
from visionft.training.config.train_config import TrainConfig
from visionft.training.framing_choice import read_framing
from visionft.training.probing import Probe, evidence, probe_backbones, resolve_preset
from visionft.weights.locations import local_file


def project_circumstances(images: Snapshot, project_dir: Path, *, device: str = "auto") -> Circumstances:
    """Return the circumstances of a project on this computer: its images, its framing and the weights that are here.

    Args:
        images: The images as the run will use them, with their splits.
        project_dir: The project's folder; its measured or chosen framing counts.
        device: The device of the runs, as in the settings.
    """
    here = [name for name, row in BACKBONES.items() if local_file(row)]
    choice = read_framing(project_dir, images)
    return Circumstances.of(images, here=here, device=device, framing=choice and choice.framing)


def preset_of_project(
    preset: str,
    images: Snapshot,
    project_dir: Path,
    *,
    backbone: str = "",
    device: str = "auto",
    trains_on: str = "",
    job: JobContext = SILENT,
) -> TrainConfig:
    """Return the settings of a preset for a project on this computer.

    Where several backbones suit the preset, they are compared on the images first, in seconds each.

    Args:
        preset: `quick`, `balanced` or `best`.
        images: The images as the run will use them, with their splits.
        project_dir: The project's folder.
        backbone: The backbone to take; empty to let the preset choose.
        device: The device of the settings, on which backbones are compared.
        trains_on: The device that the preset is to suit, where it is another computer's.

    Raises:
        ConfigError: There is no such preset, or the images are unsuitable for a comparison.
        RunError: The user cancelled before the first backbone was compared.
    """
    circumstances = project_circumstances(images, project_dir, device=trains_on or device)
    suited = preset_backbones(preset, circumstances)
    probes = tuple[Probe, ...]()
    if not backbone and len(suited) > 1:
        probes = probe_backbones(project_dir, suited, TrainConfig(device=device), images, job=job)
        job.report(Notice(message=evidence(probes)))
    return resolve_preset(preset, circumstances, probes, backbone=backbone, device=device)
