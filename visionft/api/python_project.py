"""A project in Python: add images, label, check, train; every change is a step that can be undone."""

import operator
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from visionft.api.console import Callback, in_python_terms, running_job
from visionft.api.python_run import Run, Table, TimeLimit
from visionft.api.run_settings import as_assignments, fitted_to_time, override_settings, starting_settings
from visionft.data.types import Snapshot, Task
from visionft.errors import NextStep, ProjectError, VisionFTError
from visionft.export.record import ProjectFacts, facts_of
from visionft.files import from_home
from visionft.jobs import JobContext
from visionft.project.edits.changes import AcceptSuggestions, LabelImages
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.formats.listing import LabelChoice
from visionft.project.importing.importer import ImportReport, import_source
from visionft.project.labelling import find_image
from visionft.project.names import count_of
from visionft.project.splits import SplitReport, assign_splits, is_divided
from visionft.project.store import Project as Store
from visionft.training.config.checks import check_config
from visionft.training.config.presets import DEFAULT_PRESET
from visionft.training.config.train_config import TrainConfig
from visionft.training.framing_choice import known_framing
from visionft.training.runs.run_folder import RUNS_FOLDER, list_runs, load_run, new_run_dir

ImageChoice = int | str | Path | Iterable[int | str | Path]
"""Images of a project: an id, a file, or several of these."""


class Project:
    """A project folder, open for reading and writing.

    One process writes a project at a time; where another one has it open, it is opened for reading. `close` it, or use
    it in a `with` statement, before the window or the command line is to change it.
    """

    def __init__(self, store: Store) -> None:
        """Make it for an open store; `visionft.open` and `visionft.create` do."""
        self._store = store

    def __repr__(self) -> str:
        found = self._store.summary()
        counts = f"{count_of(found.images, 'image')}, {found.labelled} labelled, {len(found.classes)} classes"
        return f"Project({str(self.path)!r}, {counts})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish backups and let other processes write the project. May be called twice."""
        self._store.close()

    @property
    def path(self) -> Path:
        """Return the folder of the project."""
        return self._store.path

    @property
    def task(self) -> Task:
        """Return `single` (one class an image) or `multi` (any number)."""
        return self._store.task

    @property
    def is_read_only(self) -> bool:
        """Whether it cannot be changed here, such as when another process has it open."""
        return self._store.is_read_only

    @property
    def classes(self) -> dict[str, int]:
        """Return {class: number of its images}, in the order of the class list."""
        return dict(self._store.summary().classes)

    @property
    def images(self) -> Table:
        """Return a row per image, in id order: image_id, path, label (None without one), split (None without one).

        For several labels, `label` holds the classes joined by commas.
        """
        found = self._store.snapshot()
        return {
            "image_id": [image.image_id for image in found.images],
            "path": [str(image.path) for image in found.images],
            "label": [", ".join(found.labels_of(image)) or None for image in found.images],
            "split": [image.split for image in found.images],
        }

    @property
    def labels(self) -> Table:
        """Return a row per assigned label: image_id, label; an image of several labels has several rows."""
        found = self._store.snapshot()
        pairs = [(image.image_id, name) for image in found.images for name in found.labels_of(image)]
        return {"image_id": [image_id for image_id, _ in pairs], "label": [name for _, name in pairs]}

    @property
    def runs(self) -> list[Run]:
        """Return all readable runs, the oldest first."""
        return [self._run(each.path) for each in list_runs(self.path)]

    def run(self, name: str | int) -> Run:
        """Return a run by its name, number or title (RunError: there is none)."""
        with in_python_terms():
            return self._run(load_run(self.path, str(name)).path)

    def add(
        self,
        source: str | Path,
        *,
        copy: bool = False,
        class_folder: int = 0,
        name_part: int | None = None,
        file_column: str = "",
        label_column: str = "",
        separator: str = "",
        from_boxes: bool = False,
        without_labels: bool = False,
        replace_labels: bool = False,
        classes: Mapping[str, str | None] | None = None,
        callback: Callback | None = None,
    ) -> ImportReport:
        """Import images with their labels, as one step; the originals are only read.

        Args:
            source: A folder with a folder for each class, a folder with a label file, a table of images, or an archive.
            copy: Copy the images into the project.
            class_folder: Level of the folders that are classes: 1 lies in the source, -1 holds the images; 0: none.
            name_part: Part of the file names that is the class: from 1 on, -1 the last, 0 the words beside numbers.
            file_column: Column of a table that names the images; `label_column` the one that gives the class.
            separator: What separates several classes in a cell, or in the name of a folder.
            from_boxes: Take each class that is marked with a box or shape as a label.
            without_labels: Take the images alone.
            replace_labels: Let the source's classes take the place of imported ones.
            classes: {class in the source: its name in the project, or None to leave its images out}.
            callback: Receives the events in place of the progress line.

        Returns:
            What was added, known already, left out and why (`added`, `duplicates`, `unreadable`, `skipped` ...).

        Raises:
            ProjectError: There is no image, the labels are not understood, or the project cannot be changed.
            VisionFTError: Arguments contradict each other, or no file of the source could be used.
        """
        ways = {
            "class_folder": bool(class_folder), "name_part": name_part is not None, "label_column": bool(label_column),
            "from_boxes": from_boxes, "without_labels": without_labels,
        }  # fmt: skip
        given = [name for name, is_given in ways.items() if is_given]
        if len(given) > 1:
            raise VisionFTError(f"{given[0]} and {given[1]} contradict each other.", f"Give one of {', '.join(ways)}.")
        choice = LabelChoice(
            class_folder=class_folder, name_part=name_part, file=file_column, label=label_column, separator=separator,
            takes_marks=from_boxes, is_unlabelled=without_labels,
        )  # fmt: skip
        with running_job(callback) as job:
            report = import_source(
                self._store, from_home(source), copy=copy, class_map=classes, choice=choice,
                accepts_unlabelled=without_labels, replaces_labels=replace_labels, job=job,
            )  # fmt: skip
            if report.is_empty:
                first = report.unreadable[0]
                message = f"Nothing was imported: none of {count_of(len(report.unreadable), 'file')} could be used."
                raise VisionFTError(message, f"The first one: {first.path}: {first.reason}")
        return report

    def label(self, images: ImageChoice, class_name: str) -> int:
        """Give images a class, created when it is new, as one step, and return how many changed.

        Args:
            images: Ids as in `images`, or files of the project; one or several.

        Raises:
            ProjectError: A file is not in the project, or the project cannot be changed.
        """
        chosen = list(images) if isinstance(images, Iterable) and not isinstance(images, str) else [images]
        with in_python_terms():
            ids = [
                find_image(self._store, from_home(each)) if isinstance(each, str | Path) else operator.index(each)
                for each in chosen
            ]
            known = self._store.snapshot().by_id
            if unknown := [each for each in ids if each not in known]:
                step = NextStep("import_images", project=self.path)
                raise ProjectError(f"There is no image {unknown[0]} in the project.", "See project.images.", step)
            return len(self._store.apply(LabelImages(tuple(ids), class_name)).image_ids)

    def undo(self) -> str:
        """Undo the newest change, also one of an earlier session, and return its title; empty without a change."""
        with in_python_terms():
            return str(self._store.undo().title)

    def redo(self) -> str:
        """Redo the last undone change, and return its title; empty without one."""
        with in_python_terms():
            return str(self._store.redo().title)

    def split(self, *, val: float = 0.15, test: float = 0.15, seed: int = 0, again: bool = False) -> SplitReport:
        """Divide the labelled images without a split into train, val and test, stratified by class; `train` does too.

        Near-duplicates that the check for leaks found stay together.

        Args:
            val: Share of the images for validation, 0 to 1; likewise `test`.
            seed: Draws another split.
            again: Place all images anew.

        Raises:
            ProjectError: There are too few images or classes.
        """
        from visionft.curation.leaks.leak_check import related_groups

        with in_python_terms():
            together = related_groups(self._store)
            return assign_splits(self._store, val=val, test=test, seed=seed, together=together, again=again)

    def check(self, name: str, *, threshold: float | None = None, callback: Callback | None = None) -> Table:
        """Run a check, and return its open issues, the worst first.

        Columns: image_id, path, score (0 to 1), kind, reason, group (0 for none), suggested (a class, or empty).

        Args:
            name: `duplicates`, `label-errors`, `leaks`, `quality`, or one of an extension.
            threshold: Score from which an image is listed; None for the check's own.

        Raises:
            ProjectError: There is nothing to check.
        """
        from visionft.curation.check import Inputs, open_issues
        from visionft.curation.table import CHECKS

        with running_job(callback) as job:
            if name not in CHECKS:
                raise VisionFTError(f"There is no check “{name}”.", f"There are {', '.join(CHECKS)}.")
            images = self._store.snapshot()
            result = CHECKS[name].run(Inputs(self.path, images, job))
            least = result.threshold if threshold is None else threshold
            issues = open_issues(result, images, verdicts_of(self._store, result.check))
        issues = [each for each in issues if each.score >= least]
        table: Table = {
            "image_id": [each.image_id for each in issues],
            "path": [str(images.by_id[each.image_id].path) for each in issues],
        }
        columns = ("score", "kind", "reason", "group", "suggested")
        return table | {column: [getattr(each, column) for each in issues] for column in columns}

    def suggest(self, *, accept: float | None = None, callback: Callback | None = None) -> Table:
        """Suggest labels for unlabelled images from the labels so far, the surest first.

        Columns: image_id, path, label, confidence (0 to 1, its own estimate).

        Args:
            accept: Label the images whose confidence is at least this, as one step; None labels none.

        Raises:
            ProjectError: There are too few labels to learn from.
        """
        from visionft.features.embedding import embedded
        from visionft.suggest.feature_suggester import need_error, open_suggester
        from visionft.suggest.suggestions import current_suggestions

        with running_job(callback) as job:
            images = self._store.snapshot()
            suggester = open_suggester(self._store, embedded(self.path, images, job=job))
            if suggester.needs:
                raise need_error(suggester, self.path)
            suggestions = current_suggestions(self._store, suggester.suggestions).values()
            found = sorted(suggestions, key=lambda each: -each.confidence)
            sure = {each.image_id: each.classes for each in found if accept is not None and each.confidence >= accept}
            if sure:
                self._store.apply(AcceptSuggestions(sure))
        return {
            "image_id": [each.image_id for each in found],
            "path": [str(images.by_id[each.image_id].path) for each in found],
            "label": [", ".join(each.classes) for each in found],
            "confidence": [each.confidence for each in found],
        }

    def settings(
        self,
        preset: str | None = None,
        *,
        backbone: str = "",
        method: str = "",
        callback: Callback | None = None,
        **settings: Any,
    ) -> TrainConfig:
        """Return the checked settings that `train` with the same arguments uses; nothing is trained.

        Raises:
            ConfigError: A setting is not known or invalid, or the images are unsuitable, such as without a split.
        """
        with running_job(callback) as job:
            return self._settings(self._store.snapshot(), preset, backbone, method, settings, job)

    def train(
        self,
        preset: str | None = None,
        *,
        backbone: str = "",
        method: str = "",
        time: float | None = None,
        callback: Callback | None = None,
        **settings: Any,
    ) -> Run:
        """Train a run on the training images, evaluate it on the others, and return it.

        Images without a split are divided first, as `split` does. The first interrupt ends the run well after the
        current step: the best epoch is kept.

        Args:
            preset: `quick`, `balanced` (the usual one) or `best`; with `method` alone, the defaults of the method.
            backbone: A pretrained network of `models.catalog.BACKBONES`, or `timm/NAME`; empty lets the preset choose.
            method: A fine-tuning method, such as `linear`, `lora` or `full`.
            time: Seconds for the epochs. Fewer are planned where more are forecast to take longer, and the run stops
                at the end of an epoch where another one would take too long. Looking at each image once, for the
                linear probe before the first epoch, is never cut short: all that `quick` does. Nothing is measured to
                choose the framing: that of the project is taken, or the centre square. Evaluation comes on top.
            callback: Receives the events (`visionft.events`) in place of the progress line.
            **settings: Any field of `TrainConfig`; those of a method as a dict: `lora={"rank": 4}`.

        Raises:
            ConfigError: Settings or images are unsuitable; all problems at once.
            ProjectError: The images cannot be split.
            WeightsError: The pretrained weights are missing.
            RunError: The run was interrupted before it began, no image can be read, or memory is too small.
        """
        from visionft.evaluation.trained_run import train_and_evaluate

        images = self._store.snapshot()
        if not is_divided(images) and any(image.labels for image in images.images) and not self.is_read_only:
            self.split()
            images = self._store.snapshot()
        with running_job(callback) as job:
            limit = TimeLimit(time, job)
            config = self._settings(images, preset, backbone, method, settings, job)
            if time is not None:
                config = known_framing(config, self.path)
                config = replace(config, framing="centre") if config.framing == "auto" else config
                config = fitted_to_time(config, images, limit.left, job=job)
            run = train_and_evaluate(config, images, new_run_dir(self.path, config), job=limit.job)
            return self._run(load_run(self.path, run.result.run).path)

    def _settings(
        self,
        images: Snapshot,
        preset: str | None,
        backbone: str,
        method: str,
        settings: Mapping[str, Any],
        job: JobContext,
    ) -> TrainConfig:
        given = {name: value for name, value in (("backbone", backbone), ("method", method)) if value}
        single = as_assignments(settings)
        preset = preset or (None if method else DEFAULT_PRESET)
        known = given | {name: settings[name] for name in ("device",) if name in settings}
        config = starting_settings(images, self.path, known, preset=preset, job=job)
        config = override_settings(config, given, single)
        check_config(config, images)
        return config

    def _run(self, path: Path) -> Run:
        assert path.parent.name == RUNS_FOLDER
        return Run(path, self._read)

    def _read(self) -> tuple[Snapshot, ProjectFacts]:
        return self._store.snapshot(), facts_of(self._store)
