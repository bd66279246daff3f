"""Boundary: uncertainty about one named cut, the binary entropy of P(stage ≥ cut); `active.cut` names it.

For a clinic that asks one question, and for the MMFN paper's open problem of telling F1 from F2 (its §5).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.strategies.spec import Known, Strategy, entropy


def score(known: Known) -> NDArray[np.float64]:
    """Returns the binary entropy [n] of P(stage ≥ cut), in nats."""
    above = known.stages()[:, known.cut :].sum(axis=1)
    above = np.clip(above, 0, 1)  # a sum of float32 may exceed 1 by its rounding
    return entropy(np.stack([above, 1 - above], axis=1))


STRATEGY = Strategy("boundary", "Boundary", "passes", score)
