"""What keeps a run from being started: settings that do not go together, pictures that cannot be trained on."""

import importlib.util

from models.methods.table import METHODS
from models.settings import range_problems
from visionft.data.types import Snapshot, Split
from visionft.errors import ConfigError, NextStep, Problem
from visionft.files import from_home
from visionft.training.config.train_config import TrainConfig
from visionft.weights.locations import PRETRAINED, RANDOM, licence_words


def config_problems(config: TrainConfig, images: Snapshot | None = None) -> tuple[Problem, ...]:
    """Return every fault of the settings, and of `images` as training material when they are given."""
    found = range_problems(config) + _backbone_problems(config)
    if config.method in METHODS:
        found += range_problems(config.method_options, prefix=f"{config.method}.")
    if not found:
        found += combination_problems(config)
    if images is not None:
        found += data_problems(images, needs_labels=config.method not in METHODS or config.method_row.needs_labels)
    return tuple(found)


def check_config(config: TrainConfig, images: Snapshot | None = None) -> None:
    """Raise a `ConfigError` with every fault of the settings and `images`, or return."""
    if found := config_problems(config, images):
        raise ConfigError(found)


def combination_problems(config: TrainConfig) -> list[Problem]:
    """Return the faults of settings that are each in range but do not go together."""
    return [*_method_problems(config), *_input_problems(config), *_file_problems(config)]


def _backbone_problems(config: TrainConfig) -> list[Problem]:
    try:
        backbone = config.backbone_row
    except ConfigError as error:
        return list(error.problems)
    if config.weights != PRETRAINED:
        return []
    if not backbone.has_weights:
        hint = "Choose random weights, give a file, or choose another backbone."
        return [Problem("weights", f"there are no pretrained weights of {backbone.name}", hint)]
    if backbone.must_be_accepted and config.accept_licence != backbone.licence:
        return [Problem("accept_licence", *licence_words(backbone))]
    return []


def _method_problems(config: TrainConfig) -> list[Problem]:
    backbone, method, found = config.backbone_row, config.method_row, []
    if reason := method.refusal(backbone):
        found.append(Problem("method", f"{config.method} does not work with {config.backbone}: {reason}"))
    if method.reads_prompts and config.weights == RANDOM:
        found.append(Problem("weights", "random weights know no words", "Choose pretrained ones, or give a file."))
    return found + method.problems(backbone, config.method_options, batch_size=config.batch_size)


def _input_problems(config: TrainConfig) -> list[Problem]:
    backbone, found = config.backbone_row, []
    if config.input_size % backbone.size_step:
        message = f"{config.backbone} needs a multiple of {backbone.size_step}, got {config.input_size}"
        found.append(Problem("image_size", message))
    if config.patch_dropout and backbone.family != "vit":
        found.append(Problem("patch_dropout", f"{config.backbone} is no ViT and has no patches"))
    if config.progressive_resizing < 1 and backbone.family != "resnet":
        found.append(Problem("progressive_resizing", f"{config.backbone} is no ResNet; try patch_dropout"))
    return found


def _file_problems(config: TrainConfig) -> list[Problem]:
    found = []
    if config.weights not in (PRETRAINED, RANDOM) and not _holds_weights(config):
        hint = "Give pretrained, random, or the path of a .safetensors or .pth file."
        found.append(Problem("weights", f"there is no file {config.weights}", hint))
    if config.tensorboard and importlib.util.find_spec("tensorboard") is None:
        step = NextStep("install", requirement="visionft[tensorboard]")
        message, hint = "the package tensorboard is not installed", "Install it, or turn this off."
        found.append(Problem("tensorboard", message, hint, step))
    return found


def _holds_weights(config: TrainConfig) -> bool:
    """Tell whether the path that was given is a file, or a folder with the hub's file of the backbone."""
    path = from_home(config.weights)
    return path.is_file() or (path / config.backbone_row.hub_file).is_file()


def data_problems(images: Snapshot, *, needs_labels: bool = True) -> list[Problem]:
    """Return what keeps `images` from being trained on: too few classes or pictures, classes missing from a split.

    A method that needs no labels wants the names of two classes alone.
    """
    if len(images.class_names) < 2:
        hint = "Import or label pictures of a second class."
        message = f"training needs two classes, the project has {len(images.class_names)}"
        return [Problem("", message, hint, NextStep("label" if images.images else "import_images"))]
    if not needs_labels:
        return []
    if not any(image.split for image in images.images):
        return [Problem("", "the pictures have no splits yet", "Split them first.", NextStep("split"))]
    return [problem for split in ("train", "val") if (problem := _split_problem(images, split))]


def _split_problem(images: Snapshot, split: Split) -> Problem | None:
    counts = images.class_counts(images.labelled(split))
    missing = [name for name, count in counts.items() if not count]
    if not missing:
        return None
    if split == "val" and len(missing) == len(counts):
        hint = "Split them: some of the training pictures are taken for it."
        return Problem("", "no picture is for validation yet", hint, NextStep("split"))
    names = ", ".join(repr(name) for name in missing[:5]) + (" and more" if len(missing) > 5 else "")
    hint = "Label more pictures of it and split again, or remove the class."
    return Problem("", f"the {split} split has no picture of {names}", hint, NextStep("label"))
