"""Training a run and evaluating it: one job of the command line, the Python interface and the window.

A run is a sequence of stages. Each ends with a model that is evaluated and can be used, and replaces the one before it
only where it is better: the head at the usual framing, the head at the measured framing, the trained network, and the
network trained longer. A budget says how far it goes.

The run is returned with its evaluations: the window shows them without reading the folder of the run.
"""

import contextlib
import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from models.catalog import get_backbone
from models.heads.calibration import is_worse_for_classes
from visionft.core.amounts import rough_duration_text
from visionft.core.errors import VisionFTError
from visionft.core.events import Event, Notice, ResultStored, RunStarted
from visionft.core.files import write_error
from visionft.core.jobs import SILENT_JOB, JobCancelled, JobContext
from visionft.core.messages import Message
from visionft.data.types import Snapshot, Split
from visionft.features.embedding import missing_features
from visionft.features.feature_spec import with_aspect
from visionft.training.base_weights import stopped_before_start
from visionft.training.budget import Budget, fitted_to_framing, fitted_to_time, staged_configs
from visionft.training.config.presets import PRESETS, Circumstances
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.report import Evaluation, evaluate_splits
from visionft.training.evaluation.stored import StoredPrediction, read_evaluation, stored_evaluations
from visionft.training.evaluation.unseen import accuracy_sentence, unseen_evaluation
from visionft.training.framing_choice import known_framing, read_measured, resolved_framing, usual_framing_time
from visionft.training.loop.progress import usual_training_times
from visionft.training.loop.train import resume, train
from visionft.training.run_settings import project_circumstances
from visionft.training.runs.checkpoint import write_result
from visionft.training.runs.metrics_file import StepRecorder, append_accuracy
from visionft.training.runs.run_folder import (
    NEXT_FOLDER,
    Run,
    RunPlan,
    TrainResult,
    adopt_next,
    drop_next,
    end_plan,
    project_of_run,
    read_run,
    write_plan,
)
from visionft.training.runs.run_snapshot import read_snapshot, spread_by_class
from visionft.training.stronger import comparison_text, fetch_stronger, stronger_network

# Images that the first answer learns from, and as many to evaluate it on, where there are more than twice as many: with
# 10,000 the first pass would take minutes. A framing is measured on as many, so their features are used again.
FIRST_IMAGES = 400
_FRAMING_SHARE = 1 / 3  # of the time left that the measurement of a framing may take


def train_and_evaluate(
    config: TrainConfig, images: Snapshot, run_dir: Path, *, budget: Budget | None = None, job: JobContext = SILENT_JOB
) -> Run:
    """Train a new run in stages, and evaluate it on the validation and test split after each.

    Args:
        config: Its settings: those of the last stage.
        images: The images of the project.
        run_dir: Folder of the run; if another run has taken it meanwhile, the next number is used.
        budget: How far it goes; another thread may change it meanwhile. None for `config` alone, without a limit.
        job: Receives its events: a `ResultStored` for each stage that can be used while another one goes on.

    Returns:
        The run, with its `result` and `evaluations`. A cancelled run has those of its last stage that ended; no
        evaluation where none did, and no folder where it was cancelled before its start.

    Raises:
        ConfigError, RunError, WeightsError: As `train`.
    """
    return _RunStages(config, images, run_dir, budget or Budget(), job).run_all()


def resume_and_evaluate(run_dir: Path, *, budget: Budget | None = None, job: JobContext = SILENT_JOB) -> Run:
    """Resume a cancelled or killed run on its original images, and evaluate it; returns as `train_and_evaluate`.

    Args:
        run_dir: Folder of the run.
        budget: How far it goes; None for the stages that it was started with.
        job: Receives its events.

    Raises:
        RunError, WeightsError: As `resume`.
    """
    found, images = read_run(run_dir), read_snapshot(run_dir)
    if found.plan is None:
        training_s, evaluation_s = _usual_seconds(found.config, images, project_of_run(run_dir))
        job = job.in_stages(training_s + evaluation_s)
        with job.stage(weight=training_s):
            result = resume(run_dir, job=job.with_report(StepRecorder(run_dir.parent, job)))
        with job.stage(weight=evaluation_s):
            return _evaluated(result, found.config, run_dir, images, job)
    budget = budget or Budget()
    budget.preset = budget.preset or found.plan.preset
    return _RunStages(found.plan.config, images, run_dir, budget, job, own=found.plan.preset, earlier=found).run_all()


class _RunStages:
    """The stages of a run under way; `run_all` reads as its table of contents.

    The stage under way is trained in the folder `next` of the run, which thus keeps what it has.
    """

    def __init__(
        self,
        config: TrainConfig,
        images: Snapshot,
        run_dir: Path,
        budget: Budget,
        job: JobContext,
        *,
        own: str = "",
        earlier: Run | None = None,
    ) -> None:
        self._config, self._images, self._run_dir, self._budget = config, images, run_dir, budget
        self._own = own or budget.preset  # the preset that `config` is of
        self._project_dir = project_of_run(run_dir) or run_dir.parent.parent
        self._own_job = self._job = job
        self._began = time.monotonic()
        self._planned: set[str] = set()  # presets of the stages whose work was known at the start
        self._is_staged = False  # whether there is more than one stage
        self._earlier = earlier
        self._reached: Run | None = None  # by the stages that have ended
        self._stopped: Run | None = None  # the first stage, where the user cancelled it
        if earlier is not None and earlier.result is not None:
            self._began -= earlier.result.seconds
            if not earlier.result.stopped and earlier.result.best is not None:
                self._reached = replace(earlier, evaluations=stored_evaluations(earlier.path))

    def run_all(self) -> Run:
        """Go through the stages as far as the budget allows; a cancelled job returns what it has reached."""
        configs = self._configs()
        preset, first = configs[0]
        stage = self._earlier.plan.stage if self._earlier is not None and self._earlier.plan is not None else ""
        begun = list(PRESETS).index(stage) if stage in PRESETS and self._reached is not None else 0
        tried = {preset, *list(PRESETS)[:begun]}
        is_solving = _is_solved(first) and not begun
        measuring_s = usual_framing_time(first, self._images, self._project_dir, fetches=self._can_fetch(first))
        answers_first = measuring_s is not None and _is_solved(first) and self._reached is None
        learned = self._first_images() if answers_first else self._images
        self._planned = {name for name, _config in configs}
        self._is_staged = answers_first or len(configs) > 1 or self._earlier is not None
        first_s = self._seconds(first, learned, uses_mirrored=False) if answers_first else 0.0
        seconds = [self._seconds(config) for _preset, config in configs]
        self._job = self._own_job.in_stages(first_s + (measuring_s or 0.0) + sum(seconds))
        try:
            if answers_first:
                with self._job.stage(weight=first_s):
                    self._answer(self._usual(first), preset=preset, learned=learned, uses_mirrored=False)
                self._tell_first_answer()
            with contextlib.nullcontext() if measuring_s is None else self._job.stage(weight=measuring_s):
                framed = self._framed(first)
            with self._job.stage(weight=seconds[0]):
                if self._reached is None:
                    self._answer(framed, preset=preset)
                elif is_solving:
                    self._improve(framed, preset)
            has_gained = True
            while has_gained and (following := self._following(tried)):
                tried.add(following[0])
                self._take_fetched(first, preset)
                has_gained = self._train_next(*following)
        except JobCancelled:
            return self._result(config=first)
        with contextlib.suppress(OSError, VisionFTError):  # resumed, it would find that nothing is left to try
            end_plan(self._result().path)
        return self._result()

    def _configs(self) -> tuple[tuple[str, TrainConfig], ...]:
        """Return (preset, settings) of the stages that the budget allows now."""
        if not _is_one_process():
            return (("", self._config),)
        return staged_configs(self._config, self._own, self._budget.preset, self._circumstances())

    def _circumstances(self) -> Circumstances:
        return project_circumstances(self._images, self._project_dir, device=self._config.device)

    def _following(self, tried: set[str]) -> tuple[str, TrainConfig] | None:
        """Return the next stage that the budget allows."""
        return next(((preset, config) for preset, config in self._configs() if preset not in tried), None)

    def _result(self, *, config: TrainConfig | None = None) -> Run:
        """Return what the stages have reached; `config`: the settings of a run that was stopped before its start."""
        if (reached := self._reached) is not None:
            return replace(read_run(reached.path), evaluations=reached.evaluations) if self._is_staged else reached
        if self._stopped is not None:
            return self._stopped
        config = config or self._config
        stopped = stopped_before_start(config, classes=len(self._images.class_names), run_dir=self._run_dir)
        return _without_folder(stopped, config, self._run_dir, self._images)

    def _seconds(self, config: TrainConfig, learned: Snapshot | None = None, *, uses_mirrored: bool = True) -> float:
        """Return the expected seconds of training and evaluating with settings whose framing may not be known yet."""
        images = learned or self._images
        return sum(_usual_seconds(self._usual(config), images, self._project_dir, uses_mirrored=uses_mirrored))

    @property
    def _spent_s(self) -> float:
        return time.monotonic() - self._began

    def _first_images(self) -> Snapshot:
        """Return the images of the first answer: about `FIRST_IMAGES` to learn from, and as many for the test."""
        images = self._images
        learned = [image for image in images.images if image.labels and image.split != "test"]
        if len(learned) <= 2 * FIRST_IMAGES:
            return images
        per_class = max(2, FIRST_IMAGES // len(images.class_names))
        chosen = (*spread_by_class(learned, per_class), *spread_by_class(images.labelled("test"), per_class))
        return replace(images, images=chosen)

    def _usual(self, config: TrainConfig) -> TrainConfig:
        """Return the settings at the framing that is known without a measurement."""
        config = known_framing(config, self._images, self._project_dir)
        return replace(config, framing="centre", try_networks=False) if config.framing == "auto" else config

    def _can_fetch(self, config: TrainConfig) -> bool:
        """Tell whether there is a stronger network that may be fetched."""
        return self._budget.fetches and config.try_networks and stronger_network(config.device) is not None

    def _take_fetched(self, config: TrainConfig, preset: str) -> None:
        """Solve for the head of a stronger network that the user has allowed to fetch meanwhile, where it is better.

        Raises:
            JobCancelled: The user cancelled it.
        """
        run = self._reached
        assert run is not None
        if run.config.total_epochs or not _is_solved(config) or not self._can_fetch(config):
            return
        framed = self._framed(config)
        if framed.backbone != run.config.backbone:
            self._improve(framed, preset)

    def _framed(self, config: TrainConfig) -> TrainConfig:
        """Return the settings at the measured framing; at the usual one where the time does not last for it."""
        job = self._budget.limited(self._job, _FRAMING_SHARE)
        try:
            fetched = fetch_stronger(config, job=job) if self._can_fetch(config) else ""
            framed = resolved_framing(config, self._images, self._project_dir, job=job)
            choice = read_measured(self._project_dir) if fetched else None
            if choice is not None and (words := comparison_text(choice, fetched)) is not None:
                title = get_backbone(fetched).title
                job.report(Notice(message=Message("{title}: {words}", title=title, words=words)))
            return framed
        except JobCancelled:
            self._job.check_cancelled()
            message = Message(
                "The time is too short to measure what the network should see: it sees the centre square."
            )
            self._job.report(Notice(message=message))
            return self._usual(config)

    def _answer(
        self,
        config: TrainConfig,
        *,
        preset: str = "",
        learned: Snapshot | None = None,
        uses_mirrored: bool = True,
    ) -> None:
        """Train the first stage in the folder of the run, and evaluate it.

        Raises:
            JobCancelled: The user cancelled it.
        """
        if self._earlier is not None:
            config = self._earlier.config
        elif config.total_epochs:
            fitted = fitted_to_time(config, self._images, self._budget.left_s, job=self._job)
            config = fitted or replace(config, epochs=1)
        self._reached = self._trained(config, preset, learned=learned, uses_mirrored=uses_mirrored)

    def _trained(
        self, config: TrainConfig, preset: str, *, learned: Snapshot | None = None, uses_mirrored: bool = True
    ) -> Run | None:
        """Train a stage and evaluate it, the first one in the folder of the run, others in `next` beside it.

        None where a stage after the first keeps the weights of its start.

        Raises:
            JobCancelled: The user cancelled it.
        """
        run, learned = self._reached, learned or self._images
        training_s, evaluation_s = _usual_seconds(config, learned, self._project_dir, uses_mirrored=uses_mirrored)
        job = self._job.in_stages(training_s + evaluation_s)
        if run is None:
            folder, is_begun = self._run_dir, self._earlier is not None
            recorder = StepRecorder(folder.parent, job.with_report(self._with_plan(job, preset)))
        else:
            folder, is_begun = run.path / NEXT_FOLDER, run.next is not None and run.next.config == config
            is_rival = bool(run.config.total_epochs)  # training judges against a linear probe, not a trained network
            recorder = StepRecorder(run.path.parent, job, folder=NEXT_FOLDER, is_rival=is_rival)
            if not is_begun:
                drop_next(run.path)
        with job.stage(weight=training_s):
            result = train(
                config,
                self._images,
                folder,
                is_new=run is None and not is_begun,
                uses_mirrored=uses_mirrored,
                learned=learned,
                spent_s=0.0 if is_begun else self._spent_s,
                is_enough=partial(self._budget.is_enough, preset),
                job=job.with_report(recorder),
            )
        if run is None:
            folder = self._run_dir = self._run_dir.with_name(result.run)
        is_stopped = result.stopped or result.best is None
        if run is not None and not is_stopped and config.total_epochs and result.best and not result.best.epoch:
            return None
        with job.stage(weight=evaluation_s):
            trained = _evaluated(result, config, folder, learned, job)
        if is_stopped:
            if run is None:
                self._stopped = trained
            raise JobCancelled
        return trained

    def _with_plan(self, job: JobContext, preset: str) -> Callable[[Event], None]:
        """Return a function that passes events on, and writes the plan of a run of several stages when it starts."""

        def report(event: Event) -> None:
            if isinstance(event, RunStarted) and self._is_staged:
                self._write_plan(self._run_dir.with_name(event.run), preset)
            job.report(event)

        return report

    def _write_plan(self, run_dir: Path, stage: str) -> None:
        preset, config = self._configs()[-1]
        with contextlib.suppress(OSError, VisionFTError):  # without, a killed run ends with what it has reached
            write_plan(run_dir, RunPlan(preset=preset, stage=stage, config=config))

    def _tell_first_answer(self) -> None:
        run = self._reached
        assert run is not None and run.result is not None
        words = Message("After {time}: {sentence} The model can be used while more is tried.")
        values = {"time": rough_duration_text(run.result.seconds)}
        sentence = accuracy_sentence(unseen_evaluation(run))
        self._job.report(Notice(message=Message(words, sentence=sentence, **values)))
        self._job.report(ResultStored(name=run.name))

    def _improve(self, config: TrainConfig, preset: str) -> None:
        """Solve for the head again: at the measured framing, from all images and their mirrored copies.

        Most of the features are stored by now.

        Raises:
            JobCancelled: The user cancelled it.
        """
        run = self._reached
        assert run is not None
        labelled = len(self._images.labelled("train")) + len(self._images.labelled("val"))
        is_same = with_aspect(config, self._images) == run.config and labelled <= 2 * FIRST_IMAGES
        if is_same and not config.looks_mirrored(labelled):
            self._set_seconds()
        elif (trained := self._trained(config, preset)) is not None:
            self._adopt(trained)

    def _set_seconds(self) -> None:
        """Count the time of a stage that was not better: the user has waited for it too."""
        run = self._reached
        assert run is not None and run.result is not None
        self._reached = replace(run, result=_with_seconds(run.path, run.result, self._spent_s))

    def _train_next(self, preset: str, config: TrainConfig) -> bool:
        """Train the network in the next stage, and keep it where it is better; return whether it is.

        Raises:
            JobCancelled: The user cancelled it; it can be resumed.
        """
        run = self._reached
        assert run is not None
        if preset not in self._planned:  # the budget was raised
            self._job = self._own_job.in_stages(self._seconds(config))
        self._is_staged = True
        self._write_plan(run.path, preset)
        if run.next is not None and run.next.config.total_epochs:
            config = run.next.config
        else:
            config = fitted_to_framing(config, self._framed(config), preset, self._circumstances())
            fitted = fitted_to_time(config, self._images, self._budget.left_s, job=self._job)
            if fitted is None:
                message = Message("The time is too short to train the network: the linear probe is kept.")
                self._job.report(Notice(message=message))
                return False
            config = fitted
        with self._job.stage(weight=self._seconds(config)):
            trained = self._trained(config, preset)
        if trained is not None and self._is_better(trained):
            self._adopt(trained)
            return True
        self._set_seconds()
        return False

    def _is_better(self, trained: Run) -> bool:
        """Tell whether a trained stage is to take the place of what is there, by the validation images.

        Of two trained networks the log loss, paired over the images, must be lower, and the balanced accuracy not lower
        by more than a standard error. For several labels the log loss over all classes decides.
        """
        old = self._reached
        assert old is not None
        if not old.config.total_epochs:  # what is there was its start, which training has judged the best epoch against
            return True
        if self._images.task == "multi":  # the probabilities of the true classes alone favour a model that says all
            losses = [each.best.val_loss if each.best is not None else None for each in (trained, old)]
            return losses[0] is not None and losses[1] is not None and losses[0] < losses[1]
        mine, theirs = (read_evaluation(each.path, "val") for each in (trained, old))
        if mine is None or theirs is None:
            return False
        before = {each.image_id: each for each in theirs.predictions}
        pairs = [(each, before[each.image_id]) for each in mine.predictions if each.image_id in before]
        if not pairs:
            return False
        my_loss, their_loss = np.mean([[_log_loss(each) for each in pair] for pair in pairs], axis=0)
        right, others = ([pair[place].is_right for pair in pairs] for place in range(2))
        is_worse = is_worse_for_classes(right, others, [each.true_classes for each, _ in pairs])
        return bool(my_loss < their_loss) and not is_worse

    def _adopt(self, trained: Run) -> None:
        """Let the next stage take the place of what is there."""
        run = self._reached
        assert run is not None
        try:
            adopt_next(run.path)
        except OSError as error:
            raise write_error(run.path, error) from error
        if run.config.total_epochs and trained.best is not None:  # until now it was not known whether it is better
            append_accuracy(run.path, replace(trained.best, at_s=self._spent_s), is_kept=True)
        self._reached = replace(read_run(run.path), evaluations=trained.evaluations)
        self._job.report(ResultStored(name=run.name))


def _usual_seconds(
    config: TrainConfig, images: Snapshot, project_dir: Path | None, *, uses_mirrored: bool = True
) -> tuple[float, float]:
    """Return the usual seconds of training and of evaluating a run, the weights of these stages."""
    training_s = sum(usual_training_times(config, images, project_dir, uses_mirrored=uses_mirrored))
    passes = len(images.labelled("val")) + len(images.labelled("test"))
    if config.method_row.caches_features:  # those for validation have passed by then
        passes = missing_features(project_dir, images.labelled("test"), config.features)
    return training_s, 1 + passes * config.features.megapixels * config.features.megapixel_s


def _log_loss(prediction: StoredPrediction) -> float:
    return -math.log(max(prediction.true_probability or 0.0, 1e-6))


def _is_one_process() -> bool:
    return os.environ.get("WORLD_SIZE", "1") == "1"


def _is_solved(config: TrainConfig) -> bool:
    """Tell whether the head is all that a run learns, in closed form from labels."""
    return not config.total_epochs and config.method_row.caches_features and config.method_row.needs_labels


def evaluate_held_out(
    run_dir: Path, images: Snapshot | None, *, job: JobContext = SILENT_JOB
) -> dict[Split, Evaluation]:
    """Evaluate a run on the validation and test split, where they have labelled images.

    An error is reported as a notice: the run is valid without its evaluation.

    Args:
        run_dir: Folder of a run with a best epoch.
        images: The images; None for the run's own snapshot.
    """
    try:
        images = images or read_snapshot(run_dir)
        splits: list[Split] = [split for split in ("val", "test") if images.labelled(split)]
        return dict(zip(splits, evaluate_splits(run_dir, images, splits, job=job), strict=True))
    except VisionFTError as error:
        if not job.is_cancelled:
            job.report(Notice(message=error.message, level="warning", next_step=error.next_step))
        return {}


def _evaluated(result: TrainResult, config: TrainConfig, run_dir: Path, images: Snapshot, job: JobContext) -> Run:
    """Return a run that was trained just now, evaluated where it was trained to its end."""
    evaluations = dict[Split, Evaluation]()
    if result.best is not None and not result.stopped and _is_one_process():  # several would evaluate the same images
        began = time.monotonic()
        evaluations = evaluate_held_out(run_dir, images, job=job)
        result = _with_seconds(run_dir, result, result.seconds + time.monotonic() - began)
    if not (run_dir / "config.json").is_file():
        return _without_folder(result, config, run_dir, images)
    # Of several processes, one alone writes the result.
    return replace(read_run(run_dir), result=result, evaluations=evaluations)


def _with_seconds(run_dir: Path, result: TrainResult, seconds: float) -> TrainResult:
    """Return a result with the time until its model could be used, and write it; the earlier time is valid too."""
    result = replace(result, seconds=seconds)
    with contextlib.suppress(OSError, VisionFTError):
        write_result(run_dir, result)
    return result


def _without_folder(result: TrainResult, config: TrainConfig, run_dir: Path, images: Snapshot) -> Run:
    """Return a run that was cancelled before its start."""
    return Run(
        name=result.run,
        path=run_dir,
        config=config,
        class_names=images.class_names,
        epochs=(),
        result=result,
        has_weights=False,
    )
