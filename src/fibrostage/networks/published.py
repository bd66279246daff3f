"""ImageNet weights that no package ships: where they are published, and where they are looked for on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fibrostage.ground.errors import WeightsError

WEIGHTS_DIR = "FIBROSTAGE_WEIGHTS"
PUBLISHER = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class Published:
    """A file that torchvision publishes; `sha256` is that of all of it, or its beginning where that is all that is
    published."""

    backbone: str
    file: str
    sha256: str

    def find(self) -> Path:
        """The one file `<backbone>*.pth` or `<backbone>*.safetensors` in the folder $FIBROSTAGE_WEIGHTS.

        Raises `WeightsError` where the variable is not set, its folder holds no such file, or several.
        """
        folder = os.environ.get(WEIGHTS_DIR)
        found = (
            sorted(p for suffix in (".safetensors", ".pth") for p in Path(folder).glob(f"{self.backbone}*{suffix}"))
            if folder
            else []
        )
        if len(found) == 1:
            return found[0]
        if found:
            raise WeightsError(
                f"network.weights = 'imagenet' for {self.backbone}: ${WEIGHTS_DIR} ({folder}) holds "
                f"{', '.join(path.name for path in found)}; leave one there, or give network.weights the file itself"
            )
        where = f"${WEIGHTS_DIR} ({folder}) holds none" if folder else f"${WEIGHTS_DIR} names no folder that holds it"
        raise WeightsError(
            f"network.weights = 'imagenet' for {self.backbone} is the file {self.file}, published at "
            f"{PUBLISHER}{self.file}, SHA-256 {self.sha256}{'' if len(self.sha256) == 64 else '…'}; {where}. "
            "network.backbone = 'efficientnet_lite0' has its ImageNet weights on board and can stand in"
        )
