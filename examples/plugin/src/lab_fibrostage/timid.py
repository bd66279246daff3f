"""Timid: scores by their square root, so that chance has more to say beside gumbel."""

import numpy as np

from fibrostage import Modifier

MODIFIER = Modifier("timid", "timid", reweigh=lambda scores, noise, coldness: np.sqrt(np.maximum(scores, 0)))
