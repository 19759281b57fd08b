"""A stronger network that is not on this computer yet: which one to fetch, and what it gains on a project's images.

Nothing is fetched unless the user asks for it. A network that is here takes part wherever networks are tried
(`framing_choice.networks_to_try`), so fetching it is all that a comparison needs.
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

# By whether there is a GPU, the strongest first. By their publication, as no weights could be fetched where this was
# written: linear classifiers on frozen features of DINOv2 beat those of networks trained on ImageNet's labels over a
# dozen sets of images (Oquab et al. 2023, arXiv:2304.07193, linear evaluation on fine-grained sets; its model card
# advises against more training than that as more than a last step). ViT-B/14 takes four times the time of ViT-S/14.
STRONGER: dict[bool, tuple[str, ...]] = {False: ("dinov2_small",), True: ("dinov2_base", "dinov2_small")}


def stronger_network(device: str = "auto", here: Collection[str] | None = None) -> Backbone | None:
    """Return the network that may do better than those on this computer; None where one of these is here.

    Args:
        device: As in the settings.
        here: Names of networks with local weights; None looks for them.
    """
    found = Circumstances.of(None, here=local_backbones() if here is None else here, device=device)
    names = STRONGER[found.has_gpu]
    return None if found.here.intersection(names) else get_backbone(names[0])


def comparison_s(backbone: Backbone, images: Snapshot) -> float:
    """Return the expected seconds of one core until a network was compared on the images, without its download."""
    spec = FeatureSpec(backbone=backbone.name)
    return len(probed_images(images)) * spec.megapixels * spec.megapixel_s


def fetch_stronger(config: TrainConfig, *, job: JobContext = SILENT_JOB) -> str:
    """Fetch the stronger network where the settings try networks, and return its name; empty where it did not come.

    A failure is reported as a notice: without it everything goes on as before.

    Raises:
        JobCancelled: The user cancelled; what has arrived is kept for the next time.
    """
    backbone = stronger_network(config.device) if config.try_networks else None
    if backbone is None:
        return ""
    try:
        found = fetch(backbone, with_text=False, job=job)
    except VisionFTError as error:
        job.report(Notice(message=error.message, level="warning", next_step=error.next_step))
        return ""
    if found is None:
        raise JobCancelled
    return backbone.name


def fetch_and_compare(
    project_dir: Path, images: Snapshot, config: TrainConfig, backbone: str, *, job: JobContext = SILENT_JOB
) -> FramingChoice:
    """Fetch a network and measure it beside those that are here; the choice is kept with the project.

    Args:
        project_dir: The project's folder.
        images: Its images, with their splits.
        config: Device, precision and seed of the runs to come.
        backbone: Name of the network.

    Raises:
        WeightsError: It cannot be had, or must not be fetched.
        ConfigError: The images are unsuitable for training.
        JobCancelled: The user cancelled; what has arrived is kept for the next time, and so are features.
    """
    job = job.in_stages(2)
    with job.stage(weight=1):
        if fetch(get_backbone(backbone), with_text=False, job=job) is None:
            raise JobCancelled
    with job.stage(weight=1):
        trying = dataclasses.replace(config, method="linear", framing="auto", weights="pretrained", try_networks=True)
        return measure_framing(project_dir, images, trying, job=job)


def comparison_text(choice: FramingChoice, backbone: str) -> Message | None:
    """Return what a network gains on the images, with a 95 % interval; None where it was not compared."""
    trial = next((each for each in choice.trials if each.backbone == backbone and each.gain is not None), None)
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
