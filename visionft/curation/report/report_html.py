"""The dataset report as one HTML file with embedded images: no script, no network, to be mailed or printed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import resources
import visionft
from visionft.amounts import size_text
from visionft.curation.check import APPROXIMATE_TEXT, Issue
from visionft.curation.report.dataset_report import CheckSummary, DatasetReport, EvaluatedRun, WeakClass
from visionft.curation.report.report_reader import read_report
from visionft.events import Progress
from visionft.files import write_text
from visionft.html_parts import text_html, thumbnail
from visionft.jobs import SILENT, JobContext
from visionft.project.names import count_of
from visionft.project.store import Project

_RECOMMENDED, _EXAMPLES = 8, 5  # images in a row
_CLASSES, _WEAKEST = 60, 12  # in the tables
_CSS: Final = Path(resources.__file__).parent / "style" / "report.css"
_SPLITS: Final = {"train": "train", "val": "val", "test": "test", "unassigned": "none"}  # {split: its colour}
_STATES: Final = {"never": "not checked yet", "stale": "flagged before the last changes", "current": "flagged"}


def write_report(report: DatasetReport, target: Path, *, job: JobContext = SILENT) -> None:
    """Write the report as an HTML file, atomically (VisionFTError: the file cannot be written)."""
    thumbnails: dict[int, str] = {}
    for done, (image_id, path) in enumerate(report.paths.items(), start=1):
        job.check_cancelled()
        thumbnails[image_id] = thumbnail(path, report.image_reading)
        job.report(Progress(stage="Writing the report", done=done, total=len(report.paths)))
    write_text(target, report_html(report, thumbnails))


def save_report(project_dir: Path, target: Path, *, job: JobContext = SILENT) -> Path:
    """Write the report of a project from stored results; return the file."""
    with Project.open(project_dir, read_only=True) as project:
        report = read_report(project)
    write_report(report, target, job=job)
    return target


def report_html(report: DatasetReport, thumbnails: Mapping[int, str]) -> str:
    """Return the report as text; `thumbnails` are data URIs by image id, empty where there is none."""
    return _Writer(report, thumbnails).document()


def _section(name: str, title: str, *parts: str) -> str:
    return f'<section id="{text_html(name)}">\n<h2>{title}</h2>\n{"".join(parts)}\n</section>\n'


@dataclass(frozen=True)
class _Writer:
    report: DatasetReport
    thumbnails: Mapping[int, str]

    def document(self) -> str:
        name = text_html(self.report.project.name)
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{name}: dataset report</title>\n<style>\n{_CSS.read_text(encoding='utf-8')}</style>\n"
            f"</head>\n<body>\n<main>\n{self._header(name)}\n{''.join(self._sections())}"
            f"<footer>VisionFT {text_html(visionft.__version__)}. The images were only read; nothing left this "
            "computer.</footer>\n</main>\n</body>\n</html>\n"
        )

    def _header(self, name: str) -> str:
        report = self.report
        files = ", ".join(f"{count:,} {text_html(kind)}" for kind, count in report.inventory.formats.items())
        now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
        links = "".join(f'<a href="#{text_html(check.name)}">{text_html(check.title)}</a>' for check in report.checks)
        used = sum(each.images > 0 for each in report.classes)
        effective = f", as {report.balance.effective:.1f} of equal size" if report.balance else ""
        figures = [
            (f"{report.images:,}", "images" if report.images != 1 else "image"),
            (f"{report.labelled:,}", "with a label"),
            (f"{used:,}", f"{'class' if used == 1 else 'classes'}{effective}"),
        ]
        for check in report.checks:
            flagged = f"{check.flagged:,}" if check.state != "never" else "?"
            figures.append((flagged, f"{check.title}: {_STATES[check.state]}"))
        if report.run is not None:
            low, high = report.run.interval
            figures.append((f"{report.run.top1:.0%}", f"accuracy on {report.run.images_of}, {low:.0%} to {high:.0%}"))
        cards = "".join(
            f'<div class="card"><b>{big}</b><span>{text_html(small)}</span></div>' for big, small in figures
        )
        return (
            f'<header>\n<h1>{name}</h1>\n<p class="muted">{now}. {files or "No images"}, '
            f'{size_text(report.inventory.bytes)}.</p>\n<div class="cards">{cards}</div>\n'
            f'<nav><a href="#next">What to do next</a><a href="#classes">Classes</a>{links}</nav>\n</header>'
        )

    def _sections(self) -> Iterator[str]:
        report = self.report
        items = [
            f'<li><h3>{text_html(each.action)}</h3><p class="muted">{text_html(each.evidence)}</p>'
            f"{self._strip(each.image_ids[:_RECOMMENDED])}</li>\n"
            for each in report.recommendations
        ]
        steps = f'<ol class="advice">{"".join(items)}</ol>' if items else '<p class="muted">Nothing stands out.</p>'
        yield _section("next", "What to do next", steps)
        yield _section("classes", "Classes", *self._classes())
        if report.run is not None:
            yield _section("run", "Weakest classes", *self._run(report.run))
        yield from map(self._check, report.checks)
        yield self._files()

    def _classes(self) -> Iterator[str]:
        report = self.report
        if not report.classes:
            yield '<p class="muted">There are no classes yet.</p>'
            return
        checks = [check for check in report.checks if check.flagged]
        most = max(1, *(each.images for each in report.classes))
        shown, note = report.classes, ""
        if len(shown) > _CLASSES:
            shown = sorted(shown, key=lambda each: each.images)[:_CLASSES]
            note = f" The {_CLASSES} smallest of {len(report.classes):,} classes are shown."
        yield f'<p class="summary">{self._balance()}{note}</p>\n'
        titles = ["Class", "Images", "", *(check.title for check in checks)]
        yield f"<table>\n<tr>{_heads(titles, {1, *range(3, len(titles))})}</tr>\n"
        for each in shown:
            bars = "".join(
                f'<i class="{_SPLITS[split]}" style="width:{each.splits[split] / most:.2%}" title="{split}"></i>'
                for split in _SPLITS
                if each.splits.get(split)
            )
            flagged = "".join(f'<td class="number">{each.flagged.get(check.name, 0):,}</td>' for check in checks)
            yield (
                f'<tr><td class="name">{text_html(each.name)}</td><td class="number">{each.images:,}</td>'
                f'<td class="wide"><div class="bar">{bars}</div></td>{flagged}</tr>\n'
            )
        legend = "".join(
            f'<span><i class="{_SPLITS[split]}"></i>{split} {report.splits[split]:,}</span>'
            for split in _SPLITS
            if report.splits.get(split)
        )
        yield f'</table>\n<div class="legend">{legend}</div>'

    def _balance(self) -> str:
        balance = self.report.balance
        if balance is None:
            return "Fewer than two classes have images."
        (large, most), (small, least) = balance.largest, balance.smallest
        if balance.is_even:
            return f"Each class has {most:,} images."
        ratio = f"{balance.ratio:.1f} times as many as" if balance.ratio is not None else "against"
        return f"“{text_html(large)}” has {most:,} images, {ratio} “{text_html(small)}” with {least:,}."

    def _run(self, run: EvaluatedRun) -> Iterator[str]:
        (low, high), leak_free = run.interval, run.leak_free
        words = (
            f"“{text_html(run.title)}” on {count_of(run.images, 'image')} of {run.images_of}: accuracy {run.top1:.1%} "
            f"(95 % interval {low:.1%} to {high:.1%}). The bars show each class with its interval."
        )
        if leak_free is not None and leak_free.without is not None and leak_free.without_interval is not None:
            low, high = leak_free.without_interval
            leaked = count_of(leak_free.leaked, "image")
            words += (
                f" {leak_free.without:.1%} ({low:.1%} to {high:.1%}) without the {leaked} that leaked into training."
            )
        head = _heads(["Class", "Recall", "", "Predicted as", "Misclassified"], {1})
        rows = "".join(map(self._weak_row, run.classes[:_WEAKEST]))
        yield f'<p class="summary">{words}</p>\n<table>\n<tr>{head}</tr>\n{rows}</table>'

    def _weak_row(self, weak: WeakClass) -> str:
        low, high = weak.interval
        mistaken = f"{text_html(weak.mistaken_for)} ({weak.mistaken:,})" if weak.mistaken_for else ""
        return (
            f'<tr><td class="name">{text_html(weak.name)}</td><td class="number">{weak.share} of {weak.images:,}</td>'
            f'<td class="wide"><div class="range" title="{low:.0%} to {high:.0%}">'
            f'<i style="left:{low:.1%};right:{1 - high:.1%}"></i><em style="left:{weak.recall:.1%}"></em></div></td>'
            f"<td>{mistaken}</td><td>{self._strip(weak.image_ids[:_EXAMPLES])}</td></tr>\n"
        )

    def _check(self, check: CheckSummary) -> str:
        tone = "warn"
        words = count_of(check.flagged, "image")
        if check.state == "never":
            tone, words = "quiet", "not checked yet"
        elif not check.flagged:
            tone, words = ("quiet", "nothing to check yet") if check.skipped else ("good", "no issues")
        facts = check.skipped
        if not check.skipped and check.state != "never":
            kinds = ", ".join(f"{kind} {count:,}" for kind, count in check.kinds.items())
            facts = f"{check.checked:,} were checked" + (f": {kinds}." if kinds else ".")
            facts += f" {check.unreadable:,} could not be read." if check.unreadable else ""
            facts += f" {APPROXIMATE_TEXT}" if check.is_approximate else ""
            facts += " Images, labels or splits changed since." if check.state == "stale" else ""
        figures = "".join(map(self._figure, check.worst))
        shown = {each for issue in check.worst for each in (issue.image_id, *issue.related[:1])}
        more = check.flagged - len(shown)
        return _section(
            check.name,
            f'{text_html(check.title)}<span class="chip {tone}">{words}</span>',
            f'<p class="summary">{text_html(f"{check.summary} {facts}")}</p>\n',
            f'<div class="images">{figures}</div>' if figures else "",
            f'<p class="muted small">The worst are shown; {more:,} more are flagged.</p>' if more > 0 else "",
        )

    def _figure(self, issue: Issue) -> str:
        labels = ", ".join(self.report.labels.get(issue.image_id, ())) or "no label"
        suggested = f" → {issue.suggested}?" if issue.suggested else ""
        path = self.report.paths.get(issue.image_id)
        images = "".join(map(self._image, (issue.image_id, *issue.related[:1])))
        return (
            f'<figure><div class="pair">{images}</div><figcaption><b>{text_html(labels + suggested)}</b>'
            f'{text_html(issue.reason)}<span class="file">{text_html(path.name if path else "")}</span>'
            "</figcaption></figure>\n"
        )

    def _files(self) -> str:
        found = self.report.inventory
        if not found.smallest or not found.median or not found.largest:
            return ""
        width, height = found.largest
        if found.size_count == 1:
            return _section("files", "Files", f'<p class="summary">All have {width:,} x {height:,} pixels.</p>')
        rows = "".join(
            f'<tr><td class="name">{name}</td><td>{width:,} x {height:,} pixels</td></tr>\n'
            for name, (width, height) in (
                ("Smallest", found.smallest),
                ("Median", found.median),
                ("Largest", found.largest),
            )
        )
        words = f'<p class="summary">{found.size_count:,} different sizes.</p>\n'
        return _section("files", "Files", words, f"<table>\n{rows}</table>")

    def _strip(self, image_ids: Iterable[int]) -> str:
        images = "".join(map(self._image, image_ids))
        return f'<div class="strip">{images}</div>' if images else ""

    def _image(self, image_id: int) -> str:
        """Return an image; its data are embedded once for each occurrence."""
        path = self.report.paths.get(image_id)
        source = self.thumbnails.get(image_id, "")
        if path is None:
            return ""
        name = text_html(path.name)
        if not source:
            return f'<div class="image gone" title="{name}">cannot be shown</div>'
        return f'<img class="image" src="{source}" alt="{name}" title="{text_html(path)}" loading="lazy">'


def _heads(words: Sequence[str], numbers: set[int]) -> str:
    marks = (' class="number"' if place in numbers else "" for place in range(len(words)))
    return "".join(f"<th{mark}>{text_html(each)}</th>" for each, mark in zip(words, marks, strict=True))
