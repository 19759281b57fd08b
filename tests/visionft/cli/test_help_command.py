"""`visionft help`: of the program, of a command, and `agents`: everything, made from the commands."""

import json
import re
from pathlib import Path

import typer
from typer.main import get_command

from visionft.cli import ABOUT, COMMANDS, app
from visionft.cli.help_command import command_contexts
from visionft.cli.output import EXIT_CODES

PROGRAM = typer.Context(get_command(app), info_name="visionft")
CONTEXTS = {each.command_path.removeprefix("visionft "): each for each in command_contexts(PROGRAM)}


def test_every_command_is_on_the_page_with_all_it_takes(run) -> None:
    text = run("help", "agents")[1]
    assert list(CONTEXTS) == list(COMMANDS)
    for name, context in CONTEXTS.items():
        assert f"\n## visionft {name} " in text
        options = [each.opts[0] for each in context.command.params if each.name != "json"]
        assert all(option in text for option in options if option.startswith("-")), name
        assert ("json" in [each.name for each in context.command.params]) == (name != "app")
    assert all(f"{code}  {words}" in text for code, words in EXIT_CODES.items())
    assert max(map(len, text.splitlines())) <= 120


def test_the_page_is_read_by_machines(run) -> None:
    code, stdout, _ = run("help", "agents", "--json")
    value = json.loads(stdout)
    assert code == 0 and [each["command"] for each in value["commands"]] == list(COMMANDS)
    (train,) = [each for each in value["commands"] if each["command"] == "train"]
    assert "--epochs" in " ".join(each["name"] for each in train["parameters"])


def test_the_help_of_the_program_fits_a_screen_and_agrees_with_the_commands(run) -> None:
    lines = run("help")[1].splitlines()
    assert len(lines) <= 32 and not any(line.endswith("...") for line in lines[1:])
    first = {name: (each.command.help or "").splitlines()[0] for name, each in CONTEXTS.items() if " " not in name}
    assert {name: about for name, about in ABOUT.items() if name in COMMANDS} == first


def test_every_command_that_a_document_names_exists() -> None:
    groups = {name.split()[0] for name in COMMANDS if " " in name}
    known = {*COMMANDS, *groups, "label count", "uninstall", "install"}
    root = Path(__file__).parents[3]
    for page in {*root.glob("*.md"), *root.glob("docs/**/*.md")} - {root / "CHANGELOG.md"}:
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(r"(?:`|^)visionft ([a-z][a-z-]*)(?: ([a-z-]+))?", text, re.M):
            name = f"{found[1]} {found[2]}" if found[1] in groups and found[2] else found[1]
            assert name in known, f"{page.name}: {found[0]}"


def test_a_commands_help_is_what_people_expect(run, refused) -> None:
    for words in (["train"], ["weights", "fetch"], ["weights"], []):
        code, stdout, _ = run(*words, "--help")
        assert code == 0 and f"visionft {' '.join(words)}".strip() in stdout and "--help" in stdout
    assert "visionft train --help" in refused("help", "train") and "'train'" in refused("trian")
