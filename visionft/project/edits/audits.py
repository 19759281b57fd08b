"""Audits: random samples of suggestions that a person checked, stored with the labels.

An audit is written before its sample is shown and is permanent: undo removes labels, not audit results. This holds
within a project's database; a restored backup has the audits of its time.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

from models.messages import Message
from visionft.errors import ProjectError
from visionft.project.edits import changes
from visionft.project.names import count_of
from visionft.project.store import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A check of a random sample of suggestions: what was drawn, what a person found, and what was accepted then."""

    COMPUTED: ClassVar = ("proven", "sentence")

    audit_id: int
    at: int  # time in milliseconds since the epoch
    source: str  # source of the suggestions: "features", or the name of a run
    threshold: float  # least confidence of the suggestions, 0 to 1
    suggestions: int  # number of suggestions that the sample was drawn from
    sample: int  # number of suggestions for a person to check, drawn at random
    wrong: int  # number of wrong ones in the sample; they are corrected
    most_wrong: int  # upper bound of wrong ones among the suggestions, with the confidence; the sample's included
    confidence: float  # of the bound
    seed: int
    is_finished: bool  # whether the sample was checked
    labels: int = 0  # number of images labelled by accepting the suggestions; 0 where they were not accepted
    standing: int = 0  # number of them with unchanged labels

    @property
    def proven(self) -> float:
        """Return the lower bound of the suggestions' accuracy, after correction of the sample."""
        return 1 - (self.most_wrong - self.wrong) / self.suggestions if self.suggestions else 1.0

    @property
    def sentence(self) -> str:
        values = {
            "sample": f"{self.sample:,}",
            "wrong": self.wrong,
            "share": f"{self.proven:.1%}",
            "confidence": f"{self.confidence:.1%}",
            "standing": f"{self.standing:,}",
            "labels": f"{self.labels:,}",
        }
        if not self.is_finished:
            counted = count_of(self.suggestions, "suggestion")
            return Message("A sample of {sample} of {counted} was drawn and not checked.", counted=counted, **values)
        if not self.labels:
            return Message(
                "At least {share} of {counted} were correct, with {confidence} confidence: "
                "{wrong} of {sample} that were checked were wrong. The others were not accepted.",
                counted=count_of(self.suggestions, "suggestion"),
                **values,
            )
        return Message(
            "At least {share} of {counted} are correct, with {confidence} confidence: "
            "{wrong} of {sample} that were checked were wrong. {standing} of {labels} still stand.",
            counted=count_of(self.suggestions, "accepted label"),
            **values,
        )


_FIELDS = tuple(each.name for each in fields(Audit))  # in the order of the query in `_read`


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSample:
    """The images of an audit.

    Attributes:
        suggested: {image id: class names} of all suggestions that the sample was drawn from.
        images: The sample, in the order to check.
    """

    audit: Audit
    suggested: Mapping[int, tuple[str, ...]]
    images: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FinishAudit(changes.Edit):
    """Store the result of an audit and label its sample. Undo removes the labels alone."""

    audit: Audit  # with its result
    checked: Mapping[int, tuple[str, ...]]  # {image id: class names} assigned by a person to the sample

    @property
    def title(self) -> str:
        return Message("Label {counted} of an audit", counted=count_of(self.audit.sample, "image"))

    def _touched(self) -> int:
        return max(self.audit.sample, changes.BULK_IMAGES)

    def write(self, connection: sqlite3.Connection) -> None:
        changes.picked(connection, list(self.checked))
        newest = _newest(connection)
        if newest is None or newest.audit_id != self.audit.audit_id or newest.is_finished:
            raise ProjectError("This audit is finished already, or a newer one was drawn.", "Draw a new sample.")
        connection.execute(
            "UPDATE audit SET at = ?, wrong = ?, most_wrong = ?, is_passed = 1, is_finished = 1 WHERE id = ?",
            (changes.now_ms(), self.audit.wrong, self.audit.most_wrong, self.audit.audit_id),
        )
        _label_checked(connection, self.checked)
        if self.audit.sample == self.audit.suggestions:
            _cover(connection, self.audit.audit_id, self.checked)


@dataclass(frozen=True, slots=True)
class AcceptAudited(changes.AcceptSuggestions):
    """Accept the suggestions of an audit that were not in its sample: {image id: names}."""

    TITLE = Message("Accept {counted} after an audit")
    audit_id: int

    def write(self, connection: sqlite3.Connection) -> None:
        changes.AcceptSuggestions.write(self, connection)  # no super(): a class with slots is made anew
        query = "SELECT DISTINCT image_id FROM audit_image WHERE audit_id = ? AND place IS NOT NULL"
        sample = [row[0] for row in connection.execute(query, (self.audit_id,))]
        _cover(connection, self.audit_id, {*self.classes, *sample})


def _cover(connection: sqlite3.Connection, audit_id: int, image_ids: Collection[int]) -> None:
    """Record the present labels of an audit's images, so that later changes can be counted."""
    connection.execute("DELETE FROM certified WHERE audit_id = ?", (audit_id,))
    connection.execute(
        """INSERT INTO certified (audit_id, image_id, classes)
            SELECT ?, image_id, json_group_array(class_id) FROM (
                SELECT image_id, class_id FROM label WHERE image_id IN (SELECT value FROM json_each(?))
                ORDER BY image_id, class_id) GROUP BY image_id""",
        (audit_id, json.dumps(sorted(image_ids))),
    )


def _label_checked(connection: sqlite3.Connection, classes: Mapping[int, tuple[str, ...]]) -> None:
    """Give images exactly these classes, as labels of a person."""
    by_class = changes.group_by_name((names, image_id) for image_id, names in classes.items())
    if changes.task_of(connection) == "multi":
        given = {changes.class_id_of(connection, name): set(ids) for name, ids in by_class.items()}
        query = "SELECT image_id, class_id FROM label WHERE image_id IN (SELECT value FROM json_each(?))"
        rows = connection.execute(query, (json.dumps(sorted(classes)),)).fetchall()
        gone = [row for row in rows if row[0] not in given.get(row[1], set())]
        connection.executemany("DELETE FROM label WHERE image_id = ? AND class_id = ?", gone)
    for name, image_ids in by_class.items():
        changes.give_class(connection, image_ids, name, "person")


def store_drawn(
    project: Project,
    suggested: Mapping[int, tuple[str, ...]],
    sample: Sequence[int],
    *,
    source: str,
    threshold: float,
    confidence: float,
    seed: int,
) -> AuditSample:
    """Write an unfinished audit of `suggested` ({image id: class names}) and its sample, outside the history.

    The columns `allowed`, `rightness`, `planned`, `number` and `is_passed` are of the acceptance tests of earlier
    versions; nothing reads them any more, and they may not be empty.
    """
    places = {image_id: place for place, image_id in enumerate(sample)}
    values = {
        "at": changes.now_ms(),
        "source": source,
        "threshold": round(threshold * 1e6),
        "accepted": len(suggested),
        "sample": len(sample),
        "wrong": 0,
        "most_wrong": len(suggested),
        "confidence": round(confidence * 1e6),
        "seed": seed,
        "is_passed": 0,
        "is_finished": 0,
        "allowed": len(sample),
        "rightness": 0,
        "planned": confidence,
        "number": 1,
    }
    with project.repairing() as connection:
        query = f"INSERT INTO audit ({', '.join(values)}) VALUES ({', '.join('?' * len(values))}) RETURNING id"
        audit_id = int(connection.execute(query, tuple(values.values())).fetchall()[0][0])
        connection.executemany(
            """INSERT INTO audit_image (audit_id, image_id, class_name, place, sha256)
                SELECT ?, id, ?, ?, sha256 FROM image WHERE id = ?""",
            [(audit_id, name, places.get(key), key) for key, names in suggested.items() for name in names],
        )
        audit = _newest(connection)
    assert audit is not None
    return AuditSample(audit=audit, suggested=dict(suggested), images=tuple(sample))


def newest_sample(project: Project) -> AuditSample | None:
    """Return the most recent audit with its images; None without one, or where an old version did not store them."""
    with project.reading() as connection:
        audit = _newest(connection)
        if audit is None:
            return None
        query = "SELECT image_id, class_name, place FROM audit_image WHERE audit_id = ? ORDER BY place"
        rows = connection.execute(query, (audit.audit_id,)).fetchall()
    suggested: dict[int, tuple[str, ...]] = {}
    for image_id, name, _ in rows:
        suggested[image_id] = (*suggested.get(image_id, ()), name)
    images = tuple(dict.fromkeys(image_id for image_id, _, place in rows if place is not None))
    return AuditSample(audit=audit, suggested=suggested, images=images) if images else None


def audits_of(project: Project) -> tuple[Audit, ...]:
    """Return all audits, unfinished ones too, the newest first."""
    with project.reading() as connection:
        return _read(connection)


def _newest(connection: sqlite3.Connection) -> Audit | None:
    return next(iter(_read(connection, most=1)), None)


def _read(connection: sqlite3.Connection, most: int = -1) -> tuple[Audit, ...]:
    """Return the audits, the newest first, at most `most` of them; -1 for all."""
    query = """SELECT id, at, source, threshold / 1e6, accepted, sample, wrong, most_wrong, confidence / 1e6, seed,
            is_finished, count(image_id), coalesce(sum(
                EXISTS (SELECT 1 FROM image WHERE image.id = image_id AND removed_at IS NULL)
                AND classes = (SELECT json_group_array(class_id) FROM (
                    SELECT class_id FROM label WHERE label.image_id = certified.image_id ORDER BY class_id))), 0)
        FROM audit LEFT JOIN certified ON audit_id = audit.id GROUP BY audit.id ORDER BY audit.id DESC LIMIT ?"""
    rows = (dict(zip(_FIELDS, row, strict=True)) for row in connection.execute(query, (most,)))
    return tuple(replace(Audit(**row), is_finished=bool(row["is_finished"])) for row in rows)
