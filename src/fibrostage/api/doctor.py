"""What a bug report needs to know of a machine: versions, devices, codecs, extras, weights, disk; not whose it is."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from fibrostage import __version__
from fibrostage.ground.cache import cache_folder
from fibrostage.ground.errors import WeightsError
from fibrostage.ground.files import Json
from fibrostage.ground.registry import Registry

SYNTAXES = {
    "JPEG": "1.2.840.10008.1.2.4.50",
    "JPEG, lossless": "1.2.840.10008.1.2.4.70",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
    "RLE": "1.2.840.10008.1.2.5",
}  # how DICOM packs pictures
CODECS = ("h264", "hevc", "mpeg4", "mjpeg")
VARIABLES = ("FIBROSTAGE_CACHE", "FIBROSTAGE_KEY", "FIBROSTAGE_LEDGER", "FIBROSTAGE_TOKENS", "FIBROSTAGE_WEIGHTS")
EXTRA = re.compile(r"""extra\s*==\s*['"]([\w-]+)['"]""")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `fine` is False where something will not work."""

    part: str
    name: str
    said: str
    fine: bool = True

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds."""
        return {"part": self.part, "name": self.name, "said": self.said, "fine": self.fine}


def examine(more: Sequence[Registry] = ()) -> tuple[Finding, ...]:  # type: ignore[type-arg]
    """Looks at everything; nothing is changed, and nothing names the user or the machine. Plug-ins of `more` registries
    are looked at too.

    >>> found = examine()
    >>> [one.part for one in found if one.name == "fibrostage"]
    ['version']
    """
    return (*versions(), *packages(), *plugins(more), *devices(), *codecs(), *weights(), *places(), *variables())


def versions() -> list[Finding]:
    """Ours, Python's and the system's."""
    return [
        Finding("version", "fibrostage", __version__),
        Finding("version", "Python", platform.python_version()),
        Finding("version", "system", f"{platform.system()} {platform.release()} {platform.machine()}"),
    ]


def installed(requirement: Requirement) -> str | None:
    """The installed version that a requirement asks for; None where there is none, or another."""
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return None
    return version if requirement.specifier.contains(version, prereleases=True) else None


def packages() -> list[Finding]:
    """What fibrostage itself needs, and for every extra what of it is missing."""
    needed: list[Requirement] = []
    extras: dict[str, list[Requirement]] = {}
    for line in importlib.metadata.requires("fibrostage") or []:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        named = EXTRA.search(str(requirement.marker or ""))
        if named is None:
            needed.append(requirement)
        elif named[1] != "dev":
            extras.setdefault(named[1], []).append(requirement)
    rows = []
    for one in needed:
        found = installed(one)
        rows.append(Finding("package", one.name, found or f"missing, or not {one.specifier}", found is not None))
    for extra, wanted in extras.items():
        missing = [one.name for one in wanted if installed(one) is None]
        said = f"not installed: {', '.join(missing)}" if missing else "installed"
        rows.append(Finding("extra", extra, said, True))
    return rows


def registries() -> list[Registry]:  # type: ignore[type-arg]
    """Every registry that installed packages can add to."""
    from fibrostage.active.modifiers import MODIFIERS
    from fibrostage.active.query_units import QUERY_UNITS
    from fibrostage.active.strategies import STRATEGIES
    from fibrostage.campaign.stopping import RULES
    from fibrostage.markers import MARKERS
    from fibrostage.networks.backbones import BACKBONES
    from fibrostage.networks.heads import HEADS
    from fibrostage.plan.recipes import RECIPES
    from fibrostage.report.sections import SECTIONS
    from fibrostage.stats.poolings import POOLINGS

    return [STRATEGIES, MODIFIERS, QUERY_UNITS, RULES, MARKERS, BACKBONES, HEADS, POOLINGS, SECTIONS, RECIPES]


def plugins(more: Sequence[Registry] = ()) -> list[Finding]:  # type: ignore[type-arg]
    """What installed packages add, and what of it cannot be used; `more` registries are looked at too."""
    rows = []
    for registry in (*registries(), *more):
        for name in registry.names():
            if registry.package(name) != "fibrostage":
                rows.append(Finding("plug-in", f"{registry.kind} {name}", f"of package {registry.package(name)}"))
        rows += [Finding("plug-in", f"{one.kind} {one.name}", str(one), False) for one in registry.broken]
    return rows


def devices() -> list[Finding]:
    """What networks run on."""
    import psutil
    import torch

    from fibrostage.learn.engine import multiplies_bfloat16

    memory = psutil.virtual_memory()
    rows = [
        Finding("device", "cpu", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"),
        Finding("device", "memory", f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"),
    ]
    for index in range(torch.cuda.device_count()):
        whole = torch.cuda.get_device_properties(index).total_memory
        rows.append(Finding("device", f"cuda:{index}", f"{torch.cuda.get_device_name(index)}, {whole / 2**30:.0f} GiB"))
    if not torch.cuda.is_available():
        rows.append(Finding("device", "cuda", "none; networks run on the CPU"))
    rows.append(Finding("device", "precision", "bfloat16" if multiplies_bfloat16() else "float32"))
    return rows


def codecs() -> list[Finding]:
    """Which packed pictures and videos can be read."""
    rows = []
    try:
        from pydicom.pixels import get_decoder
    except ImportError:
        rows.append(Finding("codec", "DICOM", "the extra dicom is not installed"))
    else:
        for name, syntax in SYNTAXES.items():
            there = bool(get_decoder(syntax).is_available)
            rows.append(Finding("codec", f"DICOM, {name}", "can be read" if there else "no decoder", there))
    try:
        import av
    except ImportError:
        rows.append(Finding("codec", "video", "the extra video is not installed"))
    else:
        for name in CODECS:
            there = name in av.codecs_available
            rows.append(Finding("codec", f"video, {name}", "can be read" if there else "no decoder", there))
    return rows


def weights() -> list[Finding]:
    """Which backbones have their ImageNet weights here."""
    from fibrostage.networks.backbones import BACKBONES

    rows = []
    for spec in BACKBONES:
        try:
            file = spec.imagenet()
        except WeightsError:
            rows.append(Finding("weights", spec.name, "no ImageNet weights here"))
        else:
            rows.append(Finding("weights", spec.name, file.name))
    return rows


def places() -> list[Finding]:
    """Where is how much room."""
    rows = []
    for name, folder in (("here", Path.cwd()), ("cache", cache_folder()), ("temporary", Path(tempfile.gettempdir()))):
        there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir())
        writable = os.access(there, os.W_OK)
        free = shutil.disk_usage(there).free / 2**30
        said = f"{free:.1f} GiB free" + ("" if writable else ", and cannot be written to")
        rows.append(Finding("disk", name, said, writable and free > 1))
    return rows


def variables() -> list[Finding]:
    """Which of our environment variables are set, and not to what."""
    return [Finding("variable", name, "set" if os.environ.get(name) else "not set") for name in VARIABLES]
