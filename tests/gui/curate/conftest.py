"""What the tests of the Curate page share: a check that measures something for real, and a page over what it found."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gui.curate import looking, views
from gui.curate.page import CuratePage
from gui.shell.window import MainWindow
from visionft.curation.check import Check, CheckResult, Finding, Inputs
from visionft.curation.table import CHECKS
from visionft.data.decode import decode
from visionft.errors import NextStep, ProjectError, StoppedError
from visionft.events import Progress
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project


class DullCheck(Check):
    """Flags pictures whose brightness hardly varies; dark ones and light ones are two kinds."""

    name = "dull"
    title = "Dull pictures"
    summary = "Pictures whose brightness hardly varies. Take out those that show nothing."
    usual = 0.5

    def look(self, inputs: Inputs) -> CheckResult:
        """Measure the spread of the grey values."""
        images = inputs.images.images
        if not any(image.labels for image in images):
            step = NextStep("label", project=inputs.project_dir)
            raise ProjectError("No picture has a label yet.", "Label some first.", step)
        findings = []
        for place, image in enumerate(images):
            if inputs.should_stop():
                raise StoppedError("The pictures were not all looked at.", "Start again to go on where it stopped.")
            grey = decode(image.path, max_side=64).mean(axis=2)
            score = float(np.clip(1 - grey.std() / 80, 0, 1))
            name = inputs.images.class_names[image.labels[0]] if image.labels else ""
            other = next((each for each in inputs.images.class_names if each != name), "")
            findings.append(
                Finding(
                    image_id=image.image_id,
                    sha256=image.sha256,
                    score=score,
                    kind="dark" if grey.mean() < 128 else "light",
                    reason=f"Its grey values vary by {grey.std():.0f} of 255.",
                    suggested=other if place % 2 else "",
                )
            )
            inputs.on_event(Progress(stage="Looking at the pictures", done=place + 1, total=len(images)))
        findings.sort(key=lambda finding: -finding.score)
        return CheckResult(
            check=self.name,
            findings=tuple(findings),
            threshold=self.usual,
            looked_at=len(images),
        )


@pytest.fixture(autouse=True)
def dull(monkeypatch: pytest.MonkeyPatch) -> DullCheck:
    """Put the check of these tests in place of the table's; return it."""
    check = DullCheck()
    for name in list(CHECKS):
        monkeypatch.delitem(CHECKS, name)
    monkeypatch.setitem(CHECKS, check.name, check)
    monkeypatch.setattr(views, "VIEWS", ())
    monkeypatch.setattr(looking, "load_libraries", lambda _on_event: None)  # this check needs none of them
    return check


@pytest.fixture
def grey_dir(tmp_path: Path) -> Path:
    """Return a project of twelve pictures, six a class; the first four of each hardly vary, one in four is light."""
    rng = np.random.default_rng(0)
    for name in ("bird", "cat"):
        (tmp_path / "grey" / name).mkdir(parents=True)
        for number in range(6):
            spread, middle = (2 + number, 200 if number == 3 else 60) if number < 4 else (90, 128)
            pixels = np.clip(rng.normal(middle, spread, (32, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "grey" / name / f"{name} {number}.png")
    with Project.create(tmp_path / "greys") as project:
        import_source(project, tmp_path / "grey")
        assign_splits(project)
    return tmp_path / "greys"


@pytest.fixture
def look_at() -> Callable[[Path], CheckResult]:
    """Return the function that has the check look at a project, as the command line does."""

    def look_at(project_dir: Path) -> CheckResult:
        with Project.open(project_dir) as project:
            return CHECKS["dull"].run(Inputs(project_dir, project.snapshot()))

    return look_at


@pytest.fixture
def page(qtbot, window: MainWindow, grey_dir: Path, look_at) -> CuratePage:
    """Return the page over a project that was looked through."""
    look_at(grey_dir)
    window.state.open_project(grey_dir)
    window.show_page("curate")
    page = window.page("curate")
    assert isinstance(page, CuratePage)
    qtbot.waitUntil(lambda: page.grid.count() > 0, timeout=5000)
    return page
