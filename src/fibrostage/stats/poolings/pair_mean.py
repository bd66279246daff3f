"""The mean of the candidates' probabilities, as the MMFN paper evaluates patients."""

from fibrostage.stats.poolings.spec import Pooling

POOLING = Pooling("pair_mean", "mean of probabilities")
