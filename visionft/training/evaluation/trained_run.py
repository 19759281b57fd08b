"""Train and evaluate a run: one job for the command line, the Python interface and the window.

A run is a sequence of stages: a head at the default framing, a head at the measured framing, the trained network, and
the network trained longer. Each stage ends with an evaluated, usable model, which replaces the earlier model only if it
is better. A budget decides on the last stage.

The run is returned with its evaluations, so that the window can show them without reading the run's folder.
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
    RunPlan,
    StoredRun,
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

# Training images of the first result, and test images to evaluate it, in a project with more than twice this number:
# with 10,000 the first pass would take minutes. The framing is measured on the same number, which reuses features.
FIRST_IMAGES = 400
_FRAMING_SHARE = 1 / 3  # of the remaining time, for the measurement of a framing


def train_and_evaluate(
    config: TrainConfig, images: Snapshot, run_dir: Path, *, budget: Budget | None = None, job: JobContext = SILENT_JOB
) -> StoredRun:
    """Train a new run in stages, and evaluate it on the validation and test split after each stage.

    Args:
        config: The settings of the last stage.
        images: The images of the project.
        run_dir: Folder of the run; the next free number is used if another run has taken it.
        budget: Last stage and time limit, which another thread may change; None for one stage without a limit.
        job: Receives the events, with a `ResultStored` for each stage whose model can be used during the next stage.

    Returns:
        The run with its `result` and `evaluations`. A cancelled run has the ones of the last completed stage. It has no
        evaluation if no stage was completed, and no folder if it was cancelled before its start.

    Raises:
        ConfigError, RunError, WeightsError: As `train`.
    """
    return _RunStages(config, images, run_dir, budget or Budget(), job).run_all()


def resume_and_evaluate(run_dir: Path, *, budget: Budget | None = None, job: JobContext = SILENT_JOB) -> StoredRun:
    """Resume a cancelled or killed run on its original images, and evaluate it; returns as `train_and_evaluate`.

    Args:
        run_dir: Folder of the run.
        budget: Last stage and time limit; None for the stages that the run was started with.
        job: Receives the events.

    Raises:
        RunError, WeightsError: As `resume`.
    """
    run, images = read_run(run_dir), read_snapshot(run_dir)
    if run.plan is None:
        training_s, evaluation_s = _usual_seconds(run.config, images, project_of_run(run_dir))
        job = job.in_stages(training_s + evaluation_s)
        with job.stage(weight=training_s):
            result = resume(run_dir, job=job.with_report(StepRecorder(run_dir.parent, job)))
        with job.stage(weight=evaluation_s):
            return _evaluated(result, run.config, run_dir, images, job)
    budget = budget or Budget()
    budget.preset = budget.preset or run.plan.preset
    stages = _RunStages(run.plan.config, images, run_dir, budget, job, config_preset=run.plan.preset, earlier=run)
    return stages.run_all()


class _RunStages:
    """Trains the stages of a run; start reading at `run_all`.

    Later stages are trained in the folder `next` of the run, so that the run keeps its model until a better one exists.
    """

    def __init__(
        self,
        config: TrainConfig,
        images: Snapshot,
        run_dir: Path,
        budget: Budget,
        job: JobContext,
        *,
        config_preset: str = "",
        earlier: StoredRun | None = None,
    ) -> None:
        self._config, self._images, self._run_dir, self._budget = config, images, run_dir, budget
        self._config_preset = config_preset or budget.preset  # the preset that made `config`
        self._project_dir = project_of_run(run_dir) or run_dir.parent.parent
        self._whole_job = self._job = job
        self._began = time.monotonic()
        self._planned: set[str] = set()  # presets of the stages that are counted in the progress
        self._is_staged = False  # whether there is more than one stage
        self._earlier = earlier
        self._best: StoredRun | None = None  # the best model of the completed stages
        self._cancelled: StoredRun | None = None  # the first stage, if the user cancelled it
        if earlier is not None and earlier.result is not None:
            self._began -= earlier.result.seconds
            if not earlier.result.stopped and earlier.result.best is not None:
                self._best = replace(earlier, evaluations=stored_evaluations(earlier.path))

    def run_all(self) -> StoredRun:
        """Train the stages that the budget allows, and return the best model, also when the job is cancelled."""
        configs = self._configs()
        preset, config = configs[0]
        stage = self._earlier.plan.stage if self._earlier is not None and self._earlier.plan is not None else ""
        completed = list(PRESETS).index(stage) if stage in PRESETS and self._best is not None else 0
        tried = {preset, *list(PRESETS)[:completed]}
        improves_head = _is_closed_form(config) and not completed
        framing_s = usual_framing_time(config, self._images, self._project_dir, fetches=self._can_fetch(config))
        has_quick_stage = framing_s is not None and _is_closed_form(config) and self._best is None
        sample = self._first_images() if has_quick_stage else self._images
        self._planned = {name for name, _config in configs}
        self._is_staged = has_quick_stage or len(configs) > 1 or self._earlier is not None
        quick_s = self._seconds(config, sample, uses_mirrored=False) if has_quick_stage else 0.0
        seconds = [self._seconds(each) for _preset, each in configs]
        self._job = self._whole_job.in_stages(quick_s + (framing_s or 0.0) + sum(seconds))
        try:
            if has_quick_stage:
                with self._job.stage(weight=quick_s):
                    default = self._with_default_framing(config)
                    self._train_first(default, preset=preset, learned=sample, uses_mirrored=False)
                self._report_first_result()
            with contextlib.nullcontext() if framing_s is None else self._job.stage(weight=framing_s):
                framed = self._framed(config)
            with self._job.stage(weight=seconds[0]):
                if self._best is None:
                    self._train_first(framed, preset=preset)
                elif improves_head:
                    self._improve_head(framed, preset)
            has_gained = True
            while has_gained and (next_stage := self._next_stage(tried)):
                tried.add(next_stage[0])
                self._try_stronger_network(config, preset)
                has_gained = self._train_next(*next_stage)
        except JobCancelled:
            return self._result(config=config)
        with contextlib.suppress(OSError, VisionFTError):  # a plan that is not removed only makes the run resumable
            end_plan(self._result().path)
        return self._result()

    def _configs(self) -> tuple[tuple[str, TrainConfig], ...]:
        """Return (preset, settings) of the stages that the budget allows now."""
        if _is_distributed():
            return (("", self._config),)
        return staged_configs(self._config, self._config_preset, self._budget.preset, self._circumstances())

    def _circumstances(self) -> Circumstances:
        return project_circumstances(self._images, self._project_dir, device=self._config.device)

    def _next_stage(self, tried: set[str]) -> tuple[str, TrainConfig] | None:
        """Return (preset, settings) of the next stage that the budget allows."""
        return next(((preset, config) for preset, config in self._configs() if preset not in tried), None)

    def _result(self, *, config: TrainConfig | None = None) -> StoredRun:
        """Return the best model so far; a run cancelled before its start gets the settings `config`."""
        if (best := self._best) is not None:
            return replace(read_run(best.path), evaluations=best.evaluations) if self._is_staged else best
        if self._cancelled is not None:
            return self._cancelled
        config = config or self._config
        stopped = stopped_before_start(config, classes=len(self._images.class_names), run_dir=self._run_dir)
        return _without_folder(stopped, config, self._run_dir, self._images)

    def _seconds(self, config: TrainConfig, learned: Snapshot | None = None, *, uses_mirrored: bool = True) -> float:
        """Return the expected seconds of training and evaluating a stage, also before its framing is measured."""
        config, images = self._with_default_framing(config), learned or self._images
        return sum(_usual_seconds(config, images, self._project_dir, uses_mirrored=uses_mirrored))

    @property
    def _spent_s(self) -> float:
        return time.monotonic() - self._began

    def _first_images(self) -> Snapshot:
        """Return the images of the first result: about `FIRST_IMAGES` to learn from, and the same number to test."""
        images = self._images
        labelled = [image for image in images.images if image.labels and image.split != "test"]
        if len(labelled) <= 2 * FIRST_IMAGES:
            return images
        per_class = max(2, FIRST_IMAGES // len(images.class_names))
        chosen = (*spread_by_class(labelled, per_class), *spread_by_class(images.labelled("test"), per_class))
        return replace(images, images=chosen)

    def _with_default_framing(self, config: TrainConfig) -> TrainConfig:
        """Return the settings with the stored framing, else the centre square, without a measurement."""
        config = known_framing(config, self._images, self._project_dir)
        return replace(config, framing="centre", try_networks=False) if config.framing == "auto" else config

    def _can_fetch(self, config: TrainConfig) -> bool:
        """Return whether there is a stronger network and the user allows its download."""
        return self._budget.fetches and config.try_networks and stronger_network(config.device) is not None

    def _try_stronger_network(self, config: TrainConfig, preset: str) -> None:
        """Fit a head on a stronger network if the user has allowed its download during the run and it is better.

        Raises:
            JobCancelled: The user cancelled.
        """
        run = self._best
        assert run is not None
        if run.config.total_epochs or not _is_closed_form(config) or not self._can_fetch(config):
            return
        framed = self._framed(config)
        if framed.backbone != run.config.backbone:
            self._improve_head(framed, preset)

    def _framed(self, config: TrainConfig) -> TrainConfig:
        """Return the settings with the measured framing, or the default framing if the time is too short."""
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
            return self._with_default_framing(config)

    def _train_first(
        self,
        config: TrainConfig,
        *,
        preset: str = "",
        learned: Snapshot | None = None,
        uses_mirrored: bool = True,
    ) -> None:
        """Train and evaluate the first stage, in the folder of the run.

        Raises:
            JobCancelled: The user cancelled.
        """
        if self._earlier is not None:
            config = self._earlier.config
        elif config.total_epochs:
            fitted = fitted_to_time(config, self._images, self._budget.left_s, job=self._job)
            config = fitted or replace(config, epochs=1)
        self._best = self._train_stage(config, preset, learned=learned, uses_mirrored=uses_mirrored)

    def _train_stage(
        self, config: TrainConfig, preset: str, *, learned: Snapshot | None = None, uses_mirrored: bool = True
    ) -> StoredRun | None:
        """Train and evaluate a stage, the first one in the folder of the run, later ones in its folder `next`.

        Returns None if a later stage keeps its initial weights.

        Raises:
            JobCancelled: The user cancelled.
        """
        run, learned = self._best, learned or self._images
        training_s, evaluation_s = _usual_seconds(config, learned, self._project_dir, uses_mirrored=uses_mirrored)
        job = self._job.in_stages(training_s + evaluation_s)
        if run is None:
            folder, is_begun = self._run_dir, self._earlier is not None
            recorder = StepRecorder(folder.parent, job.with_report(self._with_plan(job, preset)))
        else:
            folder, is_begun = run.path / NEXT_FOLDER, run.next is not None and run.next.config == config
            is_rival = bool(run.config.total_epochs)  # `train` compares with the linear probe, not with this network
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
                should_end=partial(self._budget.should_end, preset),
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
                self._cancelled = trained
            raise JobCancelled
        return trained

    def _with_plan(self, job: JobContext, preset: str) -> Callable[[Event], None]:
        """Return a function that forwards events, and writes the plan when a run of several stages starts."""

        def report(event: Event) -> None:
            if isinstance(event, RunStarted) and self._is_staged:
                self._write_plan(self._run_dir.with_name(event.run), preset)
            job.report(event)

        return report

    def _write_plan(self, run_dir: Path, stage: str) -> None:
        preset, config = self._configs()[-1]
        with contextlib.suppress(OSError, VisionFTError):  # without a plan, a killed run keeps its current model
            write_plan(run_dir, RunPlan(preset=preset, stage=stage, config=config))

    def _report_first_result(self) -> None:
        run = self._best
        assert run is not None and run.result is not None
        words = Message("After {time}: {sentence} The model can be used while more is tried.")
        values = {"time": rough_duration_text(run.result.seconds)}
        sentence = accuracy_sentence(unseen_evaluation(run))
        self._job.report(Notice(message=Message(words, sentence=sentence, **values)))
        self._job.report(ResultStored(name=run.name))

    def _improve_head(self, config: TrainConfig, preset: str) -> None:
        """Fit the head again at the measured framing, on all images and their mirrored copies.

        Most of the features are stored already.

        Raises:
            JobCancelled: The user cancelled.
        """
        run = self._best
        assert run is not None
        labelled = len(self._images.labelled("train")) + len(self._images.labelled("val"))
        is_same = with_aspect(config, self._images) == run.config and labelled <= 2 * FIRST_IMAGES
        if is_same and not config.looks_mirrored(labelled):
            self._update_seconds()
        elif (trained := self._train_stage(config, preset)) is not None:
            self._adopt(trained)

    def _update_seconds(self) -> None:
        """Add the time of a stage without improvement to the time of the run."""
        run = self._best
        assert run is not None and run.result is not None
        self._best = replace(run, result=_with_seconds(run.path, run.result, self._spent_s))

    def _train_next(self, preset: str, config: TrainConfig) -> bool:
        """Train the network in the next stage, adopt it if it is better, and return whether it is.

        Raises:
            JobCancelled: The user cancelled; the run can be resumed.
        """
        run = self._best
        assert run is not None
        if preset not in self._planned:  # the user has extended the budget during the run
            self._job = self._whole_job.in_stages(self._seconds(config))
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
            trained = self._train_stage(config, preset)
        if trained is not None and self._is_better(trained):
            self._adopt(trained)
            return True
        self._update_seconds()
        return False

    def _is_better(self, trained: StoredRun) -> bool:
        """Return whether a trained stage is better than the best earlier one on the validation images.

        Between two trained networks the log loss, paired over the images, must be lower, and the balanced accuracy not
        lower by more than a standard error. For several labels only the log loss over all classes counts.
        """
        old = self._best
        assert old is not None
        if not old.config.total_epochs:  # `train` has compared the new network with this linear probe already
            return True
        if self._images.task == "multi":  # stored predictions lack the probabilities of the false classes
            losses = [each.best.val_loss if each.best is not None else None for each in (trained, old)]
            return losses[0] is not None and losses[1] is not None and losses[0] < losses[1]
        new_evaluation, old_evaluation = (read_evaluation(each.path, "val") for each in (trained, old))
        if new_evaluation is None or old_evaluation is None:
            return False
        before = {each.image_id: each for each in old_evaluation.predictions}
        pairs = [(each, before[each.image_id]) for each in new_evaluation.predictions if each.image_id in before]
        if not pairs:
            return False
        new_loss, old_loss = np.mean([[_log_loss(each) for each in pair] for pair in pairs], axis=0)
        new_right, old_right = ([pair[column].is_right for pair in pairs] for column in range(2))
        is_worse = is_worse_for_classes(new_right, old_right, [each.true_classes for each, _ in pairs])
        return bool(new_loss < old_loss) and not is_worse

    def _adopt(self, trained: StoredRun) -> None:
        """Replace the best model by the next stage."""
        run = self._best
        assert run is not None
        try:
            adopt_next(run.path)
        except OSError as error:
            raise write_error(run.path, error) from error
        if run.config.total_epochs and trained.best is not None:  # `StepRecorder` could not know that it is better
            append_accuracy(run.path, replace(trained.best, at_s=self._spent_s), is_kept=True)
        self._best = replace(read_run(run.path), evaluations=trained.evaluations)
        self._job.report(ResultStored(name=run.name))


def _usual_seconds(
    config: TrainConfig, images: Snapshot, project_dir: Path | None, *, uses_mirrored: bool = True
) -> tuple[float, float]:
    """Return the usual seconds of training and of evaluating a run, to weight the progress of the two."""
    training_s = sum(usual_training_times(config, images, project_dir, uses_mirrored=uses_mirrored))
    passes = len(images.labelled("val")) + len(images.labelled("test"))
    if config.method_row.caches_features:  # training has stored the features of validation images
        passes = missing_features(project_dir, images.labelled("test"), config.features)
    return training_s, 1 + passes * config.features.megapixels * config.features.megapixel_s


def _log_loss(prediction: StoredPrediction) -> float:
    return -math.log(max(prediction.true_probability or 0.0, 1e-6))


def _is_distributed() -> bool:
    return os.environ.get("WORLD_SIZE", "1") != "1"


def _is_closed_form(config: TrainConfig) -> bool:
    """Return whether a run only fits a closed-form head from labels."""
    return not config.total_epochs and config.method_row.caches_features and config.method_row.needs_labels


def evaluate_held_out(
    run_dir: Path, images: Snapshot | None, *, job: JobContext = SILENT_JOB
) -> dict[Split, Evaluation]:
    """Evaluate a run on the validation and test split, if they have labelled images.

    An error is reported as a notice: the run is valid without its evaluation.

    Args:
        run_dir: Folder of a run with a best epoch.
        images: The images; None for the run's own snapshot.
        job: Receives the events.
    """
    try:
        images = images or read_snapshot(run_dir)
        splits: list[Split] = [split for split in ("val", "test") if images.labelled(split)]
        return dict(zip(splits, evaluate_splits(run_dir, images, splits, job=job), strict=True))
    except VisionFTError as error:
        if not job.is_cancelled:
            job.report(Notice(message=error.message, level="warning", next_step=error.next_step))
        return {}


def _evaluated(result: TrainResult, config: TrainConfig, run_dir: Path, images: Snapshot, job: JobContext) -> StoredRun:
    """Return a run that has just been trained, with its evaluations if training was completed."""
    evaluations = dict[Split, Evaluation]()
    # In distributed training, every process would evaluate the same images.
    if result.best is not None and not result.stopped and not _is_distributed():
        began = time.monotonic()
        evaluations = evaluate_held_out(run_dir, images, job=job)
        result = _with_seconds(run_dir, result, result.seconds + time.monotonic() - began)
    if not (run_dir / "config.json").is_file():
        return _without_folder(result, config, run_dir, images)
    # In distributed training only the main process writes the result, so `read_run` may not find it.
    return replace(read_run(run_dir), result=result, evaluations=evaluations)


def _with_seconds(run_dir: Path, result: TrainResult, seconds: float) -> TrainResult:
    """Return a result with a new `seconds`, and try to write it into the run's folder."""
    result = replace(result, seconds=seconds)
    with contextlib.suppress(OSError, VisionFTError):  # the earlier time stays valid
        write_result(run_dir, result)
    return result


def _without_folder(result: TrainResult, config: TrainConfig, run_dir: Path, images: Snapshot) -> StoredRun:
    """Return a run that was cancelled before its start."""
    return StoredRun(
        name=result.run,
        path=run_dir,
        config=config,
        class_names=images.class_names,
        epochs=(),
        result=result,
        has_weights=False,
    )
