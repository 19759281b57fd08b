"""The preset of a project: one place gathers the facts that a preset depends on.

Command line, demonstration, recommendation and Python API call this. The window gathers the same facts in the
background, because reading them takes too long for its main thread, and resolves them with `resolve_preset` too.
"""

from pathlib import Path

from models.weights.locations import local_backbones
from visionft.data.types import Snapshot
from visionft.training.config.presets import Circumstances
from visionft.training.config.train_config import TrainConfig
from visionft.training.framing_choice import read_framing
from visionft.training.probing import resolve_preset


def project_circumstances(images: Snapshot, project_dir: Path, *, device: str = "auto") -> Circumstances:
    """Return the circumstances of a project on this computer: its images, its framing and the weights that are here.

    Args:
        images: The images as the run will use them, with their splits.
        project_dir: The project's folder; its measured or chosen framing counts, and the network measured best.
        device: The device of the runs, as in the settings.
    """
    choice = read_framing(project_dir, images)
    framing, backbone = (choice.framing, choice.backbone) if choice is not None else (None, "")
    return Circumstances.of(images, here=local_backbones(), device=device, framing=framing, backbone=backbone)


def preset_of_project(
    preset: str,
    images: Snapshot,
    project_dir: Path,
    *,
    backbone: str = "",
    device: str = "auto",
    trains_on: str = "",
) -> TrainConfig:
    """Return the settings of a preset for a project on this computer.

    Args:
        preset: `quick`, `balanced` or `best`.
        images: The images as the run will use them, with their splits.
        project_dir: The project's folder.
        backbone: The backbone to take; empty for the one that was measured best on the images, or is tried first.
        device: The device of the settings.
        trains_on: The device that the preset is to suit, where it is another computer's.

    Raises:
        ConfigError: There is no such preset.
    """
    circumstances = project_circumstances(images, project_dir, device=trains_on or device)
    return resolve_preset(preset, circumstances, backbone=backbone, device=device)
