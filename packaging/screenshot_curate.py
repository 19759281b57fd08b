"""The scenes of the curate page for the screenshots: never checked, checks running, and each of its views."""

from collections.abc import Callable
from functools import partial
from typing import Any

from gui.curate.curate_page import CuratePage
from visionft.curation.check import CheckResult, Issue, write_result
from visionft.curation.table import CHECKS
from visionft.events import Progress

Scene = Callable[[Any], None]


def scenes() -> dict[str, Scene]:
    """Return the scenes by name; there is one of every check's view."""
    views = {f"32-curate-{name}": partial(_view, name) for name in CHECKS}
    return {"30-curate-unlooked": _unlooked, "31-curate-scan": _scan, **views}


def _page(studio: Any) -> CuratePage:
    studio.window.show_page("curate")
    page = studio.window.page("curate")
    studio.wait_for_images(300)
    return page


def _unlooked(studio: Any) -> None:
    page = _page(studio)
    page.show_view(next(iter(CHECKS), ""))


def _scan(studio: Any) -> None:
    page = _page(studio)
    scan = page.curation.scan
    scan.progress = Progress(stage="Checking the images", done=1520, total=2524)
    scan.checks = frozenset(CHECKS)
    scan.changed.emit()


def _view(check: str, studio: Any) -> None:
    """Show invented results of a check."""
    page = _page(studio)
    page.curation.scan.progress, page.curation.scan.checks = None, frozenset()
    images = studio.state.session.snapshot().images
    others = {image.image_id: images[place - 1] for place, image in enumerate(images)}
    issues = tuple(
        Issue(
            image_id=image.image_id,
            sha256=image.sha256,
            score=1 - place / len(images),
            kind=("first kind", "another kind")[place % 2],
            reason=f"A made-up reason as long as they get, with a number in it: {place / len(images):.2f} of 1.",
            related=(others[image.image_id].image_id,) if place % 3 == 0 else (),
            group=place // 3 + 1,
        )
        for place, image in enumerate(images)
    )
    write_result(
        studio.state.path,
        CheckResult(check=check, issues=issues, threshold=0.4, checked=len(images), newest=1 << 60),
    )
    page.mark_stale()
    studio.wait_for_images(500)
    page.show_view(check)
