"""Import public data sets as downloaded, and the exports of tools: which are right, refused, or silently wrong.

    python tests/benchmarks/layouts.py [WORD ...] [--faults FILE]
    python tests/benchmarks/layouts.py --plain NUMBER [--seed NUMBER]

Each data set (`tests/fixtures/public_layouts/`) is written with tiny images and a known truth, and imported into a
project of its own. Words select by title. A data set that is not right is tried again with each choice that the program
offers. With `--plain` they are plain class folders instead (`tests/fixtures/plain_folders.py`), which must all be
labelled right with no choice; each that is not is printed.
The exit status is 1 where an import is silently wrong, or fails with anything but an expected error, or where a plain
folder is not labelled right.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "fixtures"))
from bench import heading, row
from data_sets import CRASHED, RIGHT, SILENT_JOB, VERDICTS, Layout, Verdict, judge_import
from layout_files import read_layouts
from plain_folders import random_folders
from plain_imports import fault_of, kind_of

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def tally(data_sets: list[Layout]) -> list[tuple[Layout, Verdict]]:
    """Return the verdict about the import of each data set."""
    found: list[tuple[Layout, Verdict]] = []
    with tempfile.TemporaryDirectory(prefix="layouts-", dir=MEMORY) as scratch:
        for number, each in enumerate(data_sets):
            folder = Path(scratch) / f"{number}"
            folder.mkdir()
            found.append((each, judge_import(each.write(folder), Path(scratch))))
    return found


def fault_text(found: list[tuple[Layout, Verdict]]) -> str:
    """Return the verdicts that are not right as Markdown, worst first."""
    parts = [f"# Imports that are not right ({time.strftime('%H:%M')})\n"]
    for kind in reversed(VERDICTS):
        rows = [(layout, verdict) for layout, verdict in found if verdict.kind == kind and kind != RIGHT]
        if rows:
            parts.append(f"\n## {kind} ({len(rows)})\n")
        for layout, verdict in sorted(rows, key=lambda row: len(row[0].title)):
            took = f" [right with {verdict.took}]" if verdict.took else ""
            parts.append(f"- **{layout.title}**{took}: {verdict.words}")
    return "\n".join(parts) + "\n"


def tally_plain(number: int, seed: int) -> int:
    """Print the plain folders that are not labelled right, and how many there are of each kind; return the number."""
    began = time.perf_counter()
    faults: dict[str, list[str]] = {}  # {description: its faults}
    with tempfile.TemporaryDirectory(prefix="plain-", dir=MEMORY) as scratch:
        for folders in random_folders(number, seed):
            if fault := fault_of(folders, Path(scratch)):
                faults.setdefault(str(folders), []).append(fault)
    for description, each in sorted(faults.items(), key=lambda row: -len(row[1])):
        print(f"{len(each)} x {description}\n    {each[0][:300]}")
    counts = Counter(kind_of(fault) for each in faults.values() for fault in each)
    wrong = counts.total()
    print()
    heading("right", *counts, "all", "seconds")
    row(number - wrong, *counts.values(), number, f"{time.perf_counter() - began:.0f}")
    return wrong


def main() -> int:
    """Print the table and the tally."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--faults", type=Path, help="write what is not right into this file")
    parser.add_argument("--plain", type=int, default=0, help="so many plain class folders")
    parser.add_argument("--seed", type=int, default=0, help="of the plain class folders")
    options = parser.parse_args()
    if options.plain:
        return int(tally_plain(options.plain, options.seed) > 0)
    words = [word.casefold() for word in options.words]
    chosen = [each for each in read_layouts() if not words or any(word in each.title.casefold() for word in words)]
    began = time.perf_counter()
    found = tally(chosen)
    heading("data set", "import", "with")
    for layout, verdict in found:
        row(layout.title, verdict.kind, verdict.took)
        if words:
            print(verdict.words)
    counts = Counter(verdict.kind for _, verdict in found)
    print()
    heading(*VERDICTS, "all", "seconds")
    row(*(counts[kind] for kind in VERDICTS), len(found), f"{time.perf_counter() - began:.0f}")
    if options.faults:
        options.faults.write_text(fault_text(found), encoding="utf-8")
    return int(counts[SILENT_JOB] + counts[CRASHED] > 0)


if __name__ == "__main__":
    sys.exit(main())
