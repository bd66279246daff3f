"""The embedded network with its weights, which reads smaller pictures where a test looks at what is made of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fibrostage.networks.backbones import BACKBONES

SIDE = 64  # of 224 pixels: a twelfth of the arithmetic


def read_small_pictures(patch: pytest.MonkeyPatch) -> None:
    """While the patch lasts, the embedded network reads pictures of SIDE pixels a side."""
    spec = BACKBONES["efficientnet_lite0"]
    patch.setitem(BACKBONES._found, spec.name, (replace(spec, size=SIDE), "fibrostage"))
