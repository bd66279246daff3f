"""Writes the pinned versions anew from what is installed, or with --check says how they differ.

.venv/bin/python scripts/renew_requirements.py [--check]

Packages stay in the file that they stand in; a package that is new must be added there by hand. There are no hashes:
PyTorch comes as a build a platform (CPU, CUDA), each with another hash; a file with hashes would hold for one of them.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = ("requirements-demo.txt", "requirements.txt", "requirements-nodeps.txt")
LINE = re.compile(r"^([\w.-]+)==(\S+)$")


def renewed(text: str) -> str:
    """A file's text with the installed versions; a local build's name (2.13.0+cpu) is left out."""
    lines = []
    for line in text.splitlines():
        pinned = LINE.match(line)
        if pinned:
            try:
                version = importlib.metadata.version(pinned[1]).partition("+")[0]
                line = f"{pinned[1]}=={version}"
            except importlib.metadata.PackageNotFoundError:
                print(f"{pinned[1]} is not installed; its line stays", file=sys.stderr)
        lines.append(line)
    return "\n".join(lines) + "\n"


def main() -> int:
    stale = []
    for name in FILES:
        path = ROOT / name
        before = path.read_text(encoding="utf-8")
        wanted = renewed(before)
        if wanted != before:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(wanted, encoding="utf-8")
    for name in stale:
        print(f"{name} {'is not what is installed' if '--check' in sys.argv else 'written'}")
    return int("--check" in sys.argv and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
