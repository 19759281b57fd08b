"""Getting pretrained weights onto this computer: from the hub, from a file, from a folder that was carried here.

`locations`, `reading`, `records` and `fitting` find, read and check what is here and never connect, nor does anything
here fall back to random values; `hub` alone connects, and only when asked.
Importing it loads neither torch nor the hub's client.
"""

from visionft.weights.fetching import fetch
from visionft.weights.fitting import weights_loader
from visionft.weights.importing import Imported, ImportResult, Refused, import_weights
from visionft.weights.locations import weights_folder
from visionft.weights.states import (
    WeightsState,
    offline_reason,
    remove_weights,
    set_offline,
    weights_state,
    weights_states,
)

__all__ = [
    "ImportResult",
    "Imported",
    "Refused",
    "WeightsState",
    "fetch",
    "import_weights",
    "offline_reason",
    "remove_weights",
    "set_offline",
    "weights_folder",
    "weights_loader",
    "weights_state",
    "weights_states",
]
