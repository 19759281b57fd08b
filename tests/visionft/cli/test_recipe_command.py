"""`visionft train --recipe`, `--save` and `visionft recipe`: a training is told, and repeated."""

import json
from pathlib import Path

import pytest

from visionft.training.recipe import read_recipe

TINY = ["--set", "weights=random", "--set", "image_size=32", "--set", "batch_size=8", "--device", "cpu"]


@pytest.fixture(scope="module")
def project(picture_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with pictures and splits."""
    from visionft.project.importing.importer import import_source
    from visionft.project.splits import assign_splits
    from visionft.project.store import Project

    with Project.create(tmp_path_factory.mktemp("recipes") / "project") as made:
        import_source(made, picture_folder)
        assign_splits(made)
        return made.path


def test_a_recipe_a_run_and_its_recipe_are_the_same(run, project: Path, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{name}.toml" for name in ("first", "second", "third"))
    code, stdout, stderr = run(
        "train", project, "--method", "prototype", "--backbone", "starter_vit", *TINY[2:], "--set", "seed=3",
        "--save", first, "--json",
    )  # fmt: skip
    assert code == 0 and f"Its recipe: {first}" in stderr
    name = json.loads(stdout)["run"]
    assert run("recipe", project, name, "-o", second)[0] == 0
    assert first.read_bytes() == second.read_bytes()
    assert "[weights]" in first.read_text(encoding="utf-8")
    code, stdout, _ = run("train", project, "--recipe", first, "--json")
    assert code == 0
    assert run("recipe", project, json.loads(stdout)["run"], "--output", third)[0] == 0
    assert third.read_bytes() == first.read_bytes()
    code, stdout, _ = run("recipe", project, name)
    assert code == 0 and stdout == first.read_text(encoding="utf-8")
    code, stdout, _ = run("recipe", project, name, "--json")
    said = json.loads(stdout)
    assert said["recipe"]["settings"]["seed"] == 3 and said["file"] is None and said["run"] == name


def test_options_win_over_a_recipe(run, project: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    text = '[settings]\nbackbone = "test_vit"\nmethod = "linear"\nweights = "random"\nimage_size = 32\nepochs = 0\n'
    path.write_text(text, encoding="utf-8")
    code, _, stderr = run("train", project, "--recipe", path, "--device", "cpu")
    assert (
        code == 2
        and "r.toml, line 6, epochs: must be at least 1, got 0" in stderr
        and "Next: visionft methods" in stderr
    )
    saved = tmp_path / "saved.toml"
    given = ["--epochs", 2, "--method", "full", "--set", "full.layers=last", "--set", "seed=9", "--device", "cpu"]
    assert run("train", project, "--recipe", path, *given, "--estimate", "--save", saved)[0] == 0
    config = read_recipe(saved).config
    assert (config.backbone, config.method, config.epochs, config.seed) == ("test_vit", "full", 2, 9)
    assert config.full.layers == "last"  # type: ignore[attr-defined]


def test_what_cannot_be_trained_with_leaves_nothing(run, project: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in (project / "runs").glob("*"))
    path = tmp_path / "r.toml"
    path.write_text('[settings]\nbackbone = "starter_vit"\nmethod = "linear"\n', encoding="utf-8")
    mistakes = [
        (["--recipe", tmp_path / "gone.toml"], "cannot be read"),
        (["--recipe", path, "--preset", "quick"], "Give --preset or --recipe"),
        (["--recipe", path, "--resume", "1"], "keeps its own settings"),
        (["--recipe", path, "--save", tmp_path / "none" / "r.toml"], "Cannot write"),
        (["--recipe", path, "--save", "-"], "needs the name of a file"),
    ]
    for arguments, said in mistakes:
        code, stdout, stderr = run("train", project, *arguments)
        assert code == 2 and said in stderr and not stdout
    other = path.read_text(encoding="utf-8") + f'[weights]\nfile = "w.safetensors"\nsha256 = "{"0" * 64}"\n'
    path.write_text(other, encoding="utf-8")
    code, _, stderr = run("train", project, "--recipe", path)
    assert code == 2 and "other weights than the starter_vit" in stderr and "Next: visionft weights list" in stderr
    assert sorted(path.name for path in (project / "runs").glob("*")) == before
    code, _, stderr = run("recipe", project, "99")
    assert code == 2 and "no run '99'" in stderr
