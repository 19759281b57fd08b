"""The scenes of the curate page for the screenshots: never looked through, looking, and each of its views."""

from collections.abc import Callable
from functools import partial
from typing import Any

from gui.curate.page import CuratePage
from visionft.curation.check import CheckResult, Finding, write_result
from visionft.curation.table import CHECKS
from visionft.events import Progress

Scene = Callable[[Any], None]


def scenes() -> dict[str, Scene]:
    """Return the scenes by name; there is one of every check's view."""
    views = {f"32-curate-{name}": partial(_view, name) for name in CHECKS}
    return {"30-curate-unlooked": _unlooked, "31-curate-looking": _looking, **views}


def _page(studio: Any) -> CuratePage:
    studio.window.show_page("curate")
    page = studio.window.page("curate")
    studio.wait_for_pictures(300)
    return page


def _unlooked(studio: Any) -> None:
    page = _page(studio)
    page.show_view(next(iter(CHECKS), ""))


def _looking(studio: Any) -> None:
    page = _page(studio)
    looking = page.curation.looking
    looking.progress = Progress(stage="Looking at the pictures", done=1520, total=2524)
    looking.checks = frozenset(CHECKS)
    looking.changed.emit()


def _view(check: str, studio: Any) -> None:
    """Show what a check would have found, made up."""
    page = _page(studio)
    page.curation.looking.progress, page.curation.looking.checks = None, frozenset()
    images = studio.state.session.snapshot().images
    others = {image.image_id: images[place - 1] for place, image in enumerate(images)}
    findings = tuple(
        Finding(
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
        CheckResult(check=check, findings=findings, threshold=0.4, looked_at=len(images), newest=1 << 60),
    )
    page.mark_stale()
    studio.wait_for_pictures(500)
    page.show_view(check)
