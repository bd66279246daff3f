"""The worker as a process: `python -m fibrostage.annotate.worker LOOP SERVER`, by the server."""

from __future__ import annotations

import sys
from pathlib import Path

from fibrostage.annotate.background import work

if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]))
