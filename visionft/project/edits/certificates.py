"""Audits of bulk-accepted labels, stored with the labels: the sample, its results, and the resulting certificate.

An audit is written before its sample is shown and is permanent: undo removes labels, not audit results. This holds
within a project's database; a restored backup has the audits of its time.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

from models.messages import Message
from visionft.errors import ProjectError
from visionft.project.edits import changes
from visionft.project.names import count_of
from visionft.project.store import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A check of a random sample before suggestions are accepted: its plan and, once it is finished, its result."""

    COMPUTED: ClassVar = ("proven",)

    source: str  # source of the suggestions: "features", or the name of a run
    threshold: float  # confidence threshold of acceptance, 0 to 1
    accepted: int  # number of suggestions to accept
    sample: int  # number of suggestions for a person to check, drawn at random
    wrong: int  # number of wrong ones in the sample; they are corrected
    allowed: int  # maximum number of wrong ones to pass
    rightness: float  # share of right ones to prove
    planned: float  # confidence of this audit alone
    confidence: float  # confidence of the proof, corrected for earlier failed audits
    # Upper bound of wrong ones among the accepted, with the planned confidence; those of the sample included.
    most_wrong: int
    number: int  # 1 plus the number of earlier audits of the same images without a pass
    seed: int
    is_passed: bool  # whether the suggestions were accepted
    is_finished: bool  # whether the sample was checked

    @property
    def proven(self) -> float:
        """Return the lower bound of the accepted suggestions' accuracy, after correction of the sample."""
        return 1 - (self.most_wrong - self.wrong) / self.accepted if self.accepted else 1.0


_COLUMNS = tuple(each.name for each in fields(Audit))
_SHARES = ("threshold", "rightness", "confidence")  # whole millionths in the database


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAudit:
    """An audit with a drawn, unchecked sample: images in the order to check. `accepted`: {image id: class names}."""

    audit_id: int
    audit: Audit
    accepted: Mapping[int, tuple[str, ...]]
    sample: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A passed audit, with the labels still covered by it."""

    audit: Audit
    at: int  # time in milliseconds since the epoch
    labels: int  # number of images labelled by it
    standing: int  # number of them with unchanged labels

    @property
    def sentence(self) -> str:
        audit = self.audit
        return Message(
            "At least {share} of {counted} are correct, with {confidence} confidence: "
            "{wrong} of {sample} that were checked were wrong. {standing} of {labels} still stand.",
            share=f"{audit.proven:.1%}",
            counted=count_of(audit.accepted, "accepted label"),
            confidence=f"{audit.confidence:.1%}",
            wrong=audit.wrong,
            sample=audit.sample,
            standing=f"{self.standing:,}",
            labels=f"{self.labels:,}",
        )


@dataclass(frozen=True, slots=True)
class KeepAudit(changes.Edit):
    """Finish the pending audit: label its sample, and the rest when it is passed. Undo removes the labels alone."""

    audit_id: int
    audit: Audit  # with its result
    accepted: Mapping[int, tuple[str, ...]]  # {image id: class names} of all suggestions, the sample included
    checked: Mapping[int, tuple[str, ...]]  # {image id: class names} assigned by a person to the sample

    @property
    def title(self) -> str:
        if not self.audit.is_passed:
            return Message("Label {counted} of an audit that failed", counted=count_of(self.audit.sample, "image"))
        return Message("Accept {counted} after an audit", counted=count_of(len(self.accepted), "suggestion"))

    def _touched(self) -> int:
        return max(len(self.accepted), changes.BULK_IMAGES)

    def write(self, connection: sqlite3.Connection) -> None:
        changes.picked(connection, [*self.accepted, *self.checked])
        pending = _pending(connection)
        if pending is None or pending.audit_id != self.audit_id:
            raise ProjectError("This audit is finished already, or a newer one was drawn.", "Draw a new sample.")
        connection.execute(
            "UPDATE audit SET at = ?, wrong = ?, most_wrong = ?, is_passed = ?, is_finished = 1 WHERE id = ?",
            (changes.now_ms(), self.audit.wrong, self.audit.most_wrong, self.audit.is_passed, self.audit_id),
        )
        _label(connection, self.checked, "person")
        if self.audit.is_passed:
            rest = {key: names for key, names in self.accepted.items() if key not in self.checked}
            _label(connection, rest, "suggestion")
            connection.execute(
                """INSERT INTO certified (audit_id, image_id, classes)
                    SELECT ?, image_id, json_group_array(class_id) FROM (
                        SELECT image_id, class_id FROM label WHERE image_id IN (SELECT value FROM json_each(?))
                        ORDER BY image_id, class_id) GROUP BY image_id""",
                (self.audit_id, json.dumps(sorted({*self.accepted, *self.checked}))),
            )


def keep_drawn(
    project: Project, audit: Audit, accepted: Mapping[int, tuple[str, ...]], sample: Sequence[int]
) -> PendingAudit:
    """Write an unfinished audit of `accepted` ({image id: class names}) and its sample, outside the history."""
    places = {image_id: place for place, image_id in enumerate(sample)}
    values = [round(getattr(audit, name) * 1e6) if name in _SHARES else getattr(audit, name) for name in _COLUMNS]
    with project.repairing() as connection:
        query = f"INSERT INTO audit (at, {', '.join(_COLUMNS)}) VALUES (?{', ?' * len(values)}) RETURNING id"
        audit_id = int(connection.execute(query, (changes.now_ms(), *values)).fetchall()[0][0])
        connection.executemany(
            """INSERT INTO audit_image (audit_id, image_id, class_name, place, sha256)
                SELECT ?, id, ?, ?, sha256 FROM image WHERE id = ?""",
            [(audit_id, name, places.get(key), key) for key, names in accepted.items() for name in names],
        )
    return PendingAudit(audit_id=audit_id, audit=audit, accepted=dict(accepted), sample=tuple(sample))


def pending_audit(project: Project) -> PendingAudit | None:
    """Return the most recent audit, unless it is finished."""
    with project.reading() as connection:
        return _pending(connection)


def _pending(connection: sqlite3.Connection) -> PendingAudit | None:
    audit_id, _, audit = next(iter(_read(connection)), (0, 0, None))
    if audit is None or audit.is_finished:
        return None
    query = "SELECT image_id, class_name, place FROM audit_image WHERE audit_id = ? ORDER BY place"
    rows = connection.execute(query, (audit_id,)).fetchall()
    accepted: dict[int, tuple[str, ...]] = {}
    for image_id, name, _ in rows:
        accepted[image_id] = (*accepted.get(image_id, ()), name)
    sample = tuple(dict.fromkeys(image_id for image_id, _, place in rows if place is not None))
    return PendingAudit(audit_id=audit_id, audit=audit, accepted=accepted, sample=sample) if sample else None


def next_number(project: Project) -> tuple[int, float]:
    """Return the number of the next audit, and the error probability spent by the audits it counts.

    The number is 1 plus the audits without a pass that have unlabelled images. So a failed or unfinished audit counts
    as long as any of its images can be drawn again, by content: neither undo nor another import removes it. A passed
    audit spent its error probability on its own certificate. The sum is over 1 - planned confidence.
    """
    return project.fetch(
        """SELECT 1 + count(*), total(1 - planned) FROM audit WHERE NOT is_passed AND EXISTS (
            SELECT 1 FROM audit_image JOIN image USING (sha256)
            WHERE audit_id = audit.id AND label_count = 0 AND removed_at IS NULL)"""
    )[0]


def _label(
    connection: sqlite3.Connection, classes: Mapping[int, tuple[str, ...]], source: Literal["person", "suggestion"]
) -> None:
    by_class = changes.group_by_name((names, image_id) for image_id, names in classes.items())
    if changes.task_of(connection) == "multi":
        given = {changes.class_id_of(connection, name): set(ids) for name, ids in by_class.items()}
        query = "SELECT image_id, class_id FROM label WHERE image_id IN (SELECT value FROM json_each(?))"
        rows = connection.execute(query, (json.dumps(sorted(classes)),)).fetchall()
        gone = [row for row in rows if row[0] not in given.get(row[1], set())]
        connection.executemany("DELETE FROM label WHERE image_id = ? AND class_id = ?", gone)
    for name, image_ids in by_class.items():
        changes.give_class(connection, image_ids, name, source)


def audits_of(project: Project) -> tuple[Audit, ...]:
    """Return all audits, failed and unfinished ones too, the newest first."""
    with project.reading() as connection:
        return tuple(audit for _, _, audit in _read(connection))


def certificates_of(project: Project) -> tuple[Certificate, ...]:
    """Return the passed audits with at least one remaining label, the newest first."""
    query = """SELECT count(*), coalesce(sum(EXISTS (SELECT 1 FROM image WHERE id = image_id AND removed_at IS NULL)
            AND classes = (SELECT json_group_array(class_id) FROM (
                SELECT class_id FROM label WHERE label.image_id = certified.image_id ORDER BY class_id))), 0)
        FROM certified WHERE audit_id = ?"""
    with project.reading() as connection:
        counted = [(audit, at, *connection.execute(query, (key,)).fetchone()) for key, at, audit in _read(connection)]
    found = (
        Certificate(audit=audit, at=at, labels=labels, standing=standing) for audit, at, labels, standing in counted
    )
    return tuple(each for each in found if each.audit.is_passed and each.standing)


def _read(connection: sqlite3.Connection) -> Iterator[tuple[int, int, Audit]]:
    """Yield id, time and audit of each row, the newest first."""
    query = f"SELECT id, at, {', '.join(_COLUMNS)} FROM audit ORDER BY id DESC"
    for audit_id, at, *values in connection.execute(query):
        row: dict[str, Any] = dict(zip(_COLUMNS, values, strict=True))
        row |= {name: row[name] / 1e6 for name in _SHARES}
        row |= {name: bool(row[name]) for name in ("is_passed", "is_finished")}
        yield audit_id, at, Audit(**row)
