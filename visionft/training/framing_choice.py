"""The framing, size and network of a project's runs: chosen by the user, or measured on its images. Torch-free.

The user's choice is a setting of the project, recorded in the history and carried by a `Snapshot`. A measured choice is
a cached result: it is stored in `framing.json` beside the database, is not recorded in the history, and is measured
again when `is_due`.

No fixed choice is right: the whole image shows the border, more pixels show finer detail, and both may lower the
accuracy (docs/decisions/0069). A closed-form head on the features of about 400 labelled images gives held-out
predictions for each of them. A framing or a network (`try_networks`) replaces a cheaper one if its held-out loss is
lower by more than a standard error.
"""

import dataclasses
import logging
import math
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.catalog import get_backbone, known_backbone
from models.shapes import InputShape
from models.weights.locations import PRETRAINED, local_backbones
from visionft.core.errors import ConfigError, VisionFTError, WeightsError
from visionft.core.events import ImagesClassified, Notice
from visionft.core.files import parse_json, read_json, write_json
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.core.names import count_of
from visionft.core.records import from_plain, none_if_unreadable
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.embedding import missing_features
from visionft.features.feature_spec import with_aspect
from visionft.project.edits.setting_changes import ChooseFraming
from visionft.training.base_weights import ensure_weights
from visionft.training.config.checks import check_config, config_problems
from visionft.training.config.presets import Circumstances, suited_backbones
from visionft.training.config.train_config import Framing, TrainConfig
from visionft.training.probing import MIN_IMAGES_PER_CLASS, Probe, probe, probed_images
from visionft.training.runs.run_snapshot import spread_by_class

logger = logging.getLogger(__name__)

FRAMING_FILE: Final = "framing.json"
IMAGE_SIZES: Final = (160, 224, 320, 448, 640)
MIN_IMAGES: Final = 20  # a held-out loss on fewer images is too uncertain
RACE_IMAGES: Final = 100  # a framing is first tried on this many images
# Gain on the race images up to which a framing is dropped. A framing that gains two standard errors on 400 images gains
# one on 100, with a standard deviation of one: seven of a hundred such framings are dropped.
DROP_BELOW_STANDARD_ERRORS: Final = -0.5
FOLDS: Final = 10  # of the held-out images, for the accuracy of the choice
_REMEASURE_FACTOR: Final = 2  # growth of the number of labelled images that triggers a new measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class FramingTrial:
    """The held-out accuracy of one network at one framing, and its cost."""

    framing: Framing
    shape: tuple[int, int]  # (height, width) of the input, in pixels
    accuracy: float | None
    seconds: float  # time of the measurement
    milliseconds: float  # time per image through the network
    images: int = 0  # number of measured images; fewer for a trial dropped after the race; 0 in earlier versions
    backbone: str = ""
    gain: float | None = None  # gain in accuracy over the best earlier trial, on the same images
    gain_error: float = 0.0  # standard error of `gain`, paired over the images
    slower: float = 1.0  # time per image relative to the best earlier trial

    @classmethod
    def of(cls, probe: Probe, best: Probe | None) -> "FramingTrial":
        """Return the trial of a probe, compared with the `best` earlier probe of the same images."""
        names = {field.name for field in dataclasses.fields(cls)} & {field.name for field in dataclasses.fields(Probe)}
        values = {name: getattr(probe, name) for name in names}
        if best is None:
            return cls(**values)
        gain, error = probe.accuracy_gain_over(best)
        return cls(**values, gain=gain, gain_error=error, slower=probe.milliseconds / max(0.01, best.milliseconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class FramingChoice:
    """The framing and network of a project's runs, with their evidence."""

    framing: Framing
    backbone: str = ""  # empty for the user's own framing
    trials: tuple[FramingTrial, ...] = ()  # in the order of their measurement; empty for the user's own choice
    images: int = 0  # number of measured images
    accuracy: float | None = None  # by nested cross-validation (`selected_accuracy`); None in earlier versions
    labelled: int = 0  # number of labelled images when it was measured
    image_reading: str | None = None  # key of the `ImageReading` when it was measured; None in earlier versions

    @property
    def is_own(self) -> bool:
        """Return whether the user made the choice; then it is never measured again."""
        return not self.trials

    @property
    def chosen(self) -> FramingTrial | None:
        choice = (self.backbone, self.framing)
        return next((trial for trial in self.trials if (trial.backbone, trial.framing) == choice), None)

    def applied(self, config: TrainConfig, networks: Collection[str] | None = None) -> TrainConfig:
        """Return settings with this framing, and with the chosen network if it is one of `networks`.

        Args:
            config: Settings with the framing `auto`.
            networks: The networks that the settings try; None looks for them on this computer.
        """
        if self.backbone in (networks_to_try(config) if networks is None else networks):
            config = replace(config, backbone=self.backbone)
        return self.framing.applied(replace(config, try_networks=False))


def networks_to_try(config: TrainConfig) -> tuple[str, ...]:
    """Return the networks to try on the images; the first is the network of the settings."""
    if not config.try_networks or config.weights != PRETRAINED:
        return (config.backbone,)
    suited = suited_backbones(Circumstances.of(None, local_backbones=local_backbones(), device=config.device))
    supported = (name for name in suited if not config.method_row.refusal(get_backbone(name)))
    return tuple(dict.fromkeys((config.backbone, *supported)))


def is_due(choice: FramingChoice | None, images: Snapshot, config: TrainConfig | None = None) -> bool:
    """Return whether to measure the framing.

    It is measured if there is no choice, and again if the number of labelled images has doubled, the image reading has
    changed, or the settings of a run try another network. The user's choice is never measured.
    """
    if choice is None or choice.is_own:
        return choice is None
    has_new_reading = choice.image_reading is not None and choice.image_reading != images.image_reading.key
    if has_new_reading or labelled_count(images) >= _REMEASURE_FACTOR * choice.labelled:
        return True
    networks = networks_to_try(config) if config is not None else ()
    return len(networks) > 1 and not {each.backbone for each in choice.trials}.issuperset(networks)


def labelled_count(images: Snapshot) -> int:
    return sum(bool(image.labels) for image in images.images)


def resolved_framing(
    config: TrainConfig, images: Snapshot, project_dir: Path, *, job: JobContext = SILENT_JOB
) -> TrainConfig:
    """Replace the framing `auto` of a run's settings by the project's framing and network; measure them if due.

    Distributed training, and projects with fewer than `MIN_IMAGES` labelled images, measure nothing.

    Raises:
        ConfigError: Settings or images are unsuitable for training.
        JobCancelled: The user cancelled the measurement.
    """
    if config.framing != "auto":
        return config
    check_config(config, images)
    choice = read_framing(project_dir, images)
    if images.framing and (choice is None or not choice.is_own):
        words = Message("The choice of what the network sees is damaged: choose it again.")
        job.report(Notice(message=words, level="warning"))
    is_distributed = os.environ.get("WORLD_SIZE", "1") != "1"
    can_measure = not is_distributed and len(probed_images(images)) >= MIN_IMAGES
    if can_measure and is_due(choice, images, config) and ensure_weights(config, job=job):
        choice = measure_framing(project_dir, images, config, job=job)
        job.report(Notice(message=choice_text(choice)))
    return choice.applied(config) if choice else replace(config, framing="centre", try_networks=False)


def usual_framing_time(
    config: TrainConfig, images: Snapshot, project_dir: Path, *, fetches: bool = False
) -> float | None:
    """Return the usual seconds of `resolved_framing`; None if it measures nothing.

    Counted are one trial at the backbone's own size, a race of each other network, and two trials at the next size.

    Args:
        config: The settings of the run.
        images: The images of the project.
        project_dir: The project's folder.
        fetches: Whether another network is downloaded before, which always needs a measurement.
    """
    is_measured = config.framing == "auto" and (fetches or is_due(read_framing(project_dir, images), images, config))
    return _measuring_time(config, images, project_dir) if is_measured else None


def _measuring_time(config: TrainConfig, images: Snapshot, project_dir: Path) -> float:
    chosen = probed_images(images)
    base = _usual_framing(config, images)
    next_size = sizes_above(base)[:1]
    trials = [base, *(replace(base, image_size=size) for size in next_size * 2)]
    trials_s = sum(_trial_time(project_dir, trial, chosen) for trial in trials)
    races = [_usual_framing(replace(config, backbone=name), images) for name in networks_to_try(config)[1:]]
    return trials_s + sum(_trial_time(project_dir, race, chosen[:RACE_IMAGES]) for race in races)


def _trial_time(project_dir: Path, config: TrainConfig, chosen: Sequence[SnapshotImage]) -> float:
    """Return the usual seconds of a probe, from the pixels of the images without stored features."""
    missing = missing_features(project_dir, chosen, config.features)
    return 0.5 + missing * config.features.megapixels * config.features.megapixel_s


def _usual_framing(config: TrainConfig, images: Snapshot) -> TrainConfig:
    """Return the settings at the centre square of the backbone's own size."""
    usual = {"framing": "centre", "image_size": 0, "aspect": 0.0, "region": "", "image_reading": images.image_reading}
    return replace(config, **usual)


def known_framing(config: TrainConfig, images: Snapshot, project_dir: Path) -> TrainConfig:
    """Replace the framing `auto` by the project's framing and network; unchanged if there is no choice yet."""
    choice = read_framing(project_dir, images) if config.framing == "auto" else None
    return choice.applied(config) if choice else config


def measure_framing(
    project_dir: Path, images: Snapshot, config: TrainConfig, *, job: JobContext = SILENT_JOB
) -> FramingChoice:
    """Measure framings on about 400 labelled images outside the test split, and store the choice with the project.

    First come the centre square at the backbone's own size and the choice of an earlier measurement, then the other
    networks at their own size. With the best network, the centre square and the whole image are tried at the next size,
    and at further sizes up to 640 pixels while a larger one gains. Each trial starts with a race on about 100 of the
    images and uses all if it can still win (successive halving; Jamieson and Talwalkar 2016, arXiv:1502.07943).

    Args:
        config: The backbone, weights, device, precision and seed of future runs; other settings are ignored.

    Raises:
        ConfigError: Settings or images are unsuitable for training.
        JobCancelled: The user cancelled; computed features are kept, but no choice.
    """
    check_config(config, images)
    chosen = probed_images(images)
    race_images = spread_by_class(chosen, max(MIN_IMAGES_PER_CLASS, RACE_IMAGES // len(images.class_names)))
    has_race = 2 * len(race_images) <= len(chosen)
    networks = networks_to_try(config)
    bases = {name: _usual_framing(replace(config, backbone=name), images) for name in networks}
    job = job.in_stages(_measuring_time(config, images, project_dir))
    probes: list[Probe] = []  # probes on all images
    trials: list[FramingTrial] = []  # trials of `probes` and of lost races

    def trial_name(framing: Framing, shape: InputShape, backbone: str) -> str:
        text = framing_text(framing, shape)
        return network_and_framing_text(backbone, text) if len(networks) > 1 else text

    def measure(settings: TrainConfig, sample: Sequence[SnapshotImage]) -> Probe:
        framing = trial_name(Framing.of(settings), settings.input_shape, settings.backbone)
        stage = Message("Trying {framing}", framing=framing)
        if probes and (best := best_framing(probes)).accuracy is not None:
            words = Message("Trying {framing}; right so far: {share} of {counted}")
            counted = count_of(best.images, "image")
            stage = Message(words, framing=framing, share=f"{best.accuracy:.0%}", counted=counted)
        with job.stage(weight=_trial_time(project_dir, settings, sample)):
            return probe(project_dir, settings, images, sample, stage=stage, job=job)

    def can_win(settings: TrainConfig) -> bool:
        if not has_race:
            return True
        best = best_framing(probes)
        best_settings = with_aspect(best.framing.applied(bases[best.backbone]), chosen)
        candidate, rival = measure(settings, race_images), measure(best_settings, race_images)
        if candidate.gain_over(rival) > DROP_BELOW_STANDARD_ERRORS:
            return True
        trials.append(FramingTrial.of(candidate, rival))
        return False

    def add(found: Probe) -> None:
        """Add a probe on all images; report its held-out predictions if it is the best so far."""
        trials.append(FramingTrial.of(found, best_framing(probes) if probes else None))
        probes.append(found)
        if found.predicted and best_framing(probes) is found:
            names = images.class_names
            job.report(
                ImagesClassified(
                    split=trial_name(found.framing, found.shape, found.backbone),
                    image_ids=found.image_ids,
                    predicted=tuple(names[each] for each in found.predicted),
                    labels=tuple(names[each] for each in found.classes),
                )
            )

    add(measure(bases[config.backbone], chosen))
    if (known := read_measured(project_dir)) is not None and known.backbone in networks and known.framing != Framing():
        # The earlier choice comes early, so that the other trials are compared with it.
        add(measure(with_aspect(known.framing.applied(bases[known.backbone]), chosen), chosen))
    for name in networks[1:]:
        try:
            if can_win(bases[name]):
                add(measure(bases[name], chosen))
        except WeightsError as error:  # the user did not choose this network, so its damaged file is only a warning
            job.report(Notice(message=error.message, level="warning", next_step=error.next_step))
    base = bases[best_framing(probes).backbone]
    framings = ("centre", "whole")
    for size in sizes_above(base):
        before = best_framing(probes)
        square = replace(base, image_size=size)
        for framing in framings:
            settings = with_aspect(replace(square, framing=framing), chosen)
            if framing == "whole" and settings.preprocessing == square.preprocessing:
                continue
            is_known = (settings.backbone, Framing.of(settings)) in [(each.backbone, each.framing) for each in probes]
            if not is_known and can_win(settings):
                add(measure(settings, chosen))
        best = best_framing(probes)
        if best is before and size >= best.framing.image_size:
            break
        framings = (best.framing.framing,)
    best = best_framing(probes)
    choice = FramingChoice(
        framing=best.framing,
        backbone=best.backbone,
        trials=tuple(trials),
        images=best.images,
        accuracy=selected_accuracy(probes),
        labelled=labelled_count(images),
        image_reading=images.image_reading.key,
    )
    try:
        store_measured(project_dir, choice)
    except (OSError, VisionFTError) as error:
        logger.warning("The framing was not kept: %s", error)
        message = Message("What the network sees could not be saved: it is measured again next time.")
        job.report(Notice(message=message, level="warning"))
    return choice


def best_framing(probes: Sequence[Probe]) -> Probe:
    """Return the best of several probes on the same images, each compared with the best earlier one.

    At the same network and size the lower loss wins. A larger size or a later network, which is slower, needs a loss
    lower by more than a standard error. A probe whose balanced accuracy is lower by more than a standard error never
    wins.
    """
    best = probes[0]
    for candidate in probes[1:]:
        has_same_cost = (candidate.backbone, candidate.framing.image_size) == (best.backbone, best.framing.image_size)
        min_gain = 0 if has_same_cost else 1
        if candidate.gain_over(best) > min_gain and not candidate.is_worse_for_classes(best):
            best = candidate
    return best


def selected_accuracy(probes: Sequence[Probe]) -> float | None:
    """Return the accuracy of the choice by `best_framing`, by nested cross-validation; None without held-out images.

    The best of several accuracies is too high by chance: for ants and bees the best of nine framings had .99, and .968
    on new images. So the framing is chosen anew without each tenth of the groups of images, and evaluated on that tenth
    (Cawley and Talbot 2010, JMLR 11).
    """
    count = len(probes[0].losses)
    if not count:
        return None
    folds = np.unique(probes[0].groups or range(count), return_inverse=True)[1] % FOLDS
    right = weight = 0.0
    for fold in range(FOLDS):
        test_rows, fit_rows = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(test_rows) and len(fit_rows):
            best = best_framing([each.subset(fit_rows) for each in probes])
            place = [(each.backbone, each.framing) for each in probes].index((best.backbone, best.framing))
            tested = probes[place].subset(test_rows)
            total = math.fsum(tested.weights) if tested.weights else len(test_rows)
            right, weight = right + tested.share_right * total, weight + total
    return right / weight if weight else None


def sizes_above(config: TrainConfig) -> list[int]:
    """Return the sizes to try above the backbone's own, rounded to its step."""
    backbone = config.backbone_row
    return [
        round(size / backbone.size_step) * backbone.size_step
        for size in IMAGE_SIZES
        if size > 1.2 * backbone.input_size
    ]


def store_measured(project_dir: Path, choice: FramingChoice) -> None:
    """Store a measured choice in the project's folder (OSError, VisionFTError: the file cannot be written)."""
    write_json(project_dir / FRAMING_FILE, dataclasses.asdict(choice))


def forget_measured(project_dir: Path) -> None:
    """Delete the measured choice, so that the next run measures again (OSError: the file cannot be deleted)."""
    (project_dir / FRAMING_FILE).unlink(missing_ok=True)


def choose_framing(framing: Framing | None) -> ChooseFraming:
    """Return the project change for the user's choice of a framing; None returns to the measured framing."""
    return ChooseFraming(dataclasses.asdict(framing) if framing is not None else None)


def read_framing(project_dir: Path, images: Snapshot) -> FramingChoice | None:
    """Return the user's choice from the snapshot, else the measured choice, else None."""
    if images.framing:
        try:
            framing = from_plain(Framing, parse_json(images.framing), is_finite=True)
            return FramingChoice(framing=_check_framing(framing))
        except ValueError as error:
            logger.warning("The framing of %s is damaged: %s", project_dir, error)
    return read_measured(project_dir)


@none_if_unreadable
def read_measured(project_dir: Path) -> FramingChoice | None:
    """Return the measured choice; None if the file is missing or unreadable."""
    stored: Any = read_json(project_dir / FRAMING_FILE)
    if not isinstance(stored, dict) or not stored["trials"]:  # earlier versions also stored the user's choice here
        return None
    # Earlier versions tried one backbone, and did not store it in each trial.
    trials = [{"backbone": stored["backbone"], **trial} for trial in stored["trials"]]
    choice = from_plain(FramingChoice, {**stored, "trials": trials}, is_finite=True)
    if choice.chosen is None:
        raise ValueError("what was chosen was not tried")
    for each in (choice, *choice.trials):
        if each.accuracy is not None and not 0 <= each.accuracy <= 1:
            raise ValueError("an accuracy is no share")
        _check_framing(each.framing)
    return choice


def _check_framing(framing: Framing) -> Framing:
    """Return a framing after checking its values, as the file is untrusted (ValueError: a value is out of range)."""
    try:
        problems = config_problems(framing.applied(TrainConfig()))
    except (ConfigError, OverflowError) as error:
        raise ValueError(str(error)) from error
    if problems:
        raise ValueError(problems[0].message)
    return framing


def framing_text(framing: Framing, shape: tuple[int, int]) -> Message:
    """Describe a framing, such as `whole image, 256 x 192 pixels`."""
    height, width = shape
    templates = {
        "whole": Message("whole image, {width} x {height} pixels"),
        "region": Message("region {region}, {width} x {height} pixels"),
    }
    template = templates.get(framing.framing, Message("centre square, {width} x {height} pixels"))
    return Message(template, width=width, height=height, region=framing.region)


def network_and_framing_text(backbone: str, framing: str) -> Message:
    """Describe a network and its framing, such as `ResNet-18: centre square, 160 x 160 pixels`."""
    known = known_backbone(backbone)
    return Message("{title}: {framing}", title=known.title if known is not None else backbone, framing=framing)


def choice_text(choice: FramingChoice) -> Message:
    """Describe a measured choice and its accuracy in a sentence."""
    chosen, first = choice.chosen, choice.trials[0]
    assert chosen is not None
    names = [framing_text(each.framing, each.shape) for each in (chosen, first)]
    is_other_network = chosen.backbone != first.backbone
    if is_other_network:
        names = [
            network_and_framing_text(trial.backbone, name) for trial, name in zip((chosen, first), names, strict=True)
        ]
    accuracies = (chosen.accuracy if choice.accuracy is None else choice.accuracy, first.accuracy)
    shares = ["-" if accuracy is None else f"{accuracy:.0%}" for accuracy in accuracies]
    seconds = f"{sum(each.seconds for each in choice.trials):.0f}"
    figures = {"counted": count_of(choice.images, "image"), "seconds": seconds}
    if chosen is first:
        words = Message(
            "The network sees the {name}: {share} of {counted} right; nothing else was better ({seconds} s)."
        )
        return Message(words, name=names[0], share=shares[0], **figures)
    words = Message(
        "The network sees the {name}: {share} of {counted} right, instead of {before} by the {other} ({seconds} s)."
    )
    if is_other_network:
        words = Message("With {name}, {share} of {counted} are right, instead of {before} with {other} ({seconds} s).")
    return Message(words, name=names[0], share=shares[0], other=names[1], before=shares[1], **figures)
