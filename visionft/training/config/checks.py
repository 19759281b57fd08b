"""Checks before a run: inconsistent settings, unsuitable images."""

import contextlib

from models.methods.table import METHODS
from models.weights.locations import PRETRAINED, RANDOM, licence_words
from visionft.core.errors import ConfigError, ImageError, NextStep, Problem
from visionft.core.files import expand_home
from visionft.core.messages import Message
from visionft.core.settings import range_problems
from visionft.data.decode import read_header
from visionft.data.preprocess import MIN_REGION_PX, is_region
from visionft.data.types import Snapshot, Split
from visionft.features.feature_spec import MIN_ASPECT
from visionft.training.config.train_config import TrainConfig


def config_problems(config: TrainConfig, images: Snapshot | None = None) -> tuple[Problem, ...]:
    """Return all problems of the settings, and of `images` for training with them."""
    problems = range_problems(config) + _backbone_problems(config)
    if config.method in METHODS:
        problems += range_problems(config.method_options, prefix=f"{config.method}.")
    if not problems:
        problems = [*_method_problems(config), *_file_problems(config)]
    if images is not None:
        problems += () if problems else region_problems(config, images)
        problems += data_problems(images, needs_labels=config.method not in METHODS or config.method_row.needs_labels)
    return tuple(problems)


def region_problems(config: TrainConfig, images: Snapshot) -> tuple[Problem, ...]:
    """Return a problem if the region has too few pixels in more than half of about 25 sampled images."""
    if config.framing != "region":
        return ()
    usable = list[bool]()
    for image in images.images[:: max(1, len(images.images) // 25)]:
        with contextlib.suppress(ImageError):
            header = read_header(image.path)
            usable.append(config.preprocessing.is_region_usable(header.height, header.width))
    if 2 * sum(usable) >= len(usable):
        return ()
    message = Message("{region} has fewer than {least} x {least} pixels of the images", least=MIN_REGION_PX)
    hint = "Choose a larger part, such as 0.1,0.2,0.9,0.8."
    return (Problem("region", Message(message, region=config.region), hint),)


def check_config(config: TrainConfig, images: Snapshot | None = None) -> None:
    """Raise a `ConfigError` with all problems of the settings and `images`, if any."""
    if problems := config_problems(config, images):
        raise ConfigError(problems)


def _backbone_problems(config: TrainConfig) -> list[Problem]:
    try:
        backbone = config.backbone_row
    except ConfigError as error:
        return list(error.problems)
    if config.weights != PRETRAINED:
        return []
    if not backbone.has_weights:
        hint = "Choose random weights, give a file, or choose another backbone."
        return [Problem("weights", Message("there are no pretrained weights of {name}", name=backbone.name), hint)]
    if backbone.must_be_accepted and config.accept_licence != backbone.licence:
        return [Problem("accept_licence", *licence_words(backbone))]
    return []


def _method_problems(config: TrainConfig) -> list[Problem]:
    backbone, method, problems = config.backbone_row, config.method_row, []
    if reason := method.refusal(backbone):
        message = Message("{method} does not work with {backbone}: {reason}", reason=reason)
        problems.append(Problem("method", Message(message, method=config.method, backbone=config.backbone)))
    if method.reads_prompts and config.weights == RANDOM:
        problems.append(Problem("weights", "random weights know no words", "Choose pretrained ones, or give a file."))
    problems += method.problems(backbone, config.method_options, batch_size=config.batch_size)
    if config.input_size % backbone.size_step:
        sizes = {"size_step": backbone.size_step, "input_size": config.input_size}
        message = Message("{backbone} needs a multiple of {size_step}, got {input_size}", **sizes)
        problems.append(Problem("image_size", Message(message, backbone=config.backbone)))
    if config.framing == "region" and not is_region(config.region):
        hint = "Give left, top, right and bottom between 0 and 1, such as 0.1,0.2,0.9,0.8."
        message = Message("{region} is not part of an image", region=repr(config.region))
        problems.append(Problem("region", message, hint))
    if config.frames and 0 < config.aspect < MIN_ASPECT:
        values = {"least": f"{MIN_ASPECT:g}", "aspect": f"{config.aspect:g}"}
        problems.append(Problem("aspect", Message("must be 0 or at least {least}, got {aspect}", **values)))
    return problems


def _file_problems(config: TrainConfig) -> list[Problem]:
    path = expand_home(config.weights)  # a file, or a folder with the hub's file of the backbone
    is_file = path.is_file() or (path / config.backbone_row.hub_file).is_file()
    if config.weights not in (PRETRAINED, RANDOM) and not is_file:
        hint = "Give pretrained, random, or the path of a .safetensors or .pth file."
        return [Problem("weights", Message("there is no file {weights}", weights=config.weights), hint)]
    return []


def data_problems(images: Snapshot, *, needs_labels: bool = True) -> list[Problem]:
    """Return the problems of `images` for training; without labels a method needs only the names of two classes."""
    if len(images.class_names) < 2:
        hint = "Import or label images of a second class."
        message = Message("training needs two classes, the project has {count}", count=len(images.class_names))
        return [Problem("", message, hint, NextStep("label" if images.images else "import_images"))]
    if not needs_labels:
        return []
    if not any(image.split for image in images.images):
        return [Problem("", "the images have no splits yet", "Split them first.", NextStep("split"))]
    problems = list[Problem]()
    if names := _missing_classes(images, "train"):
        hint = "Label more images of it and split again, or remove the class."
        message = Message("the train split has no image of {names}", names=names)
        problems.append(Problem("", message, hint, NextStep("label")))
    if not images.labelled("val"):
        hint = "Split them: some of the training images are taken for it."
        problems.append(Problem("", "no image is for validation yet", hint, NextStep("split")))
    return problems


def unvalidated_classes(images: Snapshot) -> str:
    """Return a warning that names the classes without validation images; empty if all classes have some."""
    names = _missing_classes(images, "val") if images.labelled("val") else ""
    return Message("No validation image is of {names}: its accuracy is not measured.", names=names) if names else ""


def _missing_classes(images: Snapshot, split: Split) -> str:
    counts = images.class_counts(images.labelled(split))
    missing = [repr(name) for name, count in counts.items() if not count]
    return ", ".join(missing[:5]) + (" and more" if len(missing) > 5 else "")
