"""What a person says a class looks like, for models that learned from pictures and their captions.

A class has lines, each a prompt of its own; none means that its name stands for it.
"""

import sqlite3
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from visionft.errors import ProjectError
from visionft.project.edits.changes import Edit, class_id_of

MOST_LINES, MOST_LETTERS = 100, 500  # of a class, of a line


@dataclass(frozen=True, slots=True)
class SetPrompts(Edit):
    """Give classes the lines that are named; no line goes back to the name. Other classes keep theirs."""

    prompts: Mapping[str, tuple[str, ...]]

    def _title(self) -> str:
        if len(self.prompts) == 1:
            return f"Prompts of class “{next(iter(self.prompts))}”"
        return f"Prompts of {len(self.prompts):,} classes"

    def write(self, connection: sqlite3.Connection) -> None:
        """Write what differs.

        Raises:
            ProjectError: There is no such class, or a line is empty or too long.
        """
        for class_name, lines in self.prompts.items():
            class_id, wanted = class_id_of(connection, class_name), clean_prompts(class_name, lines)
            if _lines_of(connection, class_id) != wanted:
                connection.execute("DELETE FROM prompt WHERE class_id = ?", (class_id,))
                _append(connection, class_id, wanted)


def clean_prompts(class_name: str, lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return lines as they are kept: spaces at the ends taken away, each once.

    Raises:
        ProjectError: One is empty, too long, or holds what cannot be printed; or they are too many.
    """
    cleaned = tuple(dict.fromkeys(unicodedata.normalize("NFC", line).strip() for line in lines))
    if "" in cleaned:
        hint = "Write what its pictures show, or take the line away: a class without lines stands for its name."
        raise ProjectError(f"A prompt of “{class_name}” is empty.", hint)
    if len(cleaned) > MOST_LINES or any(len(line) > MOST_LETTERS for line in cleaned):
        hint = f"A class has at most {MOST_LINES} prompts of {MOST_LETTERS} letters."
        raise ProjectError(f"The prompts of “{class_name}” are too many or too long.", hint)
    if not all(line.isprintable() for line in cleaned):
        raise ProjectError(f"A prompt of “{class_name}” holds a sign that cannot be printed.", "Write it anew.")
    return cleaned


def take_over_prompts(connection: sqlite3.Connection, source: int, target: int) -> None:
    """Give a class the lines of another that it lacks; what was said of nobody's name stays unsaid."""
    own = _lines_of(connection, target)
    _append(connection, target, tuple(line for line in _lines_of(connection, source) if line not in own))


def _lines_of(connection: sqlite3.Connection, class_id: int) -> tuple[str, ...]:
    rows = connection.execute("SELECT text FROM prompt WHERE class_id = ? ORDER BY place", (class_id,))
    return tuple(text for (text,) in rows)


def _append(connection: sqlite3.Connection, class_id: int, lines: tuple[str, ...]) -> None:
    query = "SELECT coalesce(max(place) + 1, 0) FROM prompt WHERE class_id = ?"
    first = int(connection.execute(query, (class_id,)).fetchone()[0])
    rows = [(class_id, first + number, line) for number, line in enumerate(lines)]
    connection.executemany("INSERT INTO prompt (class_id, place, text) VALUES (?, ?, ?)", rows)
