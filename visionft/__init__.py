"""The VisionFT engine: projects, images, training, evaluation and deployment. No Qt in here."""

import os

__version__ = "0.1.0"

# These libraries would otherwise reach the network when imported or used; a user's images are their own business.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# ONNX Runtime, when imported, would write a number that names this computer into the user's cache and send events.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# Processes that are started from here (loaders, the preview's) would import what lies in the current folder.
os.environ["PYTHONSAFEPATH"] = "1"
# torch's OpenMP threads spin while they wait; beside other programs that made a training step ten times slower here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
