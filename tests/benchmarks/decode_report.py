"""Print what the one decoder makes of each file under a folder, as a table.

Usage: python tests/benchmarks/decode_report.py [FOLDER]   (default: ../shared/data/bad_inputs)
"""

import sys
import time
from collections import Counter
from pathlib import Path

from visionft.data.decode import decode, read_header
from visionft.errors import ImageError


def outcome(path: Path) -> tuple[str, str]:
    """Return how far the file got (`decoded`, `refused by header`, `refused by pixels`) and what there is to say."""
    try:
        header = read_header(path)
    except ImageError as error:
        return "refused by header", error.message
    try:
        pixels = decode(path)
    except ImageError as error:
        return "refused by pixels", error.message
    return "decoded", f"{header.format} {header.width}x{header.height}, mean {pixels.mean():.0f}"


def main() -> None:
    """Decode every file and count the outcomes."""
    default = Path(__file__).parents[3] / "shared" / "data" / "bad_inputs"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    counts, start = Counter[str](), time.perf_counter()
    print("| file | outcome | detail |\n|---|---|---|")
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        how, detail = outcome(path)
        counts[how] += 1
        print(f"| {path.relative_to(folder).as_posix()} | {how} | {detail} |")
    print(f"\n{sum(counts.values())} files in {time.perf_counter() - start:.1f} s: {dict(counts)}")


if __name__ == "__main__":
    main()
