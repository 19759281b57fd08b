"""`visionft model verify`, `bench-model` and `push`: their output, their exit codes, and no sending without consent."""

import json
import shutil
from pathlib import Path

import pytest

from visionft.core.log import log_file


@pytest.mark.slow
def test_a_whole_export_passes_and_a_changed_one_fails(run, model: Path, tmp_path: Path) -> None:
    code, out, _ = run("model", "verify", model)
    assert code == 0 and "model.onnx: " in out
    spoilt = shutil.copytree(model, tmp_path / "copy")
    packages = spoilt / "samples" / "node" / "node_modules"  # installed there by `npm install`
    packages.mkdir()
    for number in range(50):
        (packages / f"{number}.js").write_text("")
    code, out, _ = run("model", "verify", spoilt)
    assert code == 0 and out.count(".js\n") == 20 and "30" in out.splitlines()[-1]
    (spoilt / "labels.txt").write_text("a\nb\nc\n")
    (spoilt / "evil\x1b.txt").write_text("")
    code, out, _ = run("model", "verify", spoilt)
    assert code == 1 and "changed: labels.txt" in out and "evil" in out and "\x1b" not in out
    code, out, _ = run("model", "verify", spoilt, "--json")
    found = json.loads(out)
    assert code == 1 and found["faults"] == [{"name": "labels.txt", "fault": "changed"}]
    assert len(found["foreign"]) == 51
    assert run("model", "verify", tmp_path)[0] == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of how huggingface_hub sends large files
def test_nothing_is_sent_unless_it_was_said(run, value, model: Path, hub) -> None:
    code, _, err = run("model", "push", model, "me/model")
    assert code == 2 and not hub.asked and "model.onnx" in err
    sent = value("model", "push", model, "me/model", "--yes")
    names = {"README.md", "export.json", "labels.txt", "model.onnx", "predict.py", "samples/node/predict.mjs"}
    assert names <= set(hub.files) and sorted(sent["files"]) == sorted(hub.files)
    assert sent["address"] == f"{hub.url}/me/model" and hub.is_private
    assert hub.files["model.onnx"] == (model / "model.onnx").read_bytes()
    hub.is_private = False
    assert run("model", "push", model, "me/model", "--yes")[0] == 2
    assert run("model", "push", model, "me/model", "--yes", "--public")[0] == 0


def test_a_hub_that_sends_the_token_back_brings_it_neither_to_the_terminal_nor_to_a_file(run, model, hub, monkeypatch):
    token = "hf_q7RwZkB2m9XcV5tN1sJ8yL4pD6fG3hA"
    monkeypatch.setenv("HF_TOKEN", token)
    hub.echoes = True
    for hub.status in (400, 401, 403, 404, 500):
        code, out, err = run("model", "push", model, "me/model", "--yes", "--json")
        assert code == 2 and token[8:16] not in out + err
    assert hub.tokens == {token}
    files = [path for path in Path.home().rglob("*") if path.is_file()]
    assert log_file() in files and not [path for path in files if token[8:16].encode() in path.read_bytes()]
    assert token[8:16] not in run("doctor", "--report")[1]
