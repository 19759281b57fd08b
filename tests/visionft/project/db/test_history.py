"""Any sequence of operations, with reopenings in between: undo all is the beginning, redo all is the end."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from PIL import Image

from visionft.core.errors import ProjectError
from visionft.project.db.journal import JOURNALED_TABLES
from visionft.project.edits.changes import AddClass, AssignSplits, LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.class_changes import (
    ColorClass,
    DeleteClass,
    MergeClasses,
    OrderClasses,
    RenameClass,
    SetShortcut,
)
from visionft.project.edits.image_changes import RestoreImages, ReviewImages, TagImages, UntagImages, WriteNote
from visionft.project.formats.exporting import export_labels
from visionft.project.importing.importer import import_source
from visionft.project.importing.relinking import relink_images
from visionft.project.safety.checking import check_project
from visionft.project.splits import assign_splits
from visionft.project.store import ProjectStore

CLASSES = ("cat", "dog", "Fuchs", "🦊", "a/b", "Ame\u0301lie", "Am\u00e9lie")
IDS = st.lists(st.integers(1, 16), min_size=1, max_size=6, unique=True).map(tuple)
NAMES = st.sampled_from(CLASSES)


def contents(project: ProjectStore) -> dict[str, list[tuple[object, ...]]]:
    """Return every row the user could miss, straight from the tables."""
    with closing(sqlite3.connect(f"file:{project.path / 'project.db'}?mode=ro", uri=True)) as connection:
        found = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in JOURNALED_TABLES}
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


class History(RuleBasedStateMachine):
    """Keep every state the project was in; undo and redo walk along them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="history-"))
        for number in range(16):
            path = self.folder / "images" / f"set{number % 4}" / CLASSES[number % 3] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4), (number, 99, 7)).save(path)
        self.project: ProjectStore | None = None
        self.states: list[dict[str, list[tuple[object, ...]]]] = []
        self.place = 0

    @initialize(task=st.sampled_from(["single", "multi"]))
    def create(self, task) -> None:
        self.project = ProjectStore.create(self.folder / "project", task=task)
        self.states = [contents(self.project)]

    def do(self, work) -> None:
        """Do something to the project; a change adds exactly one step, a failure changes nothing."""
        before = len(self.project.history(10_000))
        try:
            work(self.project)
        except ProjectError:
            assert contents(self.project) == self.states[self.place]
            return
        state = contents(self.project)
        if state != self.states[self.place]:
            self.states[self.place + 1 :] = [state]
            self.place += 1
        else:
            assert len(self.project.history(10_000)) == before

    @rule(number=st.integers(0, 3), copy=st.booleans(), layout=st.sampled_from(["", "..", "csv"]))
    def import_images(self, number: int, copy: bool, layout: str) -> None:
        source = self.folder / "images" / f"set{number}"
        if layout == "csv":
            text = "".join(f"{path},Fuchs,test,t1\n" for path in sorted(source.rglob("*.png"))[:3])
            (self.folder / "list.csv").write_text("file_name,label,split,tags\n" + text, encoding="utf-8")
            source = self.folder / "list.csv"
        self.do(lambda project: import_source(project, source / layout if layout == ".." else source, copy=copy))

    @rule(ids=IDS, name=NAMES, source=st.sampled_from(["person", "import", "suggestion"]))
    def label(self, ids, name: str, source) -> None:
        self.do(lambda project: project.apply(LabelImages(ids, name, source)))

    @rule(ids=IDS, name=st.none() | NAMES)
    def unlabel(self, ids, name) -> None:
        self.do(lambda project: project.apply(UnlabelImages(ids, name)))

    @rule(name=NAMES, other=NAMES, third=NAMES, what=st.integers(0, 6))
    def edit_classes(self, name: str, other: str, third: str, what: int) -> None:
        changes = (
            AddClass(name),
            RenameClass(name, other),
            MergeClasses((name, other), third),
            DeleteClass(name),
            ColorClass(name, "#00ff00"),
            SetShortcut(name, "k"),
            OrderClasses((name, other)),
        )
        self.do(lambda project: project.apply(changes[what]))

    @rule(ids=IDS, what=st.integers(0, 6), split=st.sampled_from(["train", "val", "test", None]))
    def edit_images(self, ids, what: int, split) -> None:
        changes = (
            RemoveImages(ids),
            RestoreImages(ids),
            TagImages(ids, "t1"),
            UntagImages(ids, "t1"),
            ReviewImages(ids, "done" if split else None),
            WriteNote(ids[0], f"note {split}"),
            AssignSplits(dict.fromkeys(ids, split)),
        )
        self.do(lambda project: project.apply(changes[what]))

    @rule(seed=st.integers(0, 3), again=st.booleans())
    def split(self, seed: int, again: bool) -> None:
        self.do(lambda project: assign_splits(project, test=0, seed=seed, again=again))

    @rule()
    def move_and_relink(self) -> None:
        moved = self.folder / "moved"
        shutil.rmtree(moved, ignore_errors=True)
        shutil.copytree(self.folder / "images", moved)
        images, away = self.folder / "images", self.folder / "away"
        images.rename(away)
        self.do(lambda project: relink_images(project, moved))
        away.rename(images)

    @rule()
    def check(self) -> None:
        self.do(check_project)

    @rule()
    def export(self) -> None:
        self.do(lambda project: export_labels(project, self.folder / "out.jsonl"))

    @rule(step=st.sampled_from([-1, 1]))
    def undo_or_redo(self, step: int) -> None:
        act = self.project.undo if step < 0 else self.project.redo
        if 0 <= self.place + step < len(self.states):
            act()
            self.place += step
        else:
            with pytest.raises(ProjectError):
                act()

    @rule(share=st.floats(0, 1))
    def go_to(self, share: float) -> None:
        """Go to any step at once; skipped for a trimmed or continued history: its places and states differ."""
        steps = self.project.history(10_000)[::-1]
        if len(steps) == len(self.states) - 1:
            self.place = round(share * len(steps))
            self.project.go_to(steps[self.place - 1].step_id if self.place else 0)

    @rule()
    def reopen(self) -> None:
        self.project.close()
        self.project = ProjectStore.open(self.folder / "project")

    @invariant()
    def the_project_is_in_the_state_it_should_be_in(self) -> None:
        if self.project is not None:
            assert contents(self.project) == self.states[self.place]

    def teardown(self) -> None:
        try:
            if self.project is not None:
                for step in (-1, 1):
                    while 0 <= self.place + step < len(self.states):
                        _ = self.project.undo() if step < 0 else self.project.redo()
                        self.place += step
                        assert contents(self.project) == self.states[self.place]
                assert contents(self.project) == self.states[-1]
        finally:
            if self.project is not None:
                self.project.close()
            shutil.rmtree(self.folder, ignore_errors=True)


COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck)}
TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=12, stateful_step_count=20, **COMMON)
