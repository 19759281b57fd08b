"""Where pretrained weights lie on this computer, reading them, and fitting them to a network. Never connects.

Order: a file given by the user; the file that ships with the program; the weights folder; the hub's cache. Fetching and
importing are `visionft.weights`. Nothing here falls back to random values. Importing this package loads no torch.
"""

from models.weights.fitting import LoadReport, load_weights
from models.weights.places import (
    HUB_FILE,
    PRETRAINED,
    RANDOM,
    WeightsLocation,
    bundled_file,
    find_weights,
    folder_file,
    hub_cached_file,
    local_file,
    locate,
    weights_folder,
)
from models.weights.reading import KINDS, NOT_STATED, read_state, stated_licence
from models.weights.records import WeightsRecord, checked_sha256, read_record, record_path, remove_command, sha256_of

__all__ = [
    "HUB_FILE",
    "KINDS",
    "NOT_STATED",
    "PRETRAINED",
    "RANDOM",
    "LoadReport",
    "WeightsLocation",
    "WeightsRecord",
    "bundled_file",
    "checked_sha256",
    "find_weights",
    "folder_file",
    "hub_cached_file",
    "load_weights",
    "local_file",
    "locate",
    "read_record",
    "read_state",
    "record_path",
    "remove_command",
    "sha256_of",
    "stated_licence",
    "weights_folder",
]
