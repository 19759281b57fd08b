"""`visionft train --recipe`, `--save` and `visionft run recipe`: describing a training, and repeating it."""

from pathlib import Path

from visionft.training.recipe import read_recipe


def test_a_recipe_a_run_and_its_recipe_are_the_same(run, value, tiny, project: Path, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{name}.toml" for name in ("first", "second", "third"))
    settings = ("--method", "prototype", "--backbone", "starter_vit", *tiny[2:], "--set", "seed=3", "--save", first)
    code, _, stderr = run("train", project, *settings)
    assert code == 0 and str(first) in stderr
    assert run("run", "recipe", project, 1, "-o", second)[0] == 0
    assert first.read_bytes() == second.read_bytes()
    assert "[weights]" in first.read_text(encoding="utf-8")
    again = value("train", project, "--recipe", first)["run"]
    assert run("run", "recipe", project, again, "--output", third)[0] == 0
    assert third.read_bytes() == first.read_bytes()
    code, stdout, _ = run("run", "recipe", project, 1)
    assert code == 0 and stdout == first.read_text(encoding="utf-8")
    found = value("run", "recipe", project, 1)
    assert found["recipe"]["settings"]["seed"] == 3 and found["file"] is None and found["run"].startswith("001-")


def test_options_win_over_a_recipe(run, refused, project: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    text = '[settings]\nbackbone = "test_vit"\nmethod = "linear"\nweights = "random"\nimage_size = 32\nepochs = 0\n'
    path.write_text(text, encoding="utf-8")
    error = refused("train", project, "--recipe", path, "--device", "cpu")
    assert "line 6, epochs: " in error and "Next: visionft methods" in error
    saved = tmp_path / "saved.toml"
    given = ["--epochs", 2, "--method", "full", "--set", "full.layers=last", "--set", "seed=9", "--device", "cpu"]
    assert run("train", project, "--recipe", path, *given, "--estimate", "--save", saved)[0] == 0
    config = read_recipe(saved).config
    assert (config.backbone, config.method, config.epochs, config.seed) == ("test_vit", "full", 2, 9)
    assert config.full.layers == "last"  # type: ignore[attr-defined]


def test_what_cannot_be_trained_with_leaves_nothing(refused, project: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('[settings]\nbackbone = "starter_vit"\nmethod = "linear"\n', encoding="utf-8")
    for arguments, expected in (
        (["--recipe", tmp_path / "gone.toml"], "gone.toml"),
        (["--recipe", path, "--preset", "quick"], "--preset"),
        (["--recipe", path, "--resume", "1"], f"visionft run recipe {project} 1"),
        (["--recipe", path, "--save", tmp_path / "none" / "r.toml"], str(tmp_path / "none")),
        (["--recipe", path, "--save", "-"], "--save"),
    ):
        assert expected in refused("train", project, *arguments)
    other = path.read_text(encoding="utf-8") + f'[weights]\nfile = "w.safetensors"\nsha256 = "{"0" * 64}"\n'
    path.write_text(other, encoding="utf-8")
    assert "Next: visionft weights list --here" in refused("train", project, "--recipe", path)
    assert not list((project / "runs").iterdir())
    assert "'99'" in refused("run", "recipe", project, "99")
