"""What a combination is made of: runs, the weights that they had, and their shares. Torch-free.

A combination is a run folder whose checkpoint `best/` holds `combined.json` in place of tensors; the networks stay in
the folders of its parts.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from visionft.files import read_json
from visionft.training.runs.manifest import COMBINED_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One run of a combination.

    Attributes:
        run: Name of its folder.
        weights: Hash of the weights that it had when it was measured.
        share: How much it counts; the shares of a combination add up to 1.
        temperature: What its logits are divided by first.
        accuracy: Its own top-1 on the validation pictures that the shares were fitted to.
        loss: Its own log loss there, at its temperature.
    """

    run: str
    weights: str
    share: float
    temperature: float
    accuracy: float
    loss: float


def write_parts(folder: Path, parts: Sequence[Part]) -> None:
    """Write what a combination is made of into its checkpoint folder."""
    text = json.dumps([dataclasses.asdict(part) for part in parts], indent=2, ensure_ascii=False)
    (folder / COMBINED_FILE).write_text(f"{text}\n", encoding="utf-8")


def read_parts(folder: Path) -> tuple[Part, ...]:
    """Return what the combination with this checkpoint folder is made of; nothing where the file is gone.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged.
    """
    try:
        values = read_json(folder / COMBINED_FILE)
        return tuple(Part(**each) for each in values)
    except FileNotFoundError:
        return ()
    except TypeError as error:
        raise ValueError(f"{COMBINED_FILE} is damaged: {error}") from error
