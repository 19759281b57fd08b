"""A run trained elsewhere is the run trained here; job and result files from strangers harm nothing."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from changed_jobs import CONFIG, replaced, rewritten

from visionft.core.errors import VisionFTError
from visionft.core.events import EpochDone, RunStarted
from visionft.core.jobs import JobContext
from visionft.training.loop.train import train
from visionft.training.remote.job_file import JOBS_FOLDER, pack_job
from visionft.training.remote.packed_file import PackedFileError
from visionft.training.remote.results import import_result
from visionft.training.remote.running import job_folder, result_file, run_job
from visionft.training.runs.manifest import read_manifest
from visionft.training.runs.run_folder import load_run
from visionft.training.runs.run_snapshot import read_snapshot


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
    stopped = run_job(job, job=stops_early)
    assert stopped.result.stopped and not result_file(job).exists()
    assert RunStarted in map(type, seen)
    ended = run_job(job)
    assert not ended.result.stopped and result_file(job).exists()
    best = job_folder(job) / "runs" / "001-test_resnet-lora" / "best"
    first = job_folder(there / "a.vftjob") / "runs" / "001-test_resnet-lora" / "best"
    assert read_manifest(best)["model.safetensors"] == read_manifest(first)["model.safetensors"]


def test_the_result_of_a_job_that_an_earlier_version_sent_is_taken(project, images, there):
    (record,) = (project / JOBS_FOLDER).iterdir()
    (record / "sent.json").write_text('{"address": "me@there"}')
    imported = import_result(project, images, there / "a.vftresult")
    assert load_run(project, imported.run).result is not None and (record / "sent.json").exists()


@pytest.mark.parametrize(
    "change", [{"start_from": "001-test_resnet-lora"}, {"method": "knn"}, {"learning_rate": 99.0}], ids=str
)
def test_what_cannot_be_trained_elsewhere_is_refused_and_leaves_nothing(change, project, images, elsewhere):
    before = list((project / JOBS_FOLDER).iterdir())
    with pytest.raises(VisionFTError):
        pack_job(project, images, dataclasses.replace(CONFIG, **change), elsewhere / "a.vftjob")
    assert not list(elsewhere.iterdir()) and list((project / JOBS_FOLDER).iterdir()) == before


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


@pytest.mark.slow
def test_two_processes_train_a_job_and_one_writes_its_result(there, elsewhere, capfd):
    job = Path(shutil.copy(there / "a.vftjob", elsewhere / "a.vftjob"))
    run = run_job(job, processes=2)
    assert set(run.evaluations) == {"val", "test"} and result_file(job).exists()
    assert "2 x" in capfd.readouterr().err  # what the launched processes say of their run
    result_file(job).unlink()
    again = run_job(job, processes=2)
    assert result_file(job).exists() and again.result == run.result  # it had been trained


@pytest.mark.slow
def test_a_job_is_trained_by_one_command_at_a_time(there, elsewhere):
    job = Path(shutil.copy(there / "a.vftjob", elsewhere / "a.vftjob"))
    refused = list[VisionFTError]()

    def start_again(_event: object) -> None:
        if not refused:
            with pytest.raises(VisionFTError) as caught:
                run_job(job)
            refused.append(caught.value)

    run = run_job(job, job=JobContext(start_again, lambda: bool(refused) and (job_folder(job) / "runs").exists()))
    assert refused[0].hint and len(list((job_folder(job) / "runs").glob("0*"))) == 1
    assert not run_job(job).result.stopped and run.path.exists()  # the end of the first one frees it
