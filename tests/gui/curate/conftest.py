"""Fixtures of the Curate page's tests: a check with real measurements, and a page with its findings."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from projects import project_of

from gui.curate import curate_views
from gui.curate.curate_page import CuratePage
from gui.curate.view import View
from gui.kit import lazy_function
from visionft.analysis.check import Check, CheckResult, Inputs, Issue
from visionft.analysis.scan import CHECKS
from visionft.core.errors import NextStep, ProjectError
from visionft.core.events import Progress
from visionft.data.decode import decode
from visionft.project.store import ProjectStore


class DullCheck(Check):
    """Flags images with almost uniform brightness; dark ones and light ones are two kinds."""

    name = "dull"
    title = "Dull images"
    summary = "Images whose brightness hardly varies. Take out those that show nothing."
    usual = 0.5

    def find_issues(self, inputs: Inputs) -> CheckResult:
        """Measure the spread of the grey values."""
        images = inputs.images.images
        if not any(image.labels for image in images):
            step = NextStep("label", project=inputs.project_dir)
            raise ProjectError("No image has a label yet.", "Label some first.", step)
        findings = []
        for place, image in enumerate(images):
            inputs.job.check_cancelled()
            grey = decode(image.path, max_side=64).mean(axis=2)
            score = float(np.clip(1 - grey.std() / 80, 0, 1))
            name = inputs.images.class_names[image.labels[0]] if image.labels else ""
            other = next((each for each in inputs.images.class_names if each != name), "")
            findings.append(
                Issue(
                    image_id=image.image_id,
                    sha256=image.sha256,
                    score=score,
                    kind="dark" if grey.mean() < 128 else "light",
                    reason=f"Its grey values vary by {grey.std():.0f} of 255.",
                    suggested=other if place % 2 else "",
                )
            )
            inputs.job.report(Progress(stage="Looking at the images", done=place + 1, total=len(images)))
        findings.sort(key=lambda finding: -finding.score)
        return CheckResult(check=self.name, issues=tuple(findings), threshold=self.usual, checked=len(images))


@pytest.fixture(autouse=True)
def use_views(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put the check of these tests in place of the table's; return a function to use views and another check."""

    def use_views(*views: type[View], check: Check | None = None) -> None:
        check = check or DullCheck()
        for name in list(CHECKS):
            monkeypatch.delitem(CHECKS, name)
        monkeypatch.setitem(CHECKS, check.name, check)
        monkeypatch.setattr(curate_views, "VIEWS", views)

    use_views()
    monkeypatch.setattr(lazy_function, "load_libraries", lambda _job: None)  # not needed by this check
    return use_views


@pytest.fixture
def grey_dir(tmp_path: Path) -> Path:
    """Return a project of twelve images, six a class; the first four of each hardly vary, one in four is light."""
    rng = np.random.default_rng(0)
    for name in ("bird", "cat"):
        (tmp_path / "grey" / name).mkdir(parents=True)
        for number in range(6):
            spread, middle = (2 + number, 200 if number == 3 else 60) if number < 4 else (90, 128)
            pixels = np.clip(rng.normal(middle, spread, (32, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "grey" / name / f"{name} {number}.png")
    return project_of(tmp_path / "greys", tmp_path / "grey", has_splits=True)


@pytest.fixture
def look_at() -> Callable[[Path], CheckResult]:
    """Return a function to run the check on a project, as the command line does."""

    def look_at(project_dir: Path) -> CheckResult:
        with ProjectStore.open(project_dir) as project:
            return CHECKS["dull"].run(Inputs(project_dir, project.snapshot()))

    return look_at


@pytest.fixture
def open_curate(qtbot, open_page) -> Callable[..., CuratePage]:
    """Return a function to show the page of a project, or one of its views."""

    def open_curate(project_dir: Path, view: str = "") -> CuratePage:
        page = open_page("curate", project_dir)
        qtbot.waitUntil(lambda: page.curation.is_read, timeout=10_000)
        if view:
            page.show_view(view)
        return page

    return open_curate


@pytest.fixture
def page(open_curate, grey_dir: Path, look_at) -> CuratePage:
    """Return the page of a checked project."""
    look_at(grey_dir)
    return open_curate(grey_dir)
