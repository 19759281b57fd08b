"""The health of a project as one HTML file with its pictures in it: no script, no network, to be mailed or printed."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image

import resources
import visionft
from visionft.amounts import size_text
from visionft.curation.check import Finding
from visionft.curation.health.facts import Advice, CheckHealth, Health, RunHealth, WeakClass
from visionft.curation.health.health import health_of
from visionft.data.decode import decode
from visionft.errors import ImageError, StoppedError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import write_text
from visionft.foreign_text import printable
from visionft.project.names import count_of
from visionft.project.store import Project

STAGE: Final = "Drawing the report"
_SIDE, _QUALITY = 240, 80  # of a thumbnail: pixels, twice what it is shown at; JPEG
_IN_ADVICE, _OF_WEAK = 8, 5  # pictures in a row
_CLASSES, _WEAKEST = 60, 12  # in the tables
_CSS: Final = Path(resources.__file__).parent / "style" / "report.css"
_SPLITS: Final = {"train": "train", "val": "val", "test": "test", "unassigned": "none"}  # {split: its colour}


def write_report(
    health: Health, target: Path, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> None:
    """Write the report, atomically.

    Args:
        health: What it tells.
        target: The HTML file.
        on_event: Receives how far it is.
        should_stop: Asked before every picture.

    Raises:
        StoppedError: The user stopped; nothing was written.
        VisionFTError: The file cannot be written.
    """
    thumbnails: dict[int, str] = {}
    for done, (image_id, path) in enumerate(health.paths.items(), start=1):
        if should_stop():
            raise StoppedError("The report was not written.", "Start again to write it.")
        thumbnails[image_id] = thumbnail(path)
        on_event(Progress(stage=STAGE, done=done, total=len(health.paths)))
    write_text(target, report_html(health, thumbnails))


def save_report(
    project_dir: Path, target: Path, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> Path:
    """Write the report of a project as it is stored now; return where. For a task beside the window."""
    with Project.open(project_dir, read_only=True) as project:
        health = health_of(project)
    write_report(health, target, on_event=on_event, should_stop=should_stop)
    return target


def thumbnail(path: Path) -> str:
    """Return a picture as a data URI, small; empty where it cannot be decoded."""
    try:
        pixels = decode(path, max_side=_SIDE)
    except ImageError:
        return ""
    handle = BytesIO()
    Image.fromarray(pixels).save(handle, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(handle.getvalue()).decode()}"


def report_html(health: Health, thumbnails: Mapping[int, str]) -> str:
    """Return the report as text.

    Args:
        health: What it tells.
        thumbnails: {image id: data URI, empty for a picture that cannot be shown}.
    """
    return _Writer(health, thumbnails).document()


def _text(words: object) -> str:
    """Return text that is safe in HTML; names come from strangers."""
    return escape(printable(str(words)))


@dataclass(frozen=True)
class _Writer:
    health: Health
    thumbnails: Mapping[int, str]

    # -- the page -----------------------------------------------------------------------------------------------

    def document(self) -> str:
        name = _text(self.health.project.name)
        sections = "".join(filter(None, self._sections()))
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{name}: health of the pictures</title>\n<style>\n{_CSS.read_text(encoding='utf-8')}</style>\n"
            f"</head>\n<body>\n<main>\n{self._header(name)}\n{sections}"
            f"<footer>VisionFT {_text(visionft.__version__)}. The pictures were only read; nothing left this computer."
            "</footer>\n</main>\n</body>\n</html>\n"
        )

    def _header(self, name: str) -> str:
        health = self.health
        files = ", ".join(f"{count:,} {_text(kind)}" for kind, count in health.inventory.formats.items())
        now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
        words = f"{now}. {files or 'No pictures'}, {size_text(health.inventory.bytes)}."
        links = "".join(f'<a href="#{_text(check.name)}">{_text(check.title)}</a>' for check in health.checks)
        nav = f'<nav><a href="#next">What to do next</a><a href="#classes">Classes</a>{links}</nav>'
        cards = "".join(
            f'<div class="card"><b>{big}</b><span>{_text(small)}</span></div>' for big, small in self._cards()
        )
        top = f'<h1>{name}</h1>\n<p class="muted">{words}</p>'
        return f'<header>\n{top}\n<div class="cards">{cards}</div>\n{nav}\n</header>'

    def _cards(self) -> Iterable[tuple[str, str]]:
        health = self.health
        yield f"{health.pictures:,}", "pictures" if health.pictures != 1 else "picture"
        yield f"{health.labelled:,}", "with a label"
        with_pictures = sum(each.pictures > 0 for each in health.classes)
        effective = f", as {health.balance.effective:.1f} of equal size" if health.balance else ""
        yield f"{with_pictures:,}", f"{'class' if with_pictures == 1 else 'classes'}{effective}"
        for check in health.checks:
            yield (f"{check.flagged:,}" if check.state != "never" else "?"), _card_words(check)
        if health.run is not None:
            low, high = health.run.interval
            yield f"{health.run.top1:.0%}", f"right on {health.run.split}, {low:.0%} to {high:.0%}"

    def _sections(self) -> Iterable[str]:
        yield self._advice()
        yield self._certificates()
        yield self._classes()
        if self.health.run is not None:
            yield self._run(self.health.run)
        yield from map(self._check, self.health.checks)
        yield self._files()

    # -- sections -----------------------------------------------------------------------------------------------

    def _advice(self) -> str:
        items = "".join(map(self._advice_item, self.health.advice))
        body = f'<ol class="advice">{items}</ol>' if items else '<p class="muted">Nothing stands out.</p>'
        return f'<section id="next">\n<h2>What to do next</h2>\n{body}\n</section>\n'

    def _advice_item(self, advice: Advice) -> str:
        pictures = "".join(map(self._picture, advice.image_ids[:_IN_ADVICE]))
        strip = f'<div class="strip">{pictures}</div>' if pictures else ""
        return f'<li><h3>{_text(advice.words)}</h3><p class="muted">{_text(advice.evidence)}</p>{strip}</li>\n'

    def _certificates(self) -> str:
        if not self.health.certificates:
            return ""
        words = "".join(f"<p>{_text(sentence)}</p>" for sentence in self.health.certificates)
        return f'<section id="certificates">\n<h2>How right the labels are</h2>\n{words}\n</section>\n'

    def _classes(self) -> str:
        health = self.health
        if not health.classes:
            return (
                '<section id="classes">\n<h2>Classes</h2>\n<p class="muted">There are no classes yet.</p>\n</section>\n'
            )
        checks = [check for check in health.checks if check.flagged]
        most = max(1, *(each.pictures for each in health.classes))
        head = _cells("th", ["Class", "Pictures", "", *(check.title for check in checks)], numbers={1, *range(3, 99)})
        rows: list[str] = []
        shown_classes, note = health.classes, ""
        if len(health.classes) > _CLASSES:
            shown_classes = tuple(sorted(health.classes, key=lambda each: each.pictures)[:_CLASSES])
            note = f" The {_CLASSES} smallest of {len(health.classes):,} classes are shown."
        for each in shown_classes:
            parts = [(_SPLITS[split], each.splits.get(split, 0) / most, split) for split in _SPLITS]
            flagged = "".join(f'<td class="number">{each.flagged.get(check.name, 0):,}</td>' for check in checks)
            rows.append(
                f'<tr><td class="name">{_text(each.name)}</td><td class="number">{each.pictures:,}</td>'
                f'<td class="wide">{_bar(parts)}</td>{flagged}</tr>\n'
            )
        shown = [split for split in _SPLITS if health.splits.get(split)]
        legend = "".join(
            f'<span><i class="{_SPLITS[split]}"></i>{split} {health.splits[split]:,}</span>' for split in shown
        )
        return (
            f'<section id="classes">\n<h2>Classes</h2>\n<p class="summary">{self._balance_words()}{note}</p>\n'
            f'<table>\n<tr>{head}</tr>\n{"".join(rows)}</table>\n<div class="legend">{legend}</div>\n</section>\n'
        )

    def _balance_words(self) -> str:
        balance = self.health.balance
        if balance is None:
            return "Fewer than two classes have pictures."
        (large, most), (small, least) = balance.largest, balance.smallest
        ratio = f"{balance.ratio:.1f} times as many as" if balance.ratio is not None else "against"
        return f"“{_text(large)}” has {most:,} pictures, {ratio} “{_text(small)}” with {least:,}."

    def _run(self, run: RunHealth) -> str:
        low, high = run.interval
        words = (
            f"“{_text(run.title)}” on {count_of(run.pictures, 'picture')} of {run.split}: {run.top1:.1%} right "
            f"(95 % interval {low:.1%} to {high:.1%}). The bars show each class with its interval."
        )
        if run.honest is not None and run.honest.without is not None and run.honest.without_interval is not None:
            least, most = run.honest.without_interval
            known = count_of(run.honest.leaked, "picture")
            words += (
                f" {run.honest.without:.1%} ({least:.1%} to {most:.1%}) without the {known} that it knew from training."
            )
        head = _cells("th", ["Class", "Recognised", "", "Taken for", "Missed"], numbers={1})
        rows = "".join(map(self._weak_row, run.classes[:_WEAKEST]))
        return (
            f'<section id="run">\n<h2>Weakest classes</h2>\n<p class="summary">{words}</p>\n'
            f"<table>\n<tr>{head}</tr>\n{rows}</table>\n</section>\n"
        )

    def _weak_row(self, weak: WeakClass) -> str:
        low, high = weak.interval
        taken = f"{_text(weak.mistaken_for)} ({weak.mistaken:,})" if weak.mistaken_for else ""
        pictures = "".join(map(self._picture, weak.examples[:_OF_WEAK]))
        bar = (
            f'<div class="range" title="{low:.0%} to {high:.0%}"><i style="left:{low:.1%};right:{1 - high:.1%}"></i>'
            f'<em style="left:{weak.recall:.1%}"></em></div>'
        )
        return (
            f'<tr><td class="name">{_text(weak.name)}</td>'
            f'<td class="number">{weak.recall:.0%} of {weak.pictures:,}</td><td class="wide">{bar}</td>'
            f'<td>{taken}</td><td><div class="strip">{pictures}</div></td></tr>\n'
        )

    def _check(self, check: CheckHealth) -> str:
        tone, words = _state_chip(check)
        figures = "".join(self._figure(finding) for finding in check.worst)
        shown = {each for finding in check.worst for each in (finding.image_id, *finding.related[:1])}
        more = check.flagged - len(shown)
        rest = f'<p class="muted small">The worst are shown; {more:,} more are flagged.</p>' if more > 0 else ""
        kinds = ", ".join(f"{_text(kind)} {count:,}" for kind, count in check.kinds.items())
        facts = _check_words(check, kinds)
        pictures = f'<div class="pictures">{figures}</div>' if figures else ""
        return (
            f'<section id="{_text(check.name)}">\n'
            f'<h2>{_text(check.title)}<span class="chip {tone}">{words}</span></h2>\n'
            f'<p class="summary">{_text(check.summary)} {facts}</p>\n{pictures}{rest}\n</section>\n'
        )

    def _figure(self, finding: Finding) -> str:
        ids = (finding.image_id, *finding.related[:1])
        labels = ", ".join(self.health.labels.get(finding.image_id, ())) or "no label"
        suggested = f" → {finding.suggested}?" if finding.suggested else ""
        path = self.health.paths.get(finding.image_id)
        name = _text(path.name) if path is not None else ""
        pictures = "".join(map(self._picture, ids))
        return (
            f'<figure><div class="pair">{pictures}</div><figcaption><b>{_text(labels + suggested)}</b>'
            f'{_text(finding.reason)}<span class="file">{name}</span></figcaption></figure>\n'
        )

    def _files(self) -> str:
        found = self.health.inventory
        if not found.smallest or not found.median or not found.largest:
            return ""
        sizes = [("Smallest", found.smallest), ("In the middle", found.median), ("Largest", found.largest)]
        rows = "".join(
            f'<tr><td class="name">{name}</td><td>{width:,} x {height:,} pixels</td></tr>\n'
            for name, (width, height) in sizes
        )
        (width, height), is_one = found.largest, found.size_count == 1
        words = f"All have {width:,} x {height:,} pixels." if is_one else f"{found.size_count:,} different sizes."
        table = "" if is_one else f"<table>\n{rows}</table>\n"
        return f'<section id="files">\n<h2>Files</h2>\n<p class="summary">{words}</p>\n{table}</section>\n'

    # -- parts --------------------------------------------------------------------------------------------------

    def _picture(self, image_id: int) -> str:
        """Return a picture; its data stand in the file once for each time that it is shown."""
        path, source = self.health.paths.get(image_id), self.thumbnails.get(image_id, "")
        if path is None:
            return ""
        name = _text(path.name)
        if not source:
            return f'<div class="picture gone" title="{name}">cannot be shown</div>'
        return f'<img class="picture" src="{source}" alt="{name}" title="{_text(path)}" loading="lazy">'


def _card_words(check: CheckHealth) -> str:
    words = {"never": "not looked at yet", "stale": "flagged before the last changes", "current": "flagged"}
    return f"{check.title}: {words[check.state]}"


def _state_chip(check: CheckHealth) -> tuple[str, str]:
    if check.state == "never":
        return "quiet", "not looked at yet"
    if not check.flagged:
        return "good", "nothing found"
    return "warn", f"{count_of(check.flagged, 'picture')}"


def _check_words(check: CheckHealth, kinds: str) -> str:
    """Return what else is to be said of a check, as sentences that are safe in HTML."""
    if check.refusal:
        return _text(check.refusal)
    if check.state == "never":
        return ""
    words = [f"{check.looked_at:,} were looked at" + (f": {kinds}." if kinds else ".")]
    words += [f"{check.unreadable:,} could not be read."] if check.unreadable else []
    words += ["Pictures, labels or splits changed since."] if check.state == "stale" else []
    return " ".join(words)


def _cells(tag: str, words: Sequence[str], *, numbers: set[int]) -> str:
    marks = (' class="number"' if place in numbers else "" for place in range(len(words)))
    return "".join(f"<{tag}{mark}>{_text(each)}</{tag}>" for each, mark in zip(words, marks, strict=True))


def _bar(parts: Iterable[tuple[str, float, str]]) -> str:
    """Return a bar of (colour, share of the whole length, what it is)."""
    pieces = (
        f'<i class="{kind}" style="width:{share:.2%}" title="{name}"></i>' for kind, share, name in parts if share
    )
    return f'<div class="bar">{"".join(pieces)}</div>'
