"""Projects, runs and exports of others: none starts a program, writes or deletes outside, or names a file elsewhere.

SECURITY.md lists every place where the text of a file reaches a program, a path or an import, with its guard.
"""

import ast
import io
import json
import os
import pickle
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image
from run_events import started

import gui
import models
import visionft
from models.weights.weights_loading import read_state
from visionft.analysis.image_map import draw_map, read_map
from visionft.core.errors import ImageError, ProjectError, RunError, VisionFTError, WeightsError
from visionft.core.events import StepDone
from visionft.core.files import write_json, write_text
from visionft.core.jobs import SILENT_JOB
from visionft.data.decode import decode, read_header
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.feature_store import FeatureKind, latest_kind, make_current
from visionft.project.db import schema
from visionft.project.edits.changes import RemoveImages
from visionft.project.formats.exporting import export_labels
from visionft.project.importing.importer import import_source
from visionft.project.safety.checking import check_project
from visionft.project.store import ProjectStore, duplicate_project
from visionft.training.recipe import parse_settings
from visionft.training.runs.manifest import read_parts
from visionft.training.runs.metrics_file import StepRecorder
from visionft.training.runs.run_folder import clear_run, list_runs, load_run

NO_LINKS = pytest.mark.skipif(os.name == "nt", reason="links need privileges there")
KEY = "a private key\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a file of the user, in a folder that no project owns."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "key").write_text(KEY)
    return folder / "key"


@pytest.fixture
def project(tmp_path: Path, draw) -> Path:
    """Return a project of twelve images of two classes, copied into it."""
    for number in range(12):
        draw(tmp_path / "images" / ("cat" if number < 6 else "dog") / f"{number}.png", number)
    with ProjectStore.create(tmp_path / "project") as opened:
        import_source(opened, tmp_path / "images")
        return opened.path


def change_database(project: Path, *statements: str) -> None:
    """Change a project as its author can: without a check, and with a fitting seal."""
    for seal in project.glob("project.db?*"):
        seal.unlink()
    with closing(sqlite3.connect(project / "project.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


# -- programs -------------------------------------------------------------------------------------------------------


STARTS = {  # who starts a program, gives a file to another one, or imports by a name; SECURITY.md says with what
    "subprocess.run": {"sample_programs.py"},
    "subprocess.Popen": {"running.py", "watched.py"},
    "QDesktopServices.openUrl": {"folders.py", "export_page.py", "manual.py"},
    "import_module": {"doctor.py", "foreign_files.py", "lazy_function.py", "train_page.py"},
    "importlib.import_module": {"__init__.py", "doctor.py"},  # of `visionft`: its own modules alone
    "pkgutil.resolve_name": {"artefacts.py"},  # of names in the table of the source and of installed packages
    "shutil.rmtree": {
        "keeping.py", "run_folder.py", "checkpoint.py", "network_folders.py", "contents.py",
        "making.py", "sample_projects.py", "image_map.py", "backups.py", "checking.py", "backup_schedule.py",
        "sources.py", "database.py", "files.py",
    },
    "connection.create_function": set(), "connection.enable_load_extension": set(), "QProcess": set(),
    "os.system": set(), "os.startfile": set(), "os.popen": set(), "webbrowser.open": set(), "runpy.run_path": set(),
}  # fmt: skip


def test_no_other_place_starts_programs_or_deletes_folders() -> None:
    """A new place is added here once SECURITY.md says what guards it."""
    found: dict[str, set[str]] = {name: set() for name in STARTS}
    for path in (path for package in (visionft, gui, models) for path in Path(package.__path__[0]).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in found:
                found[name].add(path.name)
    assert {name: files - STARTS[name] for name, files in found.items() if files - STARTS[name]} == {}


def test_an_image_that_needs_an_interpreter_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow gives PostScript to Ghostscript, whatever the file is called."""
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: pytest.fail("Ghostscript was started"))
    written = io.BytesIO()
    Image.new("RGB", (8, 8)).save(written, "EPS")
    for name in ("a.jpg", "a.png", "a.tif", "a.eps", "a.dcm"):
        (tmp_path / name).write_bytes(written.getvalue())
        for read in (read_header, decode):
            with pytest.raises(ImageError):
                read(tmp_path / name)


# -- code in data ---------------------------------------------------------------------------------------------------


class Program:
    """A pickle of it makes a file where it is loaded."""

    def __init__(self, ran: Path) -> None:
        self.ran = ran

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.ran,)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt"])
def test_weights_that_are_a_program_do_not_run(suffix: str, tmp_path: Path) -> None:
    import torch

    ran, file = tmp_path / "ran", tmp_path / f"weights{suffix}"
    for is_zip in (True, False):
        torch.save({"a": Program(ran)}, file, _use_new_zipfile_serialization=is_zip)
        with pytest.raises(WeightsError):
            read_state(file)
    assert not ran.exists()


def test_a_table_with_a_pickled_type_does_not_run(tmp_path: Path, draw) -> None:
    """Pyarrow before 14.0.1 unpickled a type that the schema of a file names."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    ran, source = tmp_path / "ran", tmp_path / "source"
    for number in range(4):
        draw(source / f"{number}.png", number)
    code = pickle.dumps(Program(ran))
    about = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": code}
    fields = [arrow.field("file_name", arrow.string()), arrow.field("label", arrow.string(), metadata=about)]
    rows = [[f"{number}.png" for number in range(4)], ["a", "b", "a", "b"]]
    parquet.write_table(arrow.table(rows, schema=arrow.schema(fields)), source / "labels.parquet")
    with ProjectStore.create(tmp_path / "project") as project:
        import_source(project, source / "labels.parquet")
    assert not ran.exists()


def test_an_entity_opens_no_file_and_does_not_expand(outside: Path, tmp_path: Path, draw) -> None:
    draw(tmp_path / "source" / "a.png", 1)
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<!DOCTYPE a [<!ENTITY e0 "{"x" * 100}">{bomb}<!ENTITY file SYSTEM "file://{outside}">]>'
    text = f'<?xml version="1.0"?>{text}<annotations><image name="&file;&e9;a.png"/></annotations>'
    (tmp_path / "source" / "labels.xml").write_text(text)
    with ProjectStore.create(tmp_path / "project") as project:
        with pytest.raises(ProjectError, match="document type|DOCTYPE") as raised:
            import_source(project, tmp_path / "source" / "labels.xml")
        assert KEY.strip() not in str(raised.value) and not project.summary().images


def test_a_trigger_of_a_database_reaches_no_function_beyond_sql(project: Path, tmp_path: Path) -> None:
    """The schema of a stranger's database is not trusted: its triggers call no function that could do harm."""
    with closing(schema.connect(project / "project.db", writable=True)) as connection:
        assert connection.execute("PRAGMA trusted_schema").fetchone()[0] == 0
        with pytest.raises(sqlite3.Error):
            connection.execute("SELECT load_extension('x')").fetchone()
        with pytest.raises(sqlite3.Error):
            connection.execute(f"SELECT writefile('{tmp_path / 'x'}', 'x')").fetchone()


@pytest.mark.parametrize("backbone", ["hf-hub:somebody/model", "local-dir:/tmp/model", "../model", "timm/../model"])
def test_settings_name_no_network_elsewhere(backbone: str) -> None:
    config = parse_settings({"backbone": backbone}, 1)
    with pytest.raises(VisionFTError):
        _ = config.backbone_row  # everything that builds or fetches a network asks for it


# -- paths ----------------------------------------------------------------------------------------------------------


@NO_LINKS
@pytest.mark.parametrize("name", [".lock", ".lock.json"])
def test_opening_a_project_writes_through_no_link_out_of_it(name: str, project: Path, outside: Path) -> None:
    (project / name).unlink(missing_ok=True)
    (project / name).symlink_to(outside)
    with pytest.raises(VisionFTError, match="leads out"):
        ProjectStore.open(project)
    assert outside.read_text() == KEY
    with ProjectStore.open(project, read_only=True) as opened:
        assert opened.is_read_only


@NO_LINKS
def test_a_record_is_not_written_through_a_link_out_of_its_project(project: Path, outside: Path) -> None:
    run = project / "runs" / "001-a-b"
    run.mkdir(parents=True)
    (run / "notes.json").symlink_to(outside)
    (project / "beside.json").write_text("{}")
    (run / "result.json").symlink_to(project / "beside.json")
    with pytest.raises(VisionFTError, match="leads out"):
        write_json(run / "notes.json", {"title": "$(touch PWNED)"})
    assert outside.read_text() == KEY
    write_json(run / "result.json", 1)  # a link within the project stays one
    assert (project / "beside.json").read_text() == "1\n" and (run / "result.json").is_symlink()
    (outside.parent / "link").symlink_to(outside)
    write_text(outside.parent / "link", "x")  # and so does one of the user
    assert outside.read_text() == "x"


@NO_LINKS
@pytest.mark.parametrize("name", ["rows.bin", "keys.bin", ".lock"])
def test_features_are_not_written_through_a_link_out_of_their_project(name: str, project: Path, outside: Path) -> None:
    from visionft.features import row_store

    kind = FeatureKind(backbone="test", size=8, weights="", preprocessing="", widths=(4,))
    make_current(project, kind)
    names = {"rows.bin": row_store.ROWS, "keys.bin": row_store.KEYS, ".lock": row_store.LOCK}
    (project / "features" / kind.folder_name / names[name]).symlink_to(outside)
    with pytest.raises(VisionFTError, match="leads out"):
        kind.store(project).append(["a" * 64], np.zeros((1, 4), np.float16))
    assert outside.read_text() == KEY


@NO_LINKS
def test_a_copy_holds_no_file_from_outside(project: Path, outside: Path, tmp_path: Path) -> None:
    """A copy may be given on: what a link leads to is not drawn into it."""
    (project / "runs" / "a").mkdir(parents=True)
    (project / "runs" / "a" / "out").symlink_to(outside)
    (project / "runs" / "a" / "file").write_text("x")
    (project / "runs" / "a" / "in").symlink_to(project / "runs" / "a" / "file")
    with ProjectStore.open(project, read_only=True) as opened:
        duplicate_project(opened, tmp_path / "copy")
    folder = tmp_path / "copy" / "runs" / "a"
    assert (folder / "out").is_symlink() and not (folder / "in").is_symlink() and (folder / "in").read_text() == "x"


@NO_LINKS
def test_a_resumed_run_writes_through_no_link_out_of_its_project(project: Path, outside: Path) -> None:
    (project / "runs" / "001-a").mkdir(parents=True)
    (project / "runs" / "001-a" / "steps.jsonl").symlink_to(outside)
    record = StepRecorder(project / "runs", SILENT_JOB)
    record(started(run="001-a"))
    record(StepDone(epoch=1, step=1, steps=2, loss=1.0, learning_rate=0.1, images_per_second=1.0, eta_s=1.0))
    assert outside.read_text() == KEY


def test_a_path_out_of_the_images_is_read_as_an_image_and_never_changed(project: Path, outside: Path) -> None:
    change_database(
        project, f"INSERT INTO root (id, path) VALUES (99, '{outside.parent}')",
        "UPDATE image SET root_id = 99, path = 'key' WHERE id = 1",
    )  # fmt: skip
    with ProjectStore.open(project) as opened:
        path = opened.snapshot().images[0].path
        assert path.resolve() == outside
        with pytest.raises(ImageError):
            decode(path)
        check_project(opened, check_contents=True)
        opened.apply(RemoveImages((1,)))
        opened.undo()
    assert outside.read_text() == KEY and [each.name for each in outside.parent.iterdir()] == ["key"]


HASH = "../../../home/autostart"


def test_a_hash_that_is_a_path_is_not_imported(project: Path, tmp_path: Path, draw) -> None:
    with ProjectStore.open(project, read_only=True) as opened:
        copy = duplicate_project(opened, tmp_path / "copy").path
    draw(tmp_path / "more" / "cat" / "99.png", 99)
    with ProjectStore.open(copy) as opened:
        import_source(opened, tmp_path / "more")
    change_database(copy, f"UPDATE image SET sha256 = '{HASH}' WHERE id = 13")
    before = sorted(tmp_path.rglob("*"))
    with ProjectStore.open(project) as opened:
        import_source(opened, copy, copy=True)
    assert not {path for path in tmp_path.rglob("*") if path.name.startswith("autost")}
    assert {path.parent for path in set(tmp_path.rglob("*")) - set(before)} <= {project, copy, *project.rglob("*")}


EVIL = ("../../../up", "/etc/passwd", "..", "a/../../b", "C:\\x", "$(touch PWNED)")


@pytest.mark.parametrize("kind", ["folders", "huggingface", "yolo"])
def test_names_of_a_project_stay_in_the_folder_of_an_export(kind: str, project: Path, tmp_path: Path) -> None:
    names = [f"UPDATE image SET name = '{name}' WHERE id = {n}" for n, name in enumerate(EVIL, 1)]
    change_database(
        project, "UPDATE class SET name = '../../../up' WHERE id = 1", "UPDATE image SET split = 'train'", *names
    )
    before = set(tmp_path.rglob("*"))
    with ProjectStore.open(project, read_only=True) as opened:
        export_labels(opened, tmp_path / "deep" / "out", export_format=kind)
    added = {path for path in set(tmp_path.rglob("*")) - before if not path.is_relative_to(project)}
    added -= {tmp_path / "deep"}
    assert len(added) > 12 and all(path.is_relative_to(tmp_path / "deep" / "out") for path in added)


@pytest.mark.parametrize("name", ["../../other", "/etc", ".."])
def test_features_are_read_in_their_own_folder(name: str, project: Path, tmp_path: Path) -> None:
    kind = FeatureKind(backbone="test", size=8, weights="", preprocessing="", widths=(4,))
    for folder in (tmp_path / "other", project):
        make_current(folder, kind)
    (project / "features" / kind.folder_name / "about.json").unlink(missing_ok=True)
    shutil.rmtree(project / "features" / kind.folder_name)
    shutil.copytree(tmp_path / "other" / "features" / kind.folder_name, tmp_path / "other", dirs_exist_ok=True)
    write_json(project / "features" / "current.json", {"folder": name})
    assert latest_kind(project) is None


@NO_LINKS
def test_a_new_map_deletes_nothing_behind_a_link(tmp_path: Path) -> None:
    """The folder of the maps was a link to the home folder: drawing deleted all folders in it."""
    kind = FeatureKind(backbone="test", size=8, weights="", preprocessing="", widths=(4,))
    vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float16)
    contents = [f"{number:064x}" for number in range(20)]
    kind.store(tmp_path / "project").append(contents, vectors)
    make_current(tmp_path / "project", kind)
    pairs = enumerate(contents, 1)
    images = Snapshot("single", ("a",), tuple(SnapshotImage(n, Path("/x"), each, (0,), None) for n, each in pairs))
    draw_map(tmp_path / "project", images, method="pca")
    (folder,) = (tmp_path / "project").glob("**/map/*/pca")
    (tmp_path / "home" / "documents").mkdir(parents=True)
    shutil.copytree(folder, tmp_path / "home", dirs_exist_ok=True)
    shutil.rmtree(folder)
    folder.symlink_to(tmp_path / "home", target_is_directory=True)
    draw_map(tmp_path / "project", images, method="pca", again=True)
    assert (tmp_path / "home" / "documents").is_dir()
    about = json.loads((folder / "current.json").read_text())
    for name in ("..", "documents", "/"):
        (folder / "current.json").write_text(json.dumps(about | {"drawing": name}))
        assert read_map(tmp_path / "project", images, method="pca") is None


@NO_LINKS
def test_a_run_that_begins_again_deletes_nothing_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "project" / "runs").mkdir(parents=True)
    (tmp_path / "project" / "project.db").touch()
    (tmp_path / "home" / "documents").mkdir(parents=True)
    run_dir = tmp_path / "project" / "runs" / "001-a"
    run_dir.symlink_to(tmp_path / "home", target_is_directory=True)
    with pytest.raises(VisionFTError):
        clear_run(run_dir, kept=())
    run_dir.unlink()
    run_dir.mkdir()
    (run_dir / "best").symlink_to(tmp_path / "home", target_is_directory=True)
    (run_dir / "last").mkdir()
    (run_dir / "config.json").touch()
    clear_run(run_dir, kept={"config.json"})
    assert [each.name for each in run_dir.iterdir()] == ["config.json"]
    assert (tmp_path / "home" / "documents").is_dir()


@pytest.mark.parametrize("name", ["../../other/runs/001-a", "/etc", "..", "a/b", ""])
def test_a_part_of_an_ensemble_is_a_run_beside_it(name: str, tmp_path: Path) -> None:
    part = {"run": name, "weights": "", "share": 1.0, "temperature": 1.0, "accuracy": 1.0, "loss": 0.0}
    (tmp_path / "combined.json").write_text(json.dumps([part]))
    with pytest.raises(ValueError):
        read_parts(tmp_path)
    (tmp_path / "combined.json").write_text(json.dumps([part | {"run": "001-a"}]))
    assert read_parts(tmp_path)[0].run == "001-a"


@pytest.mark.parametrize("name", ["..", "../runs/001-a", "/", "."])
def test_a_run_is_found_by_its_name_alone(name: str, project: Path) -> None:
    (project / "runs" / "001-a").mkdir(parents=True)
    with pytest.raises(RunError, match="There is no run"):
        load_run(project, name)
    assert not list_runs(project)
