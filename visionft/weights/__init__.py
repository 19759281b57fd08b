"""Getting pretrained weights onto this computer: from the hub, from a file, from a folder that was carried here.

`models.weights` finds and reads what is here; this package alone connects, and only to the hub, and only when asked.
Importing it loads neither torch nor the hub's client.
"""

from models.weights import weights_folder
from visionft.weights.fetching import fetch
from visionft.weights.importing import Imported, ImportResult, Refused, import_weights
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
    "weights_state",
    "weights_states",
]
