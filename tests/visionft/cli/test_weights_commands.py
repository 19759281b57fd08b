"""The commands about weights as their user meets them: JSON, exit codes, one clear line for each mistake."""

import json
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file

from models.catalog import BACKBONES


@pytest.fixture
def file(tmp_path: Path, state_of) -> Path:
    save_file(state_of("test_vit"), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def test_backbones_say_what_is_here_and_what_would_come(run, value, weights_home: Path) -> None:
    rows = {row["backbone"]: row["weights"] for row in value("weights", "list")["backbones"]}
    assert rows["starter_vit"]["location"] == "bundled" and not rows["starter_vit"]["is_estimate"]
    assert rows["resnet18"]["location"] == "hub" and rows["resnet18"]["path"] is None
    assert rows["resnet18"]["bytes"] == 46_807_446 and not rows["resnet18"]["is_estimate"]
    assert rows["resnet34"]["is_estimate"]
    text = run("weights", "list")[1]
    assert "47 MB" in text and "87 MB" in text and "Apache-2.0" in text
    (weights_home / ".resnet18.0123.part").write_bytes(bytes(12_000_000))
    assert "47 MB, 12 MB" in run("weights", "list")[1]
    assert "resnet18" in run("weights", "list", "--here")[1]


def test_import_list_and_remove(run, value, file: Path, weights_home: Path) -> None:
    code, stdout, stderr = run("weights", "import", file, "--json")
    assert code == 0, stderr
    (imported,) = json.loads(stdout)["imported"]
    assert imported["backbone"] == "test_vit" and Path(imported["path"]).parent == weights_home
    assert "w.safetensors" in stderr and "test_vit" in stderr
    listed = value("weights", "list", "--here")
    assert listed["folder"] == str(weights_home) and "HF_HUB_OFFLINE" in listed["offline"]
    bundled = [name for name, row in BACKBONES.items() if row.bundled]
    assert [each["backbone"] for each in listed["backbones"]] == [*bundled, "test_vit"]
    assert run("weights", "fetch", "test_vit", "starter_vit")[0] == 0  # both are here
    removed = value("weights", "remove", "test_vit")
    assert [Path(path).name for path in removed] == ["test_vit.safetensors", "test_vit.json"]


def test_import_of_a_folder_takes_the_good_and_names_the_rest(run, file: Path, weights_home: Path) -> None:
    (file.parent / "cut.pth").write_bytes(b"PK")
    code, stdout, _ = run("weights", "import", file.parent)
    assert code == 0 and "-> test_vit" in stdout and "cut.pth" in stdout
    file.unlink()
    run("weights", "remove", "test_vit")
    code, stdout, stderr = run("weights", "import", file.parent)
    assert code == 2 and "cut.pth" in stdout and str(file.parent) in stderr


def test_each_mistake_is_one_clear_line_and_exit_2(refused, file: Path, weights_home: Path) -> None:
    for arguments, expected in (
        (["fetch", "resnet18"], "HF_HUB_OFFLINE"),
        (["fetch", "vgg"], "'vgg'"),
        (["import", file.parent / "nowhere"], "nowhere"),
        (["import", file, "--as", "resnet18"], "test_vit"),
        (["remove", "resnet18"], "resnet18"),
        (["remove", "starter_vit"], "starter_vit"),
    ):
        assert expected in refused("weights", *arguments)
    assert not list(weights_home.iterdir())


@pytest.mark.slow
def test_listing_loads_no_torch() -> None:
    import subprocess

    for arguments in (["weights", "list"], ["weights", "list", "--here"]):
        code = f"import sys; sys.argv = ['', *{arguments}]; from visionft.cli import main; main(); "
        code += "print('torch' in sys.modules)"
        output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert output.strip().endswith("False")


def test_networks_of_timm_are_found_by_a_word_and_their_licence_is_accepted_by_name(value, refused, weights_home):
    (found,) = value("weights", "list", "--timm", "resnet18.fb_swsl")["backbones"]
    assert found["backbone"] == "timm/resnet18.fb_swsl_ig1b_ft_in1k"
    assert found["weights"]["licence"] == "CC-BY-NC-4.0" and found["weights"]["location"] == "hub"
    assert "HF_HUB_OFFLINE" not in refused("weights", "fetch", found["backbone"])
    assert "HF_HUB_OFFLINE" in refused("weights", "fetch", found["backbone"], "--accept-licence", "CC-BY-NC-4.0")
