"""`python -m visionft`, which `accelerate launch -m visionft train ...` needs."""

import sys

from visionft.cli import main

if __name__ == "__main__":
    sys.exit(main())
