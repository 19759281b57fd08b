"""A run trained elsewhere is the run trained here; job and result files from strangers harm nothing."""

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from changed_jobs import CONFIG, replaced, rewritten
from run_events import epoch_done

from visionft.cli import main
from visionft.errors import VisionFTError
from visionft.events import EpochDone, RunStarted
from visionft.jobs import JobContext
from visionft.remote.contents import PackedFileError, read_event
from visionft.remote.event_file import recorded
from visionft.remote.job_file import FOLDER, pack_job
from visionft.remote.results import import_result
from visionft.remote.running import job_folder, result_file, run_job
from visionft.remote.starting import write_starter
from visionft.training.loop.train import train
from visionft.training.runs.manifest import read_manifest
from visionft.training.runs.run_folder import load_run
from visionft.training.runs.run_snapshot import read_snapshot


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def test_a_run_trained_elsewhere_is_the_run_trained_here(project, images, there, image_folder):
    content = (there / "a.vftjob").read_bytes() + (there / "a.vftresult").read_bytes()
    names = ("Secret name", '"red"', str(there.parent.name), str(image_folder), image_folder.name)
    assert not any(each.encode() in content for each in names)
    imported = import_result(project, images, there / "a.vftresult")
    here = train(CONFIG, images, project / "runs" / "002-here")

    run, own = load_run(project, imported.run), load_run(project, here.run)
    hashes = [read_manifest(each.path / "best")["model.safetensors"] for each in (run, own)]
    assert hashes[0] == hashes[1] and (run.class_names, run.config) == (own.class_names, own.config)
    assert read_snapshot(run.path).digest == read_snapshot(own.path).digest
    assert [each.there for each in imported.measured] == [each.here for each in imported.measured]
    assert {each.split for each in imported.measured} == {"val", "test"} and not imported.remarks
    with pytest.raises(PackedFileError, match=imported.run):
        import_result(project, images, there / "a.vftresult")


def test_a_stopped_job_goes_on_to_the_same_weights(there, elsewhere):
    job, seen = Path(shutil.copy(there / "a.vftjob", elsewhere / "a.vftjob")), []
    stops_early = JobContext(seen.append, lambda: any(isinstance(each, EpochDone) for each in seen))
    stopped, _ = run_job(job, job=stops_early)
    assert stopped.result.stopped and not result_file(job).exists()
    assert RunStarted in map(type, seen)
    ended, _ = run_job(job)
    assert not ended.result.stopped and result_file(job).exists()
    best = job_folder(job) / "runs" / "001-test_resnet-lora" / "best"
    first = job_folder(there / "a.vftjob") / "runs" / "001-test_resnet-lora" / "best"
    assert read_manifest(best)["model.safetensors"] == read_manifest(first)["model.safetensors"]


def test_labels_that_changed_since_are_counted(project, images, there):
    changed = dataclasses.replace(images.images[0], split=None)
    later = dataclasses.replace(images, images=(changed, *images.images[1:]))
    found = import_result(project, later, there / "a.vftresult")
    assert (found.changed, found.added) == (1, 0) and found.remarks


@pytest.mark.parametrize(
    "change", [{"start_from": "001-test_resnet-lora"}, {"method": "knn"}, {"learning_rate": 99.0}], ids=str
)
def test_what_cannot_be_trained_elsewhere_is_refused_and_leaves_nothing(change, project, images, elsewhere):
    before = list((project / FOLDER).iterdir())
    with pytest.raises(VisionFTError):
        pack_job(project, images, dataclasses.replace(CONFIG, **change), elsewhere / "a.vftjob")
    assert not list(elsewhere.iterdir()) and list((project / FOLDER).iterdir()) == before


def test_a_result_of_another_project_is_refused(project, images, there):
    shutil.rmtree(project / FOLDER)
    with pytest.raises(PackedFileError):
        import_result(project, images, there / "a.vftresult")
    assert not list((project / "runs").glob("*"))


def outside(files, values):
    replaced("../escaped", b"x")(files, values)


def newer(_files, values):
    values["format"] = 99


def cut(files, _values):
    name = next(each for each in files if each.startswith("images/"))
    files[name] = files[name][:-1]


def lost(files, _values):
    files.pop(next(each for each in files if each.startswith("images/")))


def other_kind(_files, values):
    values["kind"] = "result"


def settings_elsewhere(files, values):
    settings = json.loads(files["settings.json"]) | {"weights": "/etc/passwd"}
    replaced("settings.json", json.dumps(settings).encode())(files, values)


@pytest.mark.parametrize(
    "change", [outside, newer, cut, lost, other_kind, settings_elsewhere, replaced("settings.json", b"[]")]
)
def test_hostile_and_damaged_jobs_are_refused_before_anything_is_left(change, there, elsewhere):
    job = rewritten(there / "a.vftjob", elsewhere / "bad.vftjob", change)
    with pytest.raises(VisionFTError):
        run_job(job)
    assert list(elsewhere.iterdir()) == [job] and not (elsewhere.parent / "escaped").exists()


@pytest.mark.parametrize(
    "change",
    [
        outside,
        newer,
        replaced("result.json", b"{}"),
        replaced("best/model.safetensors", b"no"),
        replaced("config.json", b"7"),
        replaced("config.json", b"{}"),
    ],
)
def test_hostile_and_damaged_results_are_refused_before_anything_is_left(change, project, images, there):
    bad = rewritten(there / "a.vftresult", there / "bad.vftresult", change)
    with pytest.raises(VisionFTError):
        import_result(project, images, bad)
    assert not [each for each in (project / "runs").glob("*") if each.is_dir()]


def test_events_survive_their_file_and_foreign_lines_are_passed_over(tmp_path):
    done = epoch_done(train_loss=0.5, val_loss=0.4, seconds=1.0, images_per_second=10.0)
    with recorded(JobContext(), tmp_path / "events.jsonl") as job:
        job.report(done)
    (line,) = (tmp_path / "events.jsonl").read_text().splitlines()
    assert read_event(line) == done
    for foreign in ("", "[]", '{"event": "Other"}', '{"event": "EpochDone", "epoch": [1]}', "{"):
        assert read_event(foreign) is None


@pytest.mark.slow
def test_two_processes_train_a_job_and_one_writes_its_result(there, elsewhere):
    job = Path(shutil.copy(there / "a.vftjob", elsewhere / "a.vftjob"))
    _, evaluations = run_job(job, processes=2, events=elsewhere / "events.jsonl")
    assert set(evaluations) == {"val", "test"} and result_file(job).exists()
    events = [read_event(line) for line in (elsewhere / "events.jsonl").read_text().splitlines()]
    started = [each for each in events if isinstance(each, RunStarted)]
    assert [each.processes for each in started] == [2]
    result_file(job).unlink()
    run_job(job, processes=2, events=elsewhere / "again.jsonl")
    assert result_file(job).exists() and not (elsewhere / "again.jsonl").exists()  # it had been trained


@pytest.mark.slow
def test_two_machines_train_a_job_in_a_folder_that_both_see(there, elsewhere, unused_port):
    job = Path(shutil.copy(there / "a.vftjob", elsewhere / "a.vftjob"))
    options = ["--machines", "2", "--main", "127.0.0.1", "--port", str(unused_port)]
    command = [sys.executable, "-m", "visionft", "job", "run", job, *options, "--machine"]
    begun = [subprocess.Popen([*command, str(number)], stderr=subprocess.PIPE, text=True) for number in range(2)]
    told = [each.communicate(timeout=200)[1] for each in begun]
    assert not any(each.returncode for each in begun), "".join(told)
    assert "2 x" in told[0] and result_file(job).exists()
    assert len(list((job_folder(job) / "runs").glob("0*"))) == 1


@pytest.mark.parametrize("wrong", [["--machines", "2"], ["--machines", "2", "--machine", "2", "--main", "a"]])
def test_machines_that_cannot_be_are_refused(wrong, there, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["visionft", "job", "run", str(there / "a.vftjob"), *wrong])
    assert main() == 2 and capsys.readouterr().err


@pytest.mark.slow
def test_a_job_is_trained_by_one_command_at_a_time(there, elsewhere):
    job = Path(shutil.copy(there / "a.vftjob", elsewhere / "a.vftjob"))
    refused = list[VisionFTError]()

    def start_again(_event: object) -> None:
        if not refused:
            with pytest.raises(VisionFTError) as caught:
                run_job(job)
            refused.append(caught.value)

    run, _ = run_job(job, job=JobContext(start_again, lambda: bool(refused) and (job_folder(job) / "runs").exists()))
    assert refused[0].hint and len(list((job_folder(job) / "runs").glob("0*"))) == 1
    assert not run_job(job)[0].result.stopped and run.path.exists()  # the end of the first one frees it


@pytest.mark.parametrize(
    "name", ["a\ntouch ran\n", "a\r\ntouch ran #", "a'; touch ran; '", "$(touch ran)", "`touch ran`"]
)
def test_the_name_of_a_job_is_no_command_of_its_script(name, elsewhere, tmp_path):
    script = write_starter("slurm", elsewhere / f"{name}.vftjob")
    for program in ("visionft", "scontrol"):
        (tmp_path / program).write_text("#!/bin/sh\n")
    (tmp_path / "srun").write_text(f'#!/bin/sh\nprintf %s "$4" > "{tmp_path}/given"\n')
    for program in ("visionft", "scontrol", "srun"):
        (tmp_path / program).chmod(0o755)
    variables = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_SUBMIT_DIR": str(elsewhere)}
    subprocess.run(["bash", script], env=variables, capture_output=True, check=False, timeout=60)
    assert not (elsewhere / "ran").exists() and (tmp_path / "given").read_bytes() == f"{name}.vftjob".encode()


@pytest.mark.slow
def test_the_notebook_and_the_script_train_the_job(there, elsewhere):
    job = Path(shutil.copy(there / "a.vftjob", elsewhere / "a.vftjob"))
    notebook = json.loads(write_starter("notebook", job).read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(cells)], cwd=elsewhere, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and result_file(job).exists(), done.stderr
    assert notebook["nbformat"] == 4 and result_file(job).name in done.stdout

    script = write_starter("slurm", job)
    result_file(job).unlink()
    (elsewhere / "visionft").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m visionft "$@"\n')
    (elsewhere / "srun").write_text('#!/bin/sh\nSLURM_NODEID=0 exec "$@"\n')
    (elsewhere / "scontrol").write_text("#!/bin/sh\necho localhost\n")
    for name in ("visionft", "srun", "scontrol"):
        (elsewhere / name).chmod(0o755)
    slurm = {"SLURM_SUBMIT_DIR": str(elsewhere), "SLURM_NNODES": "1", "SLURM_JOB_NODELIST": "localhost"}
    variables = os.environ | slurm | {"PATH": f"{elsewhere}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", script], cwd="/", env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and result_file(job).exists(), done.stderr  # the finished run is only packed again
