"""Audits of labels that were accepted in bulk, kept with the labels: what was checked, and what that proves."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from visionft.project.edits.changes import BULK_PICTURES, Edit, class_id_of, give_class, now_ms, picked, task_of
from visionft.project.names import count_of
from visionft.project.store import Project

_SHARE = 1_000_000  # shares are whole millionths in the database


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was checked before pictures were accepted, and what came of it.

    Attributes:
        source: Whose suggestions they were: "features", or the name of a run.
        threshold: Confidence from which they were accepted, 0 to 1.
        accepted: How many were about to be accepted.
        sample: How many of them, drawn at random, a person checked.
        wrong: How many of those were wrong; they are corrected.
        allowed: Wrong ones with which the audit is passed.
        rightness: Share of right ones that was to be proven.
        confidence: How sure the proof is, failed audits before this one counted in.
        most_wrong: No more of the accepted are wrong than this, with that confidence; those of the sample included.
        number: Which audit in a row it is; 1 unless others failed before.
        seed: What the sample was drawn by.
        is_passed: Whether the pictures were accepted.
    """

    source: str
    threshold: float
    accepted: int
    sample: int
    wrong: int
    allowed: int
    rightness: float
    confidence: float
    most_wrong: int
    number: int
    seed: int
    is_passed: bool

    @property
    def proven(self) -> float:
        """Return the share of the accepted that is right at least, once the wrong ones of the sample are corrected."""
        return 1 - (self.most_wrong - self.wrong) / self.accepted if self.accepted else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """An audit that was passed, and what it is still worth.

    Attributes:
        audit: What was checked.
        at: When, in milliseconds since the epoch.
        labels: Pictures that got their labels by it.
        standing: How many of them still have just these labels.
    """

    audit: Audit
    at: int
    labels: int
    standing: int

    @property
    def sentence(self) -> str:
        """Say what it proves."""
        audit = self.audit
        return (
            f"At least {audit.proven:.1%} of {count_of(audit.accepted, 'accepted label')} are right, with "
            f"{audit.confidence:.1%} confidence: {audit.wrong} of {audit.sample} that were checked were wrong."
        )


@dataclass(frozen=True, slots=True)
class KeepAudit(Edit):
    """Keep an audit; label what a person said of its sample, and, when it is passed, accept the rest.

    Attributes:
        audit: What was checked.
        accepted: {image id: class names} that were suggested for all of them, the sample included.
        checked: {image id: class names} that a person says of the sample.
    """

    audit: Audit
    accepted: Mapping[int, tuple[str, ...]]
    checked: Mapping[int, tuple[str, ...]]

    def _title(self) -> str:
        if not self.audit.is_passed:
            return f"Keep an audit of {count_of(self.audit.sample, 'picture')} that failed"
        return f"Accept {count_of(len(self.accepted), 'suggestion')} after an audit"

    def _touched(self) -> int:
        return max(len(self.accepted), BULK_PICTURES)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write the audit, the labels, and which labels it vouches for.

        Raises:
            ProjectError: A picture is not in the project.
        """
        picked(connection, [*self.accepted, *self.checked])
        audit_id = _insert(connection, self.audit)
        rest = {key: names for key, names in self.accepted.items() if key not in self.checked}
        _label(connection, self.checked, "person")
        if self.audit.is_passed:
            _label(connection, rest, "suggestion")
            connection.execute(
                """INSERT INTO certified (audit_id, image_id, classes)
                    SELECT ?, image_id, json_group_array(class_id) FROM (
                        SELECT image_id, class_id FROM label WHERE image_id IN (SELECT value FROM json_each(?))
                        ORDER BY image_id, class_id) GROUP BY image_id""",
                (audit_id, json.dumps(sorted({*self.accepted, *self.checked}))),
            )


def _insert(connection: sqlite3.Connection, audit: Audit) -> int:
    cursor = connection.execute(
        """INSERT INTO audit (at, source, threshold, accepted, sample, wrong, allowed, rightness, confidence,
            most_wrong, number, seed, is_passed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id""",
        (
            *(now_ms(), audit.source, round(audit.threshold * _SHARE), audit.accepted, audit.sample, audit.wrong),
            *(audit.allowed, round(audit.rightness * _SHARE), round(audit.confidence * _SHARE), audit.most_wrong),
            *(audit.number, audit.seed, int(audit.is_passed)),
        ),
    )
    return int(cursor.fetchall()[0][0])


def _label(connection: sqlite3.Connection, classes: Mapping[int, tuple[str, ...]], source: str) -> None:
    """Give pictures exactly these classes."""
    by_class: dict[str, list[int]] = {}
    for image_id, names in classes.items():
        for name in names:
            by_class.setdefault(name, []).append(image_id)
    if task_of(connection) == "multi":
        wanted = {class_id_of(connection, name): set(ids) for name, ids in by_class.items()}
        query = "SELECT image_id, class_id FROM label WHERE image_id IN (SELECT value FROM json_each(?))"
        rows = connection.execute(query, (json.dumps(sorted(classes)),)).fetchall()
        gone = [row for row in rows if row[0] not in wanted.get(row[1], set())]
        connection.executemany("DELETE FROM label WHERE image_id = ? AND class_id = ?", gone)
    for name, image_ids in by_class.items():
        give_class(connection, image_ids, name, "person" if source == "person" else "suggestion")


def audits_of(project: Project) -> tuple[Audit, ...]:
    """Return all audits, failed ones too, the newest first."""
    with project.reading() as connection:
        return tuple(audit for _, _, audit in _read(connection))


def certificates_of(project: Project) -> tuple[Certificate, ...]:
    """Return the audits that were passed, the newest first, with how many of their labels still stand."""
    query = """SELECT count(*), coalesce(sum(EXISTS (SELECT 1 FROM image WHERE id = image_id AND removed_at IS NULL)
            AND classes = (SELECT json_group_array(class_id) FROM (
                SELECT class_id FROM label WHERE label.image_id = certified.image_id ORDER BY class_id))), 0)
        FROM certified WHERE audit_id = ?"""
    found: list[Certificate] = []
    with project.reading() as connection:
        for audit_id, at, audit in _read(connection):
            if audit.is_passed:
                labels, standing = connection.execute(query, (audit_id,)).fetchone()
                found.append(Certificate(audit=audit, at=at, labels=int(labels), standing=int(standing)))
    return tuple(found)


def _read(connection: sqlite3.Connection) -> list[tuple[int, int, Audit]]:
    rows = connection.execute(
        """SELECT id, at, source, threshold, accepted, sample, wrong, allowed, rightness, confidence, most_wrong,
            number, seed, is_passed FROM audit ORDER BY id DESC"""
    ).fetchall()
    return [
        (
            row[0],
            row[1],
            Audit(
                source=row[2],
                threshold=row[3] / _SHARE,
                accepted=row[4],
                sample=row[5],
                wrong=row[6],
                allowed=row[7],
                rightness=row[8] / _SHARE,
                confidence=row[9] / _SHARE,
                most_wrong=row[10],
                number=row[11],
                seed=row[12],
                is_passed=bool(row[13]),
            ),
        )
        for row in rows
    ]
