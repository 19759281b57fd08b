"""Whatever a job or a result holds, it is used, or refused in words with a next step."""

import gzip
import hashlib
import json
import random
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from changed_jobs import mutations, replaced, rewritten
from safetensors.torch import load, save

from visionft.core.errors import VisionFTError
from visionft.training.remote.job_file import JOBS_FOLDER
from visionft.training.remote.packed_file import MANIFEST_FILE, PackedFileError
from visionft.training.remote.results import import_result
from visionft.training.remote.running import job_folder, run_job, unpack_job
from visionft.training.runs.run_folder import read_run
from visionft.training.runs.run_snapshot import read_snapshot


def content(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def packed_json(value) -> bytes:
    return json.dumps(value).encode()


# The number of variants: a third of them in the quick tests.
SIZES = pytest.mark.parametrize("share", [0.3, pytest.param(1.0, marks=pytest.mark.slow)], ids=["some", "all"])


def variants(path: Path, name: str, count: float, seed: int, *, write=packed_json, read=json.loads):
    """Yield changes of a packed file: the values of one of its files, of the manifest for its own name, made odd."""
    chance = random.Random(seed)
    for value in mutations(read(content(path, name)), round(count), chance):
        if name == MANIFEST_FILE:

            def change(_files, values, value=value):
                values.clear()
                values |= value if isinstance(value, dict) else {"kind": value}

            yield change
        else:
            yield replaced(name, write(value))


@SIZES
def test_no_value_of_a_job_is_an_error_without_words(share, there, elsewhere):
    good = there / "a.vftjob"
    snapshot = {
        "write": lambda value: gzip.compress(packed_json(value)),
        "read": lambda text: json.loads(gzip.decompress(text)),
    }
    changes = [
        *variants(good, MANIFEST_FILE, share * 120, 1),
        *variants(good, "settings.json", share * 120, 2),
        *variants(good, "snapshot.json.gz", share * 160, 3, **snapshot),
    ]
    refused = 0
    for number, change in enumerate(changes):
        job = rewritten(good, elsewhere / f"{number}.vftjob", change)
        try:
            unpack_job(job)
            read_snapshot(job_folder(job))
        except VisionFTError as error:
            assert error.hint, error.message
            assert not job_folder(job).exists()
            refused += 1
        shutil.rmtree(job_folder(job), ignore_errors=True)
        job.unlink()
    assert refused > len(changes) / 2 and not list(elsewhere.iterdir())


def test_an_image_other_than_the_one_that_the_manifest_names_is_refused(there, elsewhere):
    values = json.loads(gzip.decompress(content(there / "a.vftjob", "snapshot.json.gz")))
    values["images"][0][1], values["images"][1][1] = values["images"][1][1], values["images"][0][1]
    change = replaced("snapshot.json.gz", gzip.compress(packed_json(values)))
    with pytest.raises(PackedFileError):
        run_job(rewritten(there / "a.vftjob", elsewhere / "bad.vftjob", change))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("name", [MANIFEST_FILE, "settings.json"])
@pytest.mark.parametrize("is_broken", [False, True])
def test_compressed_entries_are_refused(method, name, is_broken, there, elsewhere):
    with zipfile.ZipFile(there / "a.vftjob") as archive:
        files = {each: archive.read(each) for each in archive.namelist()}
    job = elsewhere / "bad.vftjob"
    with zipfile.ZipFile(job, "w") as archive:
        for each, text in files.items():
            archive.writestr(zipfile.ZipInfo(each), text, compress_type=method if each == name else zipfile.ZIP_STORED)
        place = archive.getinfo(name).header_offset + 60
    if is_broken:
        data = bytearray(job.read_bytes())
        data[place : place + 8] = b"\xff" * 8
        job.write_bytes(data)
    with pytest.raises(PackedFileError):
        run_job(job)
    assert list(elsewhere.iterdir()) == [job]


@SIZES
def test_no_value_of_a_result_is_an_error_without_words(share, project, images, there):
    good = there / "a.vftresult"
    lines = {
        "write": lambda value: "\n".join(map(json.dumps, value if isinstance(value, list) else [value])).encode(),
        "read": lambda text: [json.loads(line) for line in text.splitlines()],
    }
    changes = [
        *variants(good, MANIFEST_FILE, share * 60, 4),
        *variants(good, "config.json", share * 50, 5),
        *variants(good, "result.json", share * 70, 6),
        *variants(good, "weights.json", share * 30, 7),
        *variants(good, "metrics.jsonl", share * 50, 8, **lines),
        *variants(good, "best/manifest.json", share * 30, 9),
        *variants(good, "best/state.json", share * 20, 10),
    ]
    refused = 0
    for change in changes:
        bad = rewritten(good, there / "bad.vftresult", change)
        before = {path.name for path in (project / "runs").iterdir()}
        try:
            imported = import_result(project, images, bad)
        except VisionFTError as error:
            assert error.hint, error.message
            assert {path.name for path in (project / "runs").iterdir()} == before
            assert not list((project / JOBS_FOLDER).rglob("imported.json"))
            refused += 1
            continue
        run = read_run(project / "runs" / imported.run)
        assert run.best is not None and run.result is not None and run.has_weights
        shutil.rmtree(run.path)
        for record in (project / JOBS_FOLDER).rglob("imported.json"):
            record.unlink()
    assert refused > len(changes) / 2
    assert import_result(project, images, good).run


def weights(change, *names: str):
    """Return a change of a result: other tensors in a file of its checkpoint, with every hash right."""

    def changed(files, values):
        for name in names or ("model.safetensors",):
            files[f"best/{name}"] = change(files[f"best/{name}"])
            hashes = json.loads(files["best/manifest.json"])
            hashes[name] = hashlib.sha256(files[f"best/{name}"]).hexdigest()
            files["best/manifest.json"] = packed_json(hashes)
        for each in (f"best/{name}" for name in (*(names or ("model.safetensors",)), "manifest.json")):
            replaced(each, files[each])(files, values)

    return changed


def on_each(change):
    return lambda text: save({name: change(value).contiguous() for name, value in load(text).items()})


BAD_WEIGHTS = {
    "garbage": weights(lambda _text: b"garbage" * 1000),
    "empty": weights(lambda _text: b""),
    "no tensors": weights(lambda _text: save({})),
    "NaN": weights(on_each(lambda value: value * float("nan") if value.is_floating_point() else value)),
    "infinite": weights(on_each(lambda value: value / 0 if value.is_floating_point() else value)),
    "huge": weights(on_each(lambda value: value * 1e36 + 1e36 if value.is_floating_point() else value)),
    "other shapes": weights(on_each(lambda value: value[None])),
    "scalars": weights(on_each(lambda value: value.reshape(-1)[:1].squeeze())),
    "other names": weights(lambda text: save({f"{name}x": value for name, value in load(text).items()})),
    "a part": weights(lambda text: save(dict(list(load(text).items())[1:]))),
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
def test_weights_that_cannot_be_used_are_refused_and_the_true_result_is_taken(name, project, images, there):
    bad = rewritten(there / "a.vftresult", there / "bad.vftresult", BAD_WEIGHTS[name])
    with pytest.raises(PackedFileError) as caught:
        import_result(project, images, bad)
    assert caught.value.hint and not [each for each in (project / "runs").iterdir() if each.is_dir()]
    imported = import_result(project, images, there / "a.vftresult")
    assert {each.split for each in imported.measured} == {"val", "test"}


@pytest.mark.parametrize(
    "logits",
    [
        torch.zeros(48, 7),
        torch.zeros(48, 3).half(),
        torch.zeros(48),
        torch.zeros(5, 3),
        torch.full((48, 3), float("inf")),
    ],
    ids=["classes", "type", "dimensions", "images", "infinite"],
)
def test_held_out_predictions_that_are_none_are_refused(logits, project, images, there):
    predictions = save({"image_ids": torch.arange(1, 49), "logits": logits})

    def add(files, values):
        files["best/held-out.safetensors"] = b""
        weights(lambda _text: predictions, "held-out.safetensors")(files, values)

    with pytest.raises(PackedFileError):
        import_result(project, images, rewritten(there / "a.vftresult", there / "bad.vftresult", add))
    assert not list((project / "runs").iterdir())


def test_an_ensemble_or_another_file_in_a_result_is_not_taken(project, images, there):
    parts = [{"run": "../..", "weights": "", "share": 1.0, "temperature": 1.0, "accuracy": 1.0, "loss": 0.0}]

    def add(files, values):
        replaced("best/combined.json", packed_json(parts))(files, values)
        replaced("plan.json", b"{}")(files, values)
        replaced("peft/adapter_model.safetensors", b"garbage")(files, values)

    bad = rewritten(there / "a.vftresult", there / "more.vftresult", add)
    run = read_run(project / "runs" / import_result(project, images, bad).run)
    assert not run.parts and run.plan is None
    assert (run.path / "best" / "model.safetensors").is_file() and not (run.path / "best" / "combined.json").exists()
    assert not (run.path / "peft").exists()
