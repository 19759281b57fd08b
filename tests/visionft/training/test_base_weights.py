"""Base weights of a run: downloaded first, reported, stored with it, and compared with later files."""

import dataclasses
import json
from pathlib import Path

import pytest
from safetensors.torch import save_file

from models.weights.importing import import_weights
from visionft.core.errors import RunError
from visionft.core.events import Event, Notice
from visionft.core.jobs import JobContext
from visionft.export.exporter import export_run
from visionft.features import embedding
from visionft.training import base_weights
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.report import evaluate_run
from visionft.training.loop.train import resume, train
from visionft.training.runs.run_folder import read_run


def config(**values) -> TrainConfig:
    common = {"backbone": "test_vit", "image_size": 64, "batch_size": 8, "epochs": 1, "device": "cpu"}
    return TrainConfig(**{**common, "method": "lora", **values})


@pytest.fixture
def here(weights_home: Path, tmp_path: Path, state_of) -> Path:
    """Return imported weights of test_vit with a head for 1,000 classes, for 96 px."""
    save_file(state_of("test_vit", image_size=96), tmp_path / "w.safetensors", metadata={"license": "CC-BY-4.0"})
    return import_weights(tmp_path / "w.safetensors").imported[0].path


@pytest.mark.slow
def test_it_is_said_kept_and_exported(here, snapshot, tmp_path) -> None:
    events: list[Event] = []
    result = train(config(), snapshot, tmp_path / "run", job=JobContext(events.append))
    (said,) = [e.message for e in events if isinstance(e, Notice) and "test_vit.safetensors" in e.message]
    assert all(value in said for value in ("1.5 MB", "CC-BY-4.0", "1,000", "37"))
    kept = base_weights.read_base_weights(tmp_path / "run")
    assert kept and kept == result.weights == read_run(tmp_path / "run").result.weights
    assert kept.origin == "w.safetensors" and set(kept.left_out) == {"head.weight", "head.bias"}
    export_run(tmp_path / "run", snapshot, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "export.json").read_text())
    assert record["license"] == "CC-BY-4.0" and record["weights"]["sha256"] == kept.sha256


@pytest.mark.slow
def test_a_network_of_timm_is_trained_and_exported_by_its_own_name(snapshot, tmp_path) -> None:
    chosen = config(backbone="timm/resnet10t.c3_in1k", weights="random", image_size=32)
    result = train(chosen, snapshot, tmp_path / "001-x", is_new=False)
    assert result.best and read_run(tmp_path / "001-x").config == chosen
    export_run(tmp_path / "001-x", snapshot, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "export.json").read_text())
    assert record["backbone"] == chosen.backbone and record["parity"]["top1_agreement"] == 1.0
    assert record["network"] == {"library": "timm", "architecture": "resnet10t", "model_args": {}}


@pytest.mark.slow
def test_other_weights_are_refused_later(here, snapshot, tmp_path, state_of, stop_after) -> None:
    train(config(epochs=50), snapshot, tmp_path / "run", job=JobContext(cancelled=stop_after(8)))
    done = tmp_path / "done"
    train(config(), snapshot, done)
    state = state_of("test_vit", image_size=96)
    state["norm.weight"] += 1
    save_file(state, tmp_path / "w.safetensors")
    import_weights(tmp_path / "w.safetensors")
    with pytest.raises(RunError, match=r"run .*test_vit\.safetensors"):
        resume(tmp_path / "run")
    for use in (lambda: evaluate_run(done, snapshot), lambda: export_run(done, snapshot, tmp_path / "out")):
        with pytest.raises(RunError, match="done"):
            use()


def test_stopping_the_download_is_a_normal_end(snapshot, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(embedding, "fetch", lambda *_, **__: None)
    result = train(config(), snapshot, tmp_path / "run")
    assert result.stopped and result.best is None and result.total_parameters > result.trainable_parameters > 0
    assert not (tmp_path / "run").exists()


def test_runs_of_an_older_program_are_read(snapshot, tmp_path) -> None:
    train(config(weights="random"), snapshot, tmp_path / "run")
    (tmp_path / "run" / base_weights.WEIGHTS_FILE).unlink()
    path = tmp_path / "run" / "result.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "weights"}))
    run = read_run(tmp_path / "run")
    assert run.result and run.result.weights is None
    assert base_weights.base_weights_of(run).licence == base_weights.NO_LICENCE
    pretrained = dataclasses.replace(run, config=config())
    assert base_weights.base_weights_of(pretrained).licence == "Apache-2.0"
    assert evaluate_run(tmp_path / "run", snapshot).images == 9
