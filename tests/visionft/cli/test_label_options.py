"""The options of an import that choose what gives the labels."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from visionft.project.store import ProjectStore


def draw(folder: Path, *names: str) -> Path:
    """Draw an image under each name, all different."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16), (9 * number, 200 - 7 * number, 90)).save(folder / name)
    return folder


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Return an empty project."""
    ProjectStore.create(tmp_path / "empty").close()
    return tmp_path / "empty"


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    """Return a folder of images by site and species, with two tables of them."""
    places = {"north": ("ant+wasp", "bee"), "south": ("bee", "fly")}
    names = [
        f"{site}/{kind}/{size}_{n}.png"
        for site, kinds in places.items()
        for kind in kinds
        for n, size in enumerate(("big", "small", "big"))
    ]
    folder = draw(tmp_path / "my sites", *names)
    for table, titles in {"one.csv": "image,who", "other.csv": "picture,mood"}.items():
        rows = "".join(f"{name},{titles[-1]}{n % 2}\n" for n, name in enumerate(names))
        (folder / table).write_text(f"{titles}\n{rows}", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("options", "classes"),
    [
        (("--class-folder", "1"), {"north": 6, "south": 6}),
        (("--class-folder", "-1"), {"ant+wasp": 3, "bee": 6, "fly": 3}),
        (("--class-folder", "-1", "--separator", "+"), {"ant": 3, "bee": 6, "fly": 3, "wasp": 3}),
        (("--name-part", "1"), {"big": 8, "small": 4}),
        (("--name-part", "-1"), {"0": 4, "1": 4, "2": 4}),
        (("--name-part", "0"), {"big": 8, "small": 4}),
        (("--table", "one.csv", "--label-column", "who"), {"o0": 6, "o1": 6}),
        (("--table", "other.csv", "--file-column", "picture", "--label-column", "mood"), {"d0": 6, "d1": 6}),
        (("--without-labels",), {}),
    ],
)
def test_an_option_says_what_gives_the_labels(value, tmp_path: Path, sites: Path, options, classes):
    ProjectStore.create(tmp_path / "multi", task="multi").close()
    assert value("import", tmp_path / "multi", sites, *options)["classes"] == classes


@pytest.mark.parametrize(
    "options",
    [
        "--class-folder 1 --name-part 1",
        "--class-folder 1 --label-column who",
        "--class-folder 0",
        "--name-part 1 --file-column image",
        "--from-boxes --separator ,",
        "--without-labels --from-boxes",
        "--class-folder 7",
        "--name-part 9",
        "--table none.csv --label-column who",
    ],
)
def test_options_that_contradict_each_other_or_give_nothing_are_refused(refused, empty: Path, sites: Path, options):
    assert refused("import", empty, sites, *options.split())


def test_the_options_that_a_proposal_prints_give_the_same(run, value, empty: Path, sites: Path):
    for table in sites.glob("*.csv"):
        table.unlink()
    lines = run("import", empty, sites, "--dry-run")[1].splitlines()
    printed = [found for line in lines if (found := re.match(r"  --reading (\d+), or (.+?)(?: \(.+\))?: ", line))]
    assert any("--class-folder" in found[2] for found in printed) and "--without-labels" in printed[-1][2]
    for number, options in (found.groups() for found in printed):
        one = value("import", empty, sites, "--dry-run", "--reading", number)
        other = value("import", empty, sites, "--dry-run", *shlex.split(options))
        assert one["classes"] == other["classes"], options


def test_a_source_without_labels_is_told_with_the_options_that_give_them(run, value, empty: Path, tmp_path: Path):
    images = draw(tmp_path / "no labels", *(f"{n}.png" for n in range(4)))
    out = run("import", empty, images)[1]
    commands = re.findall(r"visionft (import .+) --([a-z-]+) ([A-Z]+)$", out, re.MULTILINE)
    assert {option for _, option, _ in commands} == {"class-folder", "name-part", "label-column"}
    assert value(*shlex.split(commands[0][0]), "--name-part", "1")["duplicates"]
    assert value("project", "info", empty)["classes"] == {str(n): 1 for n in range(4)}
