"""`visionft help`: of a command as people expect it; `agents`: everything, made from the commands themselves."""

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from typer.main import get_command

from visionft.cli import app
from visionft.cli.agents_page import commands, page_text, program_value
from visionft.cli.output import EXIT_CODES, error_value
from visionft.cli.schemas import in_short, prints, schema_of, to_schema
from visionft.errors import ConfigError, NextStep, Problem, VisionFTError

PROGRAM = get_command(app)
VALUE = program_value(PROGRAM)
WINDOW = "app"  # opens it, and prints nothing


def test_every_command_is_on_the_page_with_all_it_takes_and_prints() -> None:
    text, value = page_text(VALUE), VALUE
    told = {each["command"]: each for each in value["commands"]}
    assert set(told) == {name for name, _ in commands(PROGRAM)} and len(told) > 45
    for name, command in commands(PROGRAM):
        assert f"\n## visionft {name}" in text
        one = told[name]
        assert one["help"] and len(one["arguments"]) + len(one["options"]) == len(command.params)
        assert all(each["help"] for each in one["arguments"] + one["options"]), name
        assert (one["prints"] is None) == (name == WINDOW), name
        has_json = any(each["name"] == "--json" for each in one["options"])
        assert has_json == (name != WINDOW)
    assert all(f"{code}  {words}" in text for code, words in EXIT_CODES.items())
    assert "undo PROJECT" in text and max(map(len, text.splitlines())) <= 120


def test_the_page_is_read_by_machines(run, faults_of) -> None:
    code, stdout, _ = run("help", "agents", "--json")
    value = json.loads(stdout)
    assert code == 0 and value["commands"] == json.loads(json.dumps(VALUE["commands"]))
    (train,) = [each for each in value["commands"] if each["command"] == "train"]
    assert train["usage"] == "visionft train PROJECT [OPTIONS]"
    (epochs,) = [each for each in train["options"] if each["name"] == "--epochs"]
    assert (epochs["type"], epochs["required"], epochs["default"]) == ("integer", False, None)
    settings = {each["name"]: each for each in value["settings"]}
    assert settings["epochs"] == {
        "name": "epochs", "default": 20, "allowed": "1 to 10,000", "help": "How often training sees every picture.",
    }  # fmt: skip
    assert settings["lora.rank"]["allowed"] == "1 to 256" and "lora" not in settings
    assert "{run: text, best: {epoch: integer" in in_short(train["prints"])


def test_a_commands_help_is_what_people_expect(run) -> None:
    for words in (["train"], ["weights", "fetch"], ["weights"], []):
        code, stdout, _ = run("help", *words)
        assert code == 0 and f"visionft {' '.join(words)}".strip() in stdout and "--help" in stdout
    assert "--preset" in run("help", "train")[1]
    code, stdout, stderr = run("help", "trian")
    assert code == 2 and "There is no command “trian”" in stderr and "train" in stderr and not stdout


def test_an_error_is_json_where_json_is_wanted(run, tmp_path: Path, faults_of) -> None:
    code, stdout, stderr = run("info", tmp_path / "none", "--json")
    assert code == 2 and not stdout
    told = json.loads(stderr.splitlines()[-1])
    assert not faults_of(told, VALUE["error"])
    assert "none" in told["error"]["message"] and told["error"]["next"].startswith("visionft ")
    assert run("info", tmp_path / "none")[2].startswith("visionft: ")


def test_each_fault_of_settings_is_told_by_its_field(faults_of) -> None:
    error = ConfigError((Problem("epochs", "too few", "more"), Problem("", "no pictures", "", NextStep("label"))))
    value = error_value(error, {"project": Path("/p")})
    assert value["error"]["problems"] == [
        {"field": "epochs", "message": "too few"},
        {"field": "", "message": "no pictures"},
    ]
    assert value["error"]["next"] == "visionft label /p CLASS IMAGE..."
    for each in (value, error_value(VisionFTError("x"), {})):
        assert not faults_of(json.loads(json.dumps(each)), VALUE["error"])


@dataclasses.dataclass
class Held:
    """For the test below."""

    name: str
    sizes: tuple[int, ...]
    pair: tuple[str, float] | None
    kind: Literal["a", "b"]
    more: dict[str, list[Path]]


HELD = {"name": "x", "sizes": [1, 2], "pair": ["y", 0.5], "kind": "a", "more": {"z": ["/p"]}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"pair": None}, ""),
        ({"pair": ["y"]}, r"$.pair"),
        ({"kind": "c"}, "$.kind"),
        ({"sizes": [1, "2"]}, "$.sizes[1]"),
        ({"sizes": [True]}, "$.sizes[0]"),
        ({"other": 1}, "$.other is not declared"),
        ({"more": {"z": [1]}}, "$.more.z[0]"),
    ],
)
def test_schemas_say_what_fits(change: dict[str, Any], said: str, faults_of) -> None:
    found = faults_of(HELD | change, to_schema(Held))
    assert [bool(said)] == [bool(found)] and all(said in each for each in found)


def test_a_declaration_is_read_as_it_stands() -> None:
    @prints({"...": Held, "-": ["more", "pair"], "count?": int, "name": (str, None)}, [Path])
    def command() -> None: ...

    schema = schema_of(command)
    assert schema is not None
    assert (
        in_short(schema)
        == '{name: text or null, sizes: [integer, ...], kind: "a" or "b", count?: integer} or [text, ...]'
    )
    assert schema["anyOf"][0]["required"] == ["name", "sizes", "kind"]
    assert to_schema("visionft.project.splits:SplitReport")["properties"]["assigned"] == {"type": "integer"}
