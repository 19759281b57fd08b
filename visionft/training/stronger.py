"""Download a stronger network and compare it with the local ones on a project's images.

Nothing is downloaded unless the user asks for it. A comparison needs no more than the download: every local network is
tried (`framing_choice.networks_to_try`).
"""

import dataclasses
from collections.abc import Collection
from pathlib import Path

from models.catalog import Backbone, get_backbone
from models.weights.fetching import fetch
from models.weights.locations import local_backbones
from visionft.core.errors import VisionFTError
from visionft.core.events import Notice
from visionft.core.jobs import SILENT_JOB, JobCancelled, JobContext
from visionft.core.messages import Message
from visionft.core.names import count_of
from visionft.data.types import Snapshot
from visionft.features.feature_spec import FeatureSpec
from visionft.training.config.presets import Circumstances
from visionft.training.config.train_config import TrainConfig
from visionft.training.framing_choice import FramingChoice, measure_framing
from visionft.training.probing import probed_images

# {has_gpu: networks, the strongest first}, from the publication; not measured here. Linear classifiers on frozen
# features of DINOv2 beat supervised ImageNet networks on a dozen data sets (Oquab et al. 2023, arXiv:2304.07193, linear
# evaluation on fine-grained sets; the model card advises to fine-tune the network only as a last step). ViT-B/14 takes
# four times the time of ViT-S/14.
STRONGER_NETWORKS: dict[bool, tuple[str, ...]] = {False: ("dinov2_small",), True: ("dinov2_base", "dinov2_small")}


def stronger_network(device: str = "auto", local: Collection[str] | None = None) -> Backbone | None:
    """Return a network to download that may beat the local ones, or None if such a network is already local.

    Args:
        device: The device of the settings.
        local: Names of networks with local weights; None looks for them.
    """
    circumstances = Circumstances.of(None, local_backbones=local_backbones() if local is None else local, device=device)
    names = STRONGER_NETWORKS[circumstances.has_gpu]
    return None if circumstances.local_backbones.intersection(names) else get_backbone(names[0])


def comparison_seconds(backbone: Backbone, images: Snapshot) -> float:
    """Return the expected seconds on one core to compare a network on the images, download excluded."""
    spec = FeatureSpec(backbone=backbone.name)
    return len(probed_images(images)) * spec.megapixels * spec.megapixel_s


def fetch_stronger(config: TrainConfig, *, job: JobContext = SILENT_JOB) -> str:
    """Download the stronger network if the settings try networks, and return its name; empty if nothing was downloaded.

    A failure is reported as a notice, and training continues with the local networks.

    Raises:
        JobCancelled: The user cancelled; a partial download is kept.
    """
    backbone = stronger_network(config.device) if config.try_networks else None
    if backbone is None:
        return ""
    try:
        weights = fetch(backbone, with_text=False, job=job)
    except VisionFTError as error:
        job.report(Notice(message=error.message, level="warning", next_step=error.next_step))
        return ""
    if weights is None:
        raise JobCancelled
    return backbone.name


def fetch_and_compare(
    project_dir: Path, images: Snapshot, config: TrainConfig, backbone: str, *, job: JobContext = SILENT_JOB
) -> FramingChoice:
    """Download a network, compare it with the local ones, and store the choice with the project.

    Args:
        project_dir: The project's folder.
        images: The project's images, with their splits.
        config: Device, precision and seed of future runs.
        backbone: Name of the network.

    Raises:
        WeightsError: The weights are not available, or downloads are not allowed.
        ConfigError: The images are unsuitable for training.
        JobCancelled: The user cancelled; a partial download and computed features are kept.
    """
    job = job.in_stages(2)
    with job.stage(weight=1):
        if fetch(get_backbone(backbone), with_text=False, job=job) is None:
            raise JobCancelled
    with job.stage(weight=1):
        trying = dataclasses.replace(config, method="linear", framing="auto", weights="pretrained", try_networks=True)
        return measure_framing(project_dir, images, trying, job=job)


def comparison_text(choice: FramingChoice, backbone: str) -> Message | None:
    """Describe the accuracy gain of a network with its 95 % interval; None if it was not compared."""
    trial = next((trial for trial in choice.trials if trial.backbone == backbone and trial.gain is not None), None)
    if trial is None or trial.accuracy is None or trial.gain is None:
        return None
    words = Message(
        "{counted}: {share} right instead of {before}, {points} points ({low} to {high}). An image takes {times} times "
        "as long."
    )
    low, high = (100 * (trial.gain + sign * 1.96 * trial.gain_error) for sign in (-1, 1))
    return Message(
        words,
        share=f"{trial.accuracy:.1%}",
        before=f"{trial.accuracy - trial.gain:.1%}",
        counted=count_of(trial.images, "image"),
        points=f"{100 * trial.gain:+.1f}",
        low=f"{low:+.1f}",
        high=f"{high:+.1f}",
        times=f"{trial.slower:.1f}",
    )
