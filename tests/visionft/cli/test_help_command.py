"""`visionft help`: of a command, in the usual form; `agents`: everything, generated from the commands."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, ClassVar, Literal

from typer.main import get_command

from visionft.cli import app
from visionft.cli.help_command import commands, page_text, program_value
from visionft.cli.output import EXIT_CODES, error_value
from visionft.cli.schemas import in_short, output_of, plain, prints, schema_of, to_schema
from visionft.errors import ConfigError, NextStep, Problem, VisionFTError

PROGRAM: Any = get_command(app)
VALUE = program_value(PROGRAM)
WINDOW = "app"  # opens it, and prints nothing


def test_every_command_is_on_the_page_with_all_it_takes_and_prints() -> None:
    text, described = page_text(VALUE), {each["command"]: each for each in VALUE["commands"]}
    assert set(described) == {name for name, _ in commands(PROGRAM)} and len(described) > 45
    for name, command in commands(PROGRAM):
        one = described[name]
        assert f"\n## visionft {name}" in text and one["help"]
        assert len(one["arguments"]) + len(one["options"]) == len(command.params)
        assert all(each["help"] for each in one["arguments"] + one["options"]), name
        has_json = any(each["name"] == "--json" for each in one["options"])
        assert (one["prints"] is not None) == has_json == (name != WINDOW), name
    assert all(f"{code}  {words}" in text for code, words in EXIT_CODES.items())
    assert "undo PROJECT" in text and max(map(len, text.splitlines())) <= 120


def test_the_page_is_read_by_machines(run, faults_of) -> None:
    code, stdout, _ = run("help", "agents", "--json")
    value = json.loads(stdout)
    assert code == 0 and value["commands"] == json.loads(json.dumps(VALUE["commands"]))
    (train,) = [each for each in value["commands"] if each["command"] == "train"]
    assert train["usage"].split()[1:3] == ["train", "PROJECT"]
    (epochs,) = [each for each in train["options"] if each["name"] == "--epochs"]
    assert (epochs["type"], epochs["required"], epochs["default"]) == ("integer", False, None)
    settings = {each["name"]: each for each in value["settings"]}
    assert settings["epochs"]["default"] == 20 and "10,000" in settings["epochs"]["allowed"]
    assert "256" in settings["lora.rank"]["allowed"] and "lora" not in settings
    assert set(train["prints"]["anyOf"][1]["properties"]) == {"backbone", "method", "epochs", "estimate"}


def test_the_help_of_the_program_fits_a_screen(run) -> None:
    lines = run("help")[1].splitlines()
    assert len(lines) <= 32 and not any(line.endswith("...") for line in lines[1:])


def test_every_command_that_a_document_names_exists() -> None:
    known = {name for name, _ in commands(PROGRAM)} | set(PROGRAM.commands) | {"label count", "uninstall", "install"}
    root = Path(__file__).parents[3]
    for page in (*root.glob("*.md"), *root.glob("docs/**/*.md")):
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(r"(?:`|^)visionft ([a-z][a-z-]*)(?: ([a-z-]+))?", text, re.M):
            group = f"{found[1]} {found[2]}"
            is_group = found[2] and hasattr(PROGRAM.commands.get(found[1]), "commands")
            assert (group if is_group else found[1]) in known, f"{page.name}: {found[0]}"


def test_a_commands_help_is_what_people_expect(run, refused) -> None:
    for words in (["train"], ["weights", "fetch"], ["weights"], []):
        code, stdout, _ = run("help", *words)
        assert code == 0 and f"visionft {' '.join(words)}".strip() in stdout and "--help" in stdout
    assert "--preset" in run("help", "train")[1]
    assert "trian" in refused("help", "trian")


def test_an_error_is_json_where_json_is_wanted(refused, tmp_path: Path, faults_of) -> None:
    value = json.loads(refused("project", "info", tmp_path / "none", "--json").splitlines()[-1])
    assert not faults_of(value, VALUE["error"])
    assert "none" in value["error"]["message"] and value["error"]["next"].startswith("visionft ")
    assert refused("project", "info", tmp_path / "none").startswith("visionft: ")


def test_each_fault_of_settings_is_told_by_its_field(faults_of) -> None:
    error = ConfigError((Problem("epochs", "too few", "more"), Problem("", "no images", "", NextStep("label"))))
    value = error_value(error, {"project": Path("/p")})
    problems = [(each["field"], each["message"]) for each in value["error"]["problems"]]
    assert problems == [("epochs", "too few"), ("", "no images")]
    assert value["error"]["next"].split()[:4] == ["visionft", "label", "set", "/p"]
    for each in (value, error_value(VisionFTError("x"), {})):
        assert not faults_of(json.loads(json.dumps(each)), VALUE["error"])


@dataclasses.dataclass
class Held:
    """For the tests below."""

    COMPUTED: ClassVar = ("is_large",)
    HIDDEN: ClassVar = ("secret",)

    name: str
    sizes: tuple[int, ...]
    pair: tuple[str, float] | None
    kind: Literal["a", "b"]
    more: dict[str, list[Path]]
    secret: str = ""
    image_id: int = 7
    image_ids: tuple[int, ...] = (7, 8)

    @property
    def is_large(self) -> bool:
        return len(self.sizes) > 9


HELD = plain(Held("x", (1, 2), ("y", 0.5), "a", {"z": [Path("/p")]}), {7: Path("/7.png")})


def test_images_are_printed_by_their_paths_and_properties_under_their_names() -> None:
    assert HELD == {
        "name": "x",
        "sizes": [1, 2],
        "pair": ["y", 0.5],
        "kind": "a",
        "more": {"z": ["/p"]},
        "is_large": False,
        "path": "/7.png",
        "images": ["/7.png"],
    }


def test_schemas_say_what_fits(faults_of) -> None:
    assert not faults_of(HELD, to_schema(Held)) and not faults_of(HELD | {"pair": None}, to_schema(Held))
    for wrong in ({"pair": ["y"]}, {"kind": "c"}, {"sizes": [True]}, {"other": 1}, {"more": {"z": [1]}}):
        assert len(faults_of(HELD | wrong, to_schema(Held))) == 1


def test_the_schema_of_a_command_is_that_of_its_types() -> None:
    kind = {"name": str | None, "report": "visionft.project.splits:SplitReport", "many": ([{"count": int}], None)}

    @prints(kind, list[Path])
    def command() -> None: ...

    schema = schema_of(command)
    assert schema is not None and schema["anyOf"][0]["required"] == ["name", "report", "many"]
    assert schema["anyOf"][0]["properties"]["report"]["properties"]["assigned"] == {"type": "integer"}
    assert in_short(schema["anyOf"][0]["properties"]["many"]) == "[{count: integer}, ...] or null"
    assert output_of(kind, Path("/p"), report=1, many=None) == {"name": "p", "report": 1, "many": None}
