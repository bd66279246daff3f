"""Locks every version, transitive ones included: pyproject.toml says what is needed, and uv what fits together.

.venv/bin/python scripts/lock.py [--upgrade] [--check]

It writes requirements-demo.txt (what fibrostage itself and its build need), requirements.txt (the extras' and the
tests' besides) and requirements-hashed.txt (both, with the hashes of every published file). Versions stay as they are,
and only what is new is looked up; with --upgrade all are looked up anew. With --check nothing is written, and what is
stale is named. requirements-nodeps.txt is written by hand. PyTorch and what its CUDA build brings have no hash, and
only PyTorch a version (docs/decisions/0020): a hash would hold for one build of several.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEMO, ALL, NODEPS, HASHED = (
    ROOT / name
    for name in ("requirements-demo.txt", "requirements.txt", "requirements-nodeps.txt", "requirements-hashed.txt")
)
OLDEST = "3.11.2"  # Python of Debian 12
BUILD = "hatchling\neditables\nsetuptools\n"
OF_CUDA = re.compile(r"^(nvidia-.*|cuda-.*|triton)$")
PIN = re.compile(r"^([\w.-]+)==(\S+)", re.M)
HEADS = {
    DEMO: "Every version that fibrostage itself runs with: what the demo needs, and what builds it. 'make demo' "
    "installs these alone. pyproject.toml states the ranges. Made by 'make lock'.",
    ALL: "Every version the tests, the extras and the benchmarks run with; 'make test' installs from here. Made by "
    "'make lock'.",
    HASHED: "The same versions with the SHA-256 of every file that is published of them, but for PyTorch, of which "
    "there is a build a platform (docs/decisions/0020). Made by 'make lock'.",
}


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> dict[str, str]:
    """The versions that a file pins, by normal name."""
    return {normal(name): version for name, version in PIN.findall(path.read_text(encoding="utf-8"))}


def uv(arguments: list[str], given: str) -> str:
    """What 'uv pip compile' answers; `given` are requirements besides. Ends with uv's reason where it fails."""
    program = shutil.which("uv", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin") or shutil.which("uv")
    if program is None:
        sys.exit("uv is not installed; 'make lock' installs it")
    command = [program, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-version", OLDEST]
    done = subprocess.run(
        [*command, *arguments, "-"], input=given, capture_output=True, text=True, cwd=ROOT, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def resolved(arguments: list[str], given: str, kept: Path) -> dict[str, str]:
    """What fits together by normal name, without what only PyTorch's CUDA build brings; versions of `kept` stay."""
    platform = ["--python-platform", "x86_64-unknown-linux-gnu"]
    found = PIN.findall(uv(["pyproject.toml", *arguments, *platform, "--constraint", str(kept)], given))
    return {normal(name): version for name, version in found if not OF_CUDA.match(normal(name))}


def locked(upgrade: bool, folder: Path) -> dict[Path, str]:
    """The files as they must be now."""
    kept = folder / "kept.txt"
    before = {**pins(DEMO), **pins(ALL)}
    if upgrade:
        before = {"torch": before["torch"]}  # by hand: builds for CPU and CUDA come in this version
    kept.write_text("".join(f"{name}=={version}\n" for name, version in before.items()), encoding="utf-8")
    demo = resolved([], BUILD, kept)
    kept.write_text("".join(f"{n}=={v}\n" for n, v in {**before, **demo}.items()), encoding="utf-8")
    others = resolved(["--all-extras"], "", kept)
    rest = {name: version for name, version in others.items() if name not in demo}
    lists = {DEMO: demo, ALL: rest}
    texts = {path: head(path) + "".join(f"{n}=={v}\n" for n, v in sorted(one.items())) for path, one in lists.items()}
    every = {**demo, **rest, **pins(NODEPS)}
    wanted = "".join(f"{name}=={version}\n" for name, version in sorted(every.items()) if name != "torch")
    return {**texts, HASHED: head(HASHED) + uv(["--no-deps", "--generate-hashes", "--universal"], wanted)}


def head(path: Path) -> str:
    """What a file begins with."""
    lines = textwrap.wrap(HEADS[path], 118, initial_indent="# ", subsequent_indent="# ")
    return "\n".join([*lines, *(["-r requirements-demo.txt"] if path == ALL else [])]) + "\n"


def main() -> int:

    with tempfile.TemporaryDirectory() as folder:
        wanted = locked("--upgrade" in sys.argv, Path(folder))
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--check" not in sys.argv:
            path.write_text(wanted[path], encoding="utf-8")
        print(f"{path.name} {'is stale' if '--check' in sys.argv else 'written'}")
    return int("--check" in sys.argv and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
