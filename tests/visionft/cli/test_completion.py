"""Completions after the Tab key, requested as by a shell."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.catalog import BACKBONES
from models.methods.table import METHODS
from visionft.cli import completion, main
from visionft.log import log_file
from visionft.project.edits.changes import AddClass
from visionft.project.formats.registry import EXPORT_FORMATS
from visionft.project.store import Project

SHELL_COMMAND = str(Path(sys.executable).with_name("visionft"))
ASK = "import sys; sys.argv[0] = 'visionft'; from visionft.__main__ import main; sys.exit(main())"


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Return a project with classes and two runs, the second one half made; the folder beside it is no project."""
    (tmp_path / "images").mkdir()
    with Project.create(tmp_path / "pets") as project:
        for name in ("cat", "golden retriever", "'; rm -rf $HOME #", "-x"):
            project.apply(AddClass(name))
        project.back_up()
    for name in ("001-starter_resnet-lora", "002-half"):
        (tmp_path / "pets" / "runs" / name).mkdir()
    (tmp_path / "pets" / "runs" / "001-starter_resnet-lora" / "config.json").write_text("{}")
    return tmp_path / "pets"


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., list[str]]]:
    """Return a function: words typed after `visionft`, folder -> bash's completions of the last word."""

    def offered(*words: str, cwd: Path | None = None) -> list[str]:
        with monkeypatch.context() as shell:
            shell.setattr(sys, "argv", ["visionft"])
            shell.setattr(sys.modules["__main__"], "__package__", None)  # instead of `python -m pytest`
            shell.setenv("COMP_WORDS", "\n".join(["visionft", *words]))
            shell.setenv("COMP_CWORD", str(len(words)))
            shell.setenv(completion.ASKED, "complete_bash")
            if cwd is not None:
                shell.chdir(cwd)
            code = main()
        said = capsys.readouterr()
        assert (code, said.err) == (0, "")
        return [line for line in said.out.splitlines() if line]

    yield offered
    logging.disable(logging.NOTSET)  # completion disables logging


def test_values_that_are_the_same_everywhere(offered) -> None:
    assert offered("train", "p", "--method", "") == list(METHODS)
    assert offered("train", "p", "--backbone", "starter_v") == ["starter_vit"]
    assert "timm/resnet50d.a1_in1k" in offered("train", "p", "--backbone", "timm/resnet50d")
    assert not any(name.startswith("timm/") for name in offered("train", "p", "--backbone", ""))
    assert offered("train", "p", "--preset", "b") == ["balanced", "best"]
    assert offered("evaluate", "p", "1", "--split", "") == ["val", "test"]
    assert offered("import", "p", "s", "--format", "j") == ["jsonl", "json"]
    assert offered("label", "export", "p", "t", "--format", "") == list(EXPORT_FORMATS)
    assert offered("weights", "fetch", "resnet1") == [name for name in BACKBONES if name.startswith("resnet1")]


def test_projects_are_told_from_other_folders(pets: Path, offered) -> None:
    assert offered("project", "info", "p", cwd=pets.parent) == ["pets"]
    assert offered("project", "info", f"{pets.parent}/", cwd=Path("/")) == [str(pets)]
    assert offered("project", "info", "./p", cwd=pets.parent) == ["./pets"]
    assert offered("project", "info", "nowhere/p", cwd=pets.parent) == []


def test_names_of_the_project_that_is_typed(pets: Path, offered) -> None:
    assert offered("evaluate", str(pets), "") == ["001-starter_resnet-lora"]
    assert offered("train", "pets", "--resume", "0", cwd=pets.parent) == ["001-starter_resnet-lora"]
    assert offered("run", "compare", str(pets), "001-starter_resnet-lora", "") == ["001-starter_resnet-lora"]
    assert len(offered("project", "restore", str(pets), "")) == 1
    before = sorted(path.name for path in pets.iterdir())
    assert offered("label", "set", str(pets), "") == ["cat", "golden\\ retriever"]
    assert offered("run", "explain", str(pets), "1", "--class", "g") == ["golden\\ retriever"]
    assert sorted(path.name for path in pets.iterdir()) == before


def test_classes_of_a_project_that_a_window_has_open(pets: Path, offered) -> None:
    with Project.open(pets) as opened:
        opened.apply(AddClass("new one"))
        assert "new\\ one" in offered("label", "set", str(pets), "")


@pytest.mark.parametrize("damage", ["missing", "no database", "no access"])
def test_what_cannot_be_read_offers_nothing_and_says_nothing(pets: Path, damage: str, offered) -> None:
    if damage == "missing":
        shutil.rmtree(pets)
    elif damage == "no database":
        (pets / "project.db").write_bytes(b"no database" * 1000)
    else:
        shutil.rmtree(pets / "runs")
        (pets / "runs").write_text("")
    classes = ["cat", "golden\\ retriever"] if damage == "no access" else []
    runs = [] if damage in ("missing", "no access") else ["001-starter_resnet-lora"]
    assert offered("label", "set", str(pets), "") == classes and offered("evaluate", str(pets), "") == runs


def printed(*command: str, **variables: str) -> str:
    """Return what a command prints with these environment variables."""
    path = f"{Path(SHELL_COMMAND).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path} | variables
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_itself_completes_with_the_script_that_is_installed(pets: Path) -> None:
    ask = f"""{printed(SHELL_COMMAND, _VISIONFT_COMPLETE="source_bash")}
COMP_WORDS=(visionft label set {pets} g); COMP_CWORD=4
_visionft_completion visionft
printf '%s|' "${{COMPREPLY[@]}}"
"""
    assert printed("bash", "-c", ask) == "golden\\ retriever|"


def test_other_shells_take_names_with_blanks_as_they_are(pets: Path) -> None:
    typed = {"_TYPER_COMPLETE_ARGS": f"visionft label set {pets} gold", "_VISIONFT_COMPLETE": "complete_zsh"}
    assert '"golden retriever"' in printed(sys.executable, "-c", ASK, **typed)


def test_it_loads_no_learning_library_and_writes_no_log(pets: Path) -> None:
    story = ASK.replace("sys.exit(main())", "main(); print([n for n in ('torch', 'timm', 'onnx') if n in sys.modules])")
    typed = {"COMP_WORDS": f"visionft\nlabel\n{pets}\n", "COMP_CWORD": "3", "_VISIONFT_COMPLETE": "complete_bash"}
    assert printed(sys.executable, "-c", story, **typed).splitlines()[-1] == "[]" and not log_file().exists()


def test_tables_and_columns_of_a_source_are_offered(offered, pets: Path, tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "one.csv").write_text("image,who am I\na.png,x\n")
    (source / "two.csv").write_text("image,mood\na.png,x\n")
    command = ("import", str(pets), str(source))
    assert offered(*command, "--table", "") == ["one.csv", "two.csv"]
    assert offered(*command, "--label-column", "") == ["image", "who\\ am\\ I", "mood"]
    assert offered(*command, "--table", "two.csv", "--label-column", "m") == ["mood"]
    assert offered("import", str(pets), "--table", "") == []
