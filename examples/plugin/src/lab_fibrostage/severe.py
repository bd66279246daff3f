"""SEVERE: candidates that the network thinks severe and is unsure of are asked first."""

import numpy as np
from numpy.typing import NDArray

from fibrostage import Known, Strategy


def score(known: Known) -> NDArray[np.float64]:
    """Returns the mean stage times its variance [n]."""
    stages = known.stages().astype(np.float64)
    places = np.arange(stages.shape[1])
    mean = stages @ places
    return mean * (stages @ places**2 - mean**2).clip(0)


STRATEGY = Strategy("severe", "SEVERE", "probabilities", score)
