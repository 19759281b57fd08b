"""The framing, size and network of a project's runs: chosen by the user, or measured on its images. Torch-free.

The user's choice is a setting of the project, with its step in the history; a `Snapshot` carries it. A measured choice
is a result, as features are: it lies beside the database as `framing.json`, is no step, and is measured again once
`is_due`.

No fixed choice is right: the whole image shows what lies at the border, more pixels show finer detail, and both may
lose (docs/decisions/0069). A closed-form head on the features of about 400 labelled images predicts each of them
without having learned from it. A framing replaces a cheaper one where that loss is lower by more than a standard error,
and so does a network that settings of a preset try (`try_networks`).
"""

import dataclasses
import logging
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
from visionft.training.probing import LEAST_PER_CLASS, Probe, probe, probed_images
from visionft.training.runs.run_snapshot import spread_by_class

logger = logging.getLogger(__name__)

FILE: Final = "framing.json"
SIZES: Final = (160, 224, 320, 448, 640)
LEAST_IMAGES: Final = 20  # below, a held-out loss tells nothing
RACED: Final = 100  # images that a framing is tried on first
# Gain in standard errors on these, at and below which a framing is not tried on all. One that would gain two standard
# errors on 400 images gains one on 100, give or take one: seven of a hundred such framings are dropped.
LOST: Final = -0.5
FOLDS: Final = 10  # of the held-out images, for the accuracy of the choice
_AGAIN: Final = 2  # times as many labels, from which on it is measured again


@dataclass(frozen=True, slots=True, kw_only=True)
class FramingTrial:
    """The held-out accuracy of one network at one framing, and what it costs."""

    framing: Framing
    shape: tuple[int, int]  # (height, width) of the input, in pixels
    accuracy: float | None
    seconds: float  # of the measurement
    milliseconds: float  # of an image through the network
    images: int = 0  # that it was measured on; fewer than of the choice where it could not win; 0 in earlier versions
    backbone: str = ""
    gain: float | None = None  # accuracy more than that of the best trial before it, on the same images
    gain_error: float = 0.0  # standard error of `gain`, paired over the images
    slower: float = 1.0  # its time of an image, relative to that trial's

    @classmethod
    def of(cls, found: Probe, before: Probe | None) -> "FramingTrial":
        """Return the trial of a probe; `before`: the best one until then, on the same images."""
        names = {field.name for field in dataclasses.fields(cls)} & {field.name for field in dataclasses.fields(Probe)}
        facts = {name: getattr(found, name) for name in names}
        if before is None:
            return cls(**facts)
        gain, error = found.accuracy_gain_over(before)
        return cls(**facts, gain=gain, gain_error=error, slower=found.milliseconds / max(0.01, before.milliseconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class FramingChoice:
    """The framing and network of a project's runs, with their evidence."""

    framing: Framing
    backbone: str = ""  # empty for the user's own framing
    trials: tuple[FramingTrial, ...] = ()  # in the order of their measurement; none of the user's own choice
    images: int = 0  # that were measured
    accuracy: float | None = None  # of images that had no part in the choice either; None in earlier versions
    labelled: int = 0  # images with labels at that time
    image_reading: str | None = None  # key of how they were read; None where an earlier version measured

    @property
    def is_own(self) -> bool:
        """Tell whether the user chose it; it is not measured again then."""
        return not self.trials

    @property
    def chosen(self) -> FramingTrial | None:
        mine = (self.backbone, self.framing)
        return next((each for each in self.trials if (each.backbone, each.framing) == mine), None)

    def applied(self, config: TrainConfig, networks: Collection[str] | None = None) -> TrainConfig:
        """Return settings with this framing, and with the network where they try it.

        Args:
            config: Settings with the framing `auto`.
            networks: Those that they try; None looks for them on this computer.
        """
        if self.backbone in (networks_to_try(config) if networks is None else networks):
            config = replace(config, backbone=self.backbone)
        return self.framing.applied(replace(config, try_networks=False))


def networks_to_try(config: TrainConfig) -> tuple[str, ...]:
    """Return the networks that are tried on the images, that of the settings first."""
    if not config.try_networks or config.weights != PRETRAINED:
        return (config.backbone,)
    suited = suited_backbones(Circumstances.of(None, here=local_backbones(), device=config.device))
    usable = (name for name in suited if not config.method_row.refusal(get_backbone(name)))
    return tuple(dict.fromkeys((config.backbone, *usable)))


def is_due(choice: FramingChoice | None, images: Snapshot, config: TrainConfig | None = None) -> bool:
    """Tell whether to measure: there is no choice yet; or twice as many images have labels since it was measured, they
    are read by other values, or the settings of a run try a network that was not tried.
    """
    if choice is None or choice.is_own:
        return choice is None
    is_other = choice.image_reading is not None and choice.image_reading != images.image_reading.key
    if is_other or labelled_count(images) >= _AGAIN * choice.labelled:
        return True
    networks = networks_to_try(config) if config is not None else ()
    return len(networks) > 1 and not {each.backbone for each in choice.trials}.issuperset(networks)


def labelled_count(images: Snapshot) -> int:
    return sum(bool(image.labels) for image in images.images)


def resolved_framing(
    config: TrainConfig, images: Snapshot, project_dir: Path, *, job: JobContext = SILENT_JOB
) -> TrainConfig:
    """Return the settings of a run with the project's framing in place of `auto`, and its network; measured where due.

    Several processes that train together, and projects of fewer than 20 labelled images, measure nothing.

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
    is_alone = os.environ.get("WORLD_SIZE", "1") == "1"
    can_measure = is_alone and len(probed_images(images)) >= LEAST_IMAGES
    if can_measure and is_due(choice, images, config) and ensure_weights(config, job=job):
        choice = measure_framing(project_dir, images, config, job=job)
        job.report(Notice(message=choice_text(choice)))
    return choice.applied(config) if choice else replace(config, framing="centre", try_networks=False)


def usual_framing_time(
    config: TrainConfig, images: Snapshot, project_dir: Path, *, fetches: bool = False
) -> float | None:
    """Return the usual seconds of `resolved_framing`; None where it measures nothing.

    `fetches`: another network is fetched before, so that it measures in any case.

    They are those of the trials of each measurement: one at the own size, a short one of each other network, two at the
    next size.
    """
    is_measured = config.framing == "auto" and (fetches or is_due(read_framing(project_dir, images), images, config))
    return _measuring_time(config, images, project_dir) if is_measured else None


def _measuring_time(config: TrainConfig, images: Snapshot, project_dir: Path) -> float:
    chosen = probed_images(images)
    base = _usual_framing(config, images)
    next_size = sizes_above(base)[:1]
    trials = [base, *(replace(base, image_size=size) for size in next_size * 2)]
    trials_s = sum(_trial_time(project_dir, each, chosen) for each in trials)
    others = [_usual_framing(replace(config, backbone=name), images) for name in networks_to_try(config)[1:]]
    return trials_s + sum(_trial_time(project_dir, each, chosen[:RACED]) for each in others)


def _trial_time(project_dir: Path, config: TrainConfig, on: Sequence[SnapshotImage]) -> float:
    """Return the usual seconds of a probe, by the pixels that pass the network: known features take none."""
    missing = missing_features(project_dir, on, config.features)
    return 0.5 + missing * config.features.megapixels * config.features.megapixel_s


def _usual_framing(config: TrainConfig, images: Snapshot) -> TrainConfig:
    """Return the settings at the centre square of the backbone's own size."""
    usual = {"framing": "centre", "image_size": 0, "aspect": 0.0, "region": "", "image_reading": images.image_reading}
    return replace(config, **usual)


def known_framing(config: TrainConfig, images: Snapshot, project_dir: Path) -> TrainConfig:
    """Return the settings with the project's framing and network in place of `auto`, as they are without a choice."""
    choice = read_framing(project_dir, images) if config.framing == "auto" else None
    return choice.applied(config) if choice else config


def measure_framing(
    project_dir: Path, images: Snapshot, config: TrainConfig, *, job: JobContext = SILENT_JOB
) -> FramingChoice:
    """Measure framings on about 400 labelled images outside the test split, and keep the choice with the project.

    First the centre square at the backbone's own size, and what an earlier measurement chose. Then the other networks
    to try, at their own size. Then, by the best network, the centre square and the whole image at the next size; where
    the larger one gained, the next sizes, up to 640 pixels. Each is tried on about 100 of the images first, and on all
    where it can still win (successive halving; Jamieson and Talwalkar 2016, arXiv:1502.07943).

    Args:
        config: The settings of the runs to come: backbone, weights, device, precision and seed count.

    Raises:
        ConfigError: Settings or images are unsuitable for training.
        JobCancelled: The user cancelled it; nothing is kept, but the features are.
    """
    check_config(config, images)
    chosen = probed_images(images)
    some = spread_by_class(chosen, max(LEAST_PER_CLASS, RACED // len(images.class_names)))
    has_race = 2 * len(some) <= len(chosen)
    networks = networks_to_try(config)
    bases = {name: _usual_framing(replace(config, backbone=name), images) for name in networks}
    job = job.in_stages(_measuring_time(config, images, project_dir))
    probes: list[Probe] = []  # on all of the images
    trials: list[FramingTrial] = []  # of these, and of those that could not win

    def named(framing: Framing, shape: InputShape, backbone: str) -> str:
        seen = framing_text(framing, shape)
        return seen_by(backbone, seen) if len(networks) > 1 else seen

    def measured(settings: TrainConfig, on: Sequence[SnapshotImage]) -> Probe:
        framing = named(Framing.of(settings), settings.input_shape, settings.backbone)
        stage = Message("Trying {framing}", framing=framing)
        if probes and (best := best_framing(probes)).accuracy is not None:
            words = Message("Trying {framing}; right so far: {share} of {counted}")
            counted = count_of(best.images, "image")
            stage = Message(words, framing=framing, share=f"{best.accuracy:.0%}", counted=counted)
        with job.stage(weight=_trial_time(project_dir, settings, on)):
            return probe(project_dir, settings, images, on, stage=stage, job=job)

    def can_win(settings: TrainConfig) -> bool:
        if not has_race:
            return True
        best = best_framing(probes)
        other = with_aspect(best.framing.applied(bases[best.backbone]), chosen)
        found, before = measured(settings, some), measured(other, some)
        if found.gain_over(before) > LOST:
            return True
        trials.append(FramingTrial.of(found, before))
        return False

    def add(found: Probe) -> None:
        """Take a measurement on all images; the held-out images are shown as the best one sorts them."""
        trials.append(FramingTrial.of(found, best_framing(probes) if probes else None))
        probes.append(found)
        if found.predicted and best_framing(probes) is found:
            names = images.class_names
            job.report(
                ImagesClassified(
                    split=named(found.framing, found.shape, found.backbone),
                    image_ids=found.image_ids,
                    predicted=tuple(names[each] for each in found.predicted),
                    labels=tuple(names[each] for each in found.classes),
                )
            )

    add(measured(bases[config.backbone], chosen))
    if (known := read_measured(project_dir)) is not None and known.backbone in networks and known.framing != Framing():
        stored = with_aspect(known.framing.applied(bases[known.backbone]), chosen)
        add(measured(stored, chosen))  # what others are to beat
    for name in networks[1:]:
        try:
            if can_win(bases[name]):
                add(measured(bases[name], chosen))
        except WeightsError as error:  # a damaged file of a network that nobody asked for
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
                add(measured(settings, chosen))
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
    """Return the chosen probe, of probes on the same images: a later one where it is better than the best before it.

    At the same cost the lower loss wins. More pixels, or a network that is tried later because it is slower, need a
    loss lower by more than a standard error. A balanced accuracy lower by more than a standard error never wins.
    """
    best = probes[0]
    for found in probes[1:]:
        is_same = (found.backbone, found.framing.image_size) == (best.backbone, best.framing.image_size)
        least = 0 if is_same else 1
        if found.gain_over(best) > least and not found.is_worse_for_classes(best):
            best = found
    return best


def selected_accuracy(probes: Sequence[Probe]) -> float | None:
    """Return the accuracy of the choice by `best_framing`, on images that had no part in the choice.

    The best of several figures is too high by chance: nine framings of ants and bees said 99 %, and new images .968. So
    the framing is chosen anew without each tenth of the images, which is then counted as that framing classifies it
    (nested cross-validation; Cawley and Talbot 2010, JMLR 11). None where no image is held out.
    """
    count = len(probes[0].losses)
    if not count:
        return None
    folds = np.arange(count) % FOLDS
    right = 0
    for fold in range(FOLDS):
        mine, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(mine) and len(others):
            best = best_framing([each.among(others) for each in probes])
            place = [(each.backbone, each.framing) for each in probes].index((best.backbone, best.framing))
            right += sum(probes[place].among(mine).are_right)
    return right / count


def sizes_above(config: TrainConfig) -> list[int]:
    """Return the sizes above the backbone's own, in the steps that it takes."""
    backbone = config.backbone_row
    return [round(size / backbone.size_step) * backbone.size_step for size in SIZES if size > 1.2 * backbone.input_size]


def store_measured(project_dir: Path, choice: FramingChoice) -> None:
    """Keep a measured choice beside the project (OSError, VisionFTError: it cannot be written)."""
    write_json(project_dir / FILE, dataclasses.asdict(choice))


def forget_measured(project_dir: Path) -> None:
    """Remove the measured choice: the next run measures it (OSError: it cannot be removed)."""
    (project_dir / FILE).unlink(missing_ok=True)


def choose_framing(framing: Framing | None) -> ChooseFraming:
    """Return the change by which the user chooses a framing, in place of a measured one; None leaves it to that."""
    return ChooseFraming(dataclasses.asdict(framing) if framing is not None else None)


def read_framing(project_dir: Path, images: Snapshot) -> FramingChoice | None:
    """Return the user's choice, as the snapshot holds it, else the measured one; None where there is none."""
    if images.framing:
        try:
            own = from_plain(Framing, parse_json(images.framing), is_finite=True)
            return FramingChoice(framing=_check_framing(own))
        except ValueError as error:
            logger.warning("The framing of %s is damaged: %s", project_dir, error)
    return read_measured(project_dir)


@none_if_unreadable
def read_measured(project_dir: Path) -> FramingChoice | None:
    """Return the measured choice; None where there is none that can be read."""
    stored: Any = read_json(project_dir / FILE)
    if not isinstance(stored, dict) or not stored["trials"]:  # of the user's own choice, in an older project
        return None
    trials = [{"backbone": stored["backbone"], **each} for each in stored["trials"]]  # earlier versions tried one
    choice = from_plain(FramingChoice, {**stored, "trials": trials}, is_finite=True)
    if choice.chosen is None:
        raise ValueError("what was chosen was not tried")
    for each in (choice, *choice.trials):
        if each.accuracy is not None and not 0 <= each.accuracy <= 1:
            raise ValueError("an accuracy is no share")
        _check_framing(each.framing)
    return choice


def _check_framing(framing: Framing) -> Framing:
    """Return a framing, which may come from a stranger (ValueError: a value is beyond its limits)."""
    try:
        problems = config_problems(framing.applied(TrainConfig()))
    except (ConfigError, OverflowError) as error:
        raise ValueError(str(error)) from error
    if problems:
        raise ValueError(problems[0].message)
    return framing


def framing_text(framing: Framing, shape: tuple[int, int]) -> Message:
    """Return a framing in words, such as `whole image, 256 x 192 pixels`."""
    height, width = shape
    templates = {
        "whole": Message("whole image, {width} x {height} pixels"),
        "region": Message("region {region}, {width} x {height} pixels"),
    }
    template = templates.get(framing.framing, Message("centre square, {width} x {height} pixels"))
    return Message(template, width=width, height=height, region=framing.region)


def seen_by(backbone: str, framing: str) -> Message:
    """Return a network and what it sees in words, such as `ResNet-18: centre square, 160 x 160 pixels`."""
    known = known_backbone(backbone)
    return Message("{title}: {framing}", title=known.title if known is not None else backbone, framing=framing)


def choice_text(choice: FramingChoice) -> Message:
    """Return a measured choice with its evidence in a sentence."""
    chosen, first = choice.chosen, choice.trials[0]
    assert chosen is not None
    names = [framing_text(each.framing, each.shape) for each in (chosen, first)]
    is_other_network = chosen.backbone != first.backbone
    if is_other_network:
        names = [seen_by(each.backbone, name) for each, name in zip((chosen, first), names, strict=True)]
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
