"""A project in Python: add images, label, check, train; every change is a step that can be undone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visionft.api.console import Callback, in_python_terms, running_job
from visionft.api.python_run import Run
from visionft.api.tables import IssueTable, SuggestionTable, Table
from visionft.core.errors import VisionFTError
from visionft.core.events import Notice
from visionft.core.files import expand_home
from visionft.core.jobs import JobCancelled, JobContext
from visionft.core.messages import Message, choose_one
from visionft.core.names import count_of
from visionft.data.types import Snapshot
from visionft.project.edits.changes import AcceptSuggestions
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.formats.image_table import label_choice
from visionft.project.importing.importer import ImportReport, import_source
from visionft.project.importing.relinking import RelinkReport, relink_images
from visionft.project.labelling import ImageChoice, label_images
from visionft.project.safety.checking import CheckReport, check_project
from visionft.project.splits import SplitReport, SplitRequest, is_prepared
from visionft.project.store import ProjectStore as Store
from visionft.training.budget import Budget
from visionft.training.config.presets import DEFAULT_PRESET
from visionft.training.config.train_config import TrainConfig
from visionft.training.run_settings import as_assignments, override_settings, run_settings, staged_preset
from visionft.training.runs.run_folder import list_runs, load_run, new_run_dir

if TYPE_CHECKING:
    from visionft.analysis.check import Check
    from visionft.training.combining import Combination


class Project(Store):
    """A project folder, open for reading and writing: what the window and the commands open, with calls for Python.

    One process writes a project at a time; where another one has it open, it is opened for reading (`is_read_only`).
    `close` it, or use it in a `with` statement, before the window or the command line is to change it. `undo`, `redo`
    and `history` are about the steps of all sessions.

    `callback` of long calls receives the events (`visionft.core.events`) in place of the progress line. The command
    line gives a `JobContext`, which is also asked whether the user cancelled.
    """

    def __repr__(self) -> str:
        found = self.summary()
        counts = f"{count_of(found.images, 'image')}, {found.labelled} labelled, {len(found.classes)} classes"
        return f"Project({str(self.path)!r}, {counts})"

    @property
    def classes(self) -> dict[str, int]:
        """Return {class: number of its images}, in the order of the class list."""
        return dict(self.summary().classes)

    @property
    def images(self) -> Table:
        """Return a row per image, in id order: image_id, path, label (None without one), split (None without one).

        For several labels, `label` holds the classes joined by commas.
        """
        found = self.snapshot()
        rows = (
            (image.image_id, {"label": ", ".join(found.labels_of(image)) or None, "split": image.split})
            for image in found.images
        )
        return Table.of_images(found, rows, ("label", "split"))

    @property
    def labels(self) -> Table:
        """Return a row per assigned label: image_id, label; an image of several labels has several rows."""
        found = self.snapshot()
        pairs = [(image.image_id, name) for image in found.images for name in found.labels_of(image)]
        return Table(image_id=[image_id for image_id, _ in pairs], label=[name for _, name in pairs])

    @property
    def runs(self) -> list[Run]:
        """Return all readable runs, the oldest first."""
        return [Run(each.path, self) for each in list_runs(self.path)]

    def run(self, name: str | int) -> Run:
        """Return a run by its name, number or title (RunError: not found)."""
        with in_python_terms():
            return Run(load_run(self.path, str(name)).path, self)

    def add(
        self,
        source: str | Path,
        *,
        copy: bool = False,
        source_format: str = "auto",
        class_folder: int | None = None,
        name_part: int | None = None,
        table: str = "",
        file_column: str = "",
        label_column: str = "",
        separator: str = "",
        from_boxes: bool = False,
        without_labels: bool = False,
        reading: int = 0,
        replace_labels: bool = False,
        classes: Mapping[str, str | None] | None = None,
        callback: Callback | None = None,
    ) -> ImportReport:
        """Import images with their labels, as one step; the originals are only read.

        Args:
            source: A folder with a folder for each class, a folder with a label file, a table of images, an archive,
                or another project.
            copy: Copy the images into the project.
            source_format: The format of the labels, a name of `IMPORT_FORMATS`; `auto` recognises it.
            class_folder: Level of the folders that are classes: 1 lies in the source, -1 holds the images.
            name_part: Part of the file names that is the class: from 1 on, -1 the last, 0 the words beside numbers.
            table: Path of a table in the source, where there are several.
            file_column, label_column: Columns of a table that give the image's file and its class.
            separator: What separates several classes in a cell, or in the name of a folder.
            from_boxes: Take each class that is marked with a box or shape as a label.
            without_labels: Take the images alone.
            reading: Number of the way to understand the source, as in `readings` of the report; 0 takes the most
                plausible one.
            replace_labels: Let the source's classes take the place of imported ones.
            classes: {class in the source: its name in the project, or None to leave its images out}.

        Returns:
            What was added, known already, left out and why (`added`, `duplicates`, `unreadable`, `skipped` ...).

        Raises:
            ProjectError: There is no image, the labels are not understood, or the project cannot be changed.
            NothingImportedError: No file of the source could be used; its `report` names the reasons.
            VisionFTError: Arguments contradict each other.
        """
        with running_job(callback) as job:
            choice = label_choice(
                class_folder=class_folder,
                name_part=name_part,
                table=table,
                file_column=file_column,
                label_column=label_column,
                separator=separator,
                from_boxes=from_boxes,
                without_labels=without_labels,
            )
            report = import_source(
                self,
                expand_home(source),
                copy=copy,
                source_format=source_format,
                class_map=classes,
                choice=choice,
                reading=reading,
                accepts_unlabelled=without_labels,
                replaces_labels=replace_labels,
                job=job,
            )
            report.refuse_empty()
        return report

    def label(self, images: ImageChoice, class_name: str) -> int:
        """Give images a class, created when it is new, as one step, and return how many changed.

        Args:
            images: Ids as in `images`, or files of the project; one or several.

        Raises:
            ProjectError: A file is not in the project, or the project cannot be changed.
        """
        with in_python_terms():
            return len(label_images(self, class_name, images).image_ids)

    def split(
        self,
        *,
        val: float = 0.15,
        test: float = 0.15,
        seed: int = 0,
        group: str | None = None,
        again: bool = False,
        callback: Callback | None = None,
    ) -> SplitReport:
        """Divide the labelled images without a split into train, val and test, stratified by class; `train` does too.

        Near-duplicates stay together: the pairs found by the check for leaks, and obvious copies among other images,
        which are found in a few milliseconds an image. `kept_together` of the report counts their groups.

        Args:
            val, test: Shares of the images for validation and test, 0 to 1.
            seed: Draws another split.
            group: A regular expression; images whose file names agree in its match stay together.
            again: Place all images anew.

        Raises:
            ProjectError: There are too few images or classes.
        """
        from visionft.analysis.leaks import split_without_leaks

        wish = SplitRequest(val=val, test=test, seed=seed, group=group or "", again=again)
        with running_job(callback) as job:
            return split_without_leaks(self, wish, job=job)

    def relink(self, folder: str | Path, *, callback: Callback | None = None) -> RelinkReport:
        """Find moved images again by their content, in a folder and below it.

        Raises:
            ProjectError: The folder cannot be read, or the project cannot be changed.
        """
        with running_job(callback) as job:
            return relink_images(self, expand_home(folder), job=job)

    def repair(self, *, contents: bool = False, callback: Callback | None = None) -> CheckReport:
        """Check the database and the files of the project, repair what can be repaired, and return what was found.

        Args:
            contents: Also read every image and compare it with the imported one.

        Raises:
            ProjectError: The database is damaged: `visionft.restore` takes a backup.
        """
        with running_job(callback) as job:
            return check_project(self, check_contents=contents, job=job)

    def check(
        self,
        name: "str | Check",
        *,
        threshold: float | None = None,
        kind: str = "",
        callback: Callback | None = None,
    ) -> IssueTable:
        """Run a check, and return its open issues, the worst first.

        Args:
            name: `duplicates`, `label-errors`, `leaks`, `quality`, or the check itself.
            threshold: Score from which an image is listed, 0 to 1; None for the check's own.
            kind: Only issues of this kind, of `kinds` of the check, such as `blurred`; empty for all.

        Raises:
            ProjectError: There is nothing to check.
            VisionFTError: The check has no such kind, or the threshold is not from 0 to 1.
        """
        from visionft.analysis.check import Inputs, open_issues
        from visionft.analysis.scan import get_check

        with running_job(callback) as job:
            check = get_check(name) if isinstance(name, str) else name
            _refuse_no_share("threshold", threshold)
            if kind and check.kinds and kind not in check.kinds:
                raise VisionFTError(f"There is no kind “{kind}”.", choose_one(check.kinds))
            images = self.snapshot()
            result = check.run(Inputs(self.path, images, job))
            least = result.threshold if threshold is None else threshold
            issues = open_issues(result, images, verdicts_of(self, result.check), threshold=least, kind=kind)
        return IssueTable.of(images, result, issues)

    def keep_best(self, *, threshold: float | None = None, sure: bool = False, callback: Callback | None = None) -> int:
        """Keep the best image of each group of duplicates, as one step, and return how many others were removed.

        It gets the labels and tags of the others; their files stay. Groups with a label conflict are left.

        Args:
            threshold: Least similarity of duplicates, 0 to 1; None for the one fitted to the images.
            sure: Also where different images of the project are as similar as copies: look at
                `check("duplicates")` first.

        Raises:
            VisionFTError: They are, and it is not `sure`; or the threshold is not above 0 and at most 1.
        """
        from visionft.analysis.duplicate_groups import current_groups, keep_best_images

        with running_job(callback) as job:
            _refuse_no_share("threshold", threshold)
            result = self.check("duplicates", callback=job).result
            groups = current_groups(self, result, threshold=threshold)
            return keep_best_images(self, result, groups, is_sure=sure)

    def mend_leaks(self, *, sure: bool = False, callback: Callback | None = None) -> int:
        """Move each group of related images that lies in several splits into one, and return how many were moved.

        Args:
            sure: As in `keep_best`, for the groups of `check("leaks")`.

        Raises:
            VisionFTError: As `keep_best`.
        """
        from visionft.analysis.leaks import leaks_of, move_leaks, related_images

        with running_job(callback) as job:
            found = self.check("leaks", callback=job)
            leaks = leaks_of(related_images(self, found.result), found.images)
            return move_leaks(self, found.result, leaks, found.images, is_sure=sure)

    def suggest(
        self, run: str | int | None = None, *, accept: float | None = None, callback: Callback | None = None
    ) -> SuggestionTable:
        """Suggest labels for unlabelled images, the surest first.

        Args:
            run: The run that suggests; None to suggest from the labels so far.
            accept: Label the images whose confidence is at least this, 0 to 1, as one step; None labels none.

        Raises:
            ProjectError: There are too few labels to learn from.
            RunError: There is no such run, or it cannot be read.
            VisionFTError: `accept` is not from 0 to 1.
        """
        from visionft.analysis.feature_suggester import need_error, open_suggester
        from visionft.analysis.suggestions import (
            FEATURES,
            current_suggestions,
            read_suggestions,
            suggest_labels,
        )
        from visionft.features.embedding import embedded

        with running_job(callback) as job:
            _refuse_no_share("accept", accept)
            images = self.snapshot()
            if run is None:
                features = embedded(self.path, images, job=job)
                suggester = open_suggester(self, features)
                if suggester.needs:
                    raise need_error(suggester, self.path)
                source, found, is_stopped = FEATURES, suggester.suggestions, False
                unreadable = len(features.missing) + len(features.unusable)
            else:
                folder = load_run(self.path, str(run)).path
                suggester = None
                report = suggest_labels(folder, images, job=job)
                source = report.run
                found = read_suggestions(folder)
                is_stopped = report.stopped
                unreadable = report.unreadable
            table = SuggestionTable.of(images, current_suggestions(self, found))
            sure = {
                image_id: each.classes
                for image_id, each in table.suggestions.items()
                if accept is not None and each.confidence >= accept and not is_stopped
            }
            if sure:
                self.apply(AcceptSuggestions(sure))
        table.source = source
        table.accepted = len(sure)
        table.unreadable = unreadable
        table.is_stopped, table.suggester = is_stopped, suggester
        return table

    def combine(self, runs: Sequence[str | int], *, title: str = "", callback: Callback | None = None) -> "Combination":
        """Combine runs into an ensemble with fitted weights, save it as a run, and return its measurements.

        Args:
            runs: Names or numbers of two or more finished runs.
            title: The name to show; empty for the folder's own. `run` of the result is that folder's name.

        Raises:
            RunError: There are no two runs, one is not finished, or all validation images were seen in training.
        """
        from visionft.training.combining import combine

        with running_job(callback) as job:
            return combine(self.path, [str(run) for run in runs], self.snapshot(), title=title, job=job)

    def settings(
        self,
        preset: str | None = None,
        *,
        backbone: str = "",
        method: str = "",
        recipe: str | Path | None = None,
        callback: Callback | None = None,
        **settings: Any,
    ) -> TrainConfig:
        """Return the checked settings that `train` with the same arguments uses; nothing is trained.

        Raises:
            ConfigError: A setting is not known or invalid, or the images are unsuitable, such as without a split.
        """
        with running_job(callback) as job:
            return self._settings(
                self.snapshot(), preset, backbone=backbone, method=method, recipe=recipe, job=job, **settings
            )

    def _settings(
        self,
        images: Snapshot,
        preset: str | None,
        *,
        backbone: str = "",
        method: str = "",
        recipe: str | Path | None = None,
        job: JobContext,
        **settings: Any,
    ) -> TrainConfig:
        given = {name: value for name, value in (("backbone", backbone), ("method", method)) if value}
        given |= {name: settings.pop(name) for name in ("device",) if name in settings}
        is_complete = preset or method or recipe is not None
        return run_settings(
            images,
            self.path,
            given,
            as_assignments(settings),
            preset=preset if is_complete else DEFAULT_PRESET,
            recipe_file=None if recipe is None else expand_home(recipe),
            job=job,
        )

    def _divided(self, job: JobContext) -> Snapshot:
        """Return the images of the project; the labelled ones without a split are divided first."""
        from visionft.analysis.leaks import split_without_leaks

        images = self.snapshot()
        if self.is_read_only or is_prepared(images) or not any(image.labels for image in images.images):
            return images
        report = split_without_leaks(self, SplitRequest(), or_without_test=True, job=job)
        if report.assigned:
            counts = ", ".join(f"{name} {count}" for name, count in report.splits.items())
            job.report(Notice(message=Message("The images were divided: {counts}.", counts=counts)))
        return self.snapshot()

    def train(
        self,
        preset: str | TrainConfig | None = None,
        *,
        time: float | None = None,
        fetch: bool = False,
        budget: Budget | None = None,
        callback: Callback | None = None,
        **settings: Any,
    ) -> Run:
        """Train a run on the training images, evaluate it on the others, and return it.

        Images without a split are divided first, as `split` does; too few for a test set are divided without one. A
        preset is trained in stages, each of which ends with a run that can be used: the linear probe first, then at the
        part and size of the images that suits it, then the network, where that is better. The first interrupt ends the
        run well after the current step: what was best so far is kept, and `resume` goes on.

        Args:
            preset: `quick`, `balanced` (the usual one) or `best`; with `method` alone, the defaults of the method; or
                the settings that `settings` returned.
            time: Seconds from now on. A stage that is forecast to take longer is left out, epochs are planned to fit,
                and the run ends at the end of one where another one would take too long. The first answer, from one
                look at each image, is never cut short.
            fetch: Whether a stronger network may be fetched after the first answer of a preset, where none is on this
                computer. It is taken where it is measured better on the images.
            budget: In place of `time` and `fetch`, for settings of a preset: another thread may change it while the run
                goes on.
            **settings: Any field of `TrainConfig`: `method`, such as `linear`, `lora` or `full`; `backbone`, a
                pretrained network of `models.catalog.BACKBONES` or `timm/NAME`, else the preset chooses it. The options
                of a method are a dict: `lora={"rank": 4}`. Also `recipe`, the file of one.

        Raises:
            ConfigError: Settings or images are unsuitable; all problems at once.
            VisionFTError: A stronger network is to be fetched for settings that name theirs.
            ProjectError: The images cannot be split.
            WeightsError: The pretrained weights are missing.
            JobCancelled: The run was interrupted before it was created.
            RunError: No image can be read, or memory is too small.
        """
        from visionft.training.evaluation.trained_run import train_and_evaluate

        with running_job(callback) as job:
            images = self._divided(job)
            budget = budget or Budget(seconds=time, fetches=fetch)
            if isinstance(preset, TrainConfig):
                config = override_settings(preset, {}, as_assignments(settings))
            else:
                config = self._settings(images, preset, job=job, **settings)
                is_preset = preset or not ("method" in settings or settings.get("recipe") is not None)
                budget.preset = staged_preset((preset or DEFAULT_PRESET) if is_preset else None, settings)
            if budget.fetches and not config.try_networks:
                hint = "Name no backbone, or do not ask to fetch."
                raise VisionFTError("Only a preset that chooses its network can fetch a stronger one.", hint)
            run_dir = new_run_dir(self.path, config)
            run = train_and_evaluate(config, images, run_dir, budget=budget, job=job)
            if not run.path.is_dir():
                raise JobCancelled
        return Run(run.path, self)


def _refuse_no_share(name: str, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise VisionFTError(f"{name}={value} is not a share of 1.", "Give a number from 0 to 1, such as 0.9.")
