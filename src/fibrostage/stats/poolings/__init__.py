"""How the answers to a patient's candidates become one, a file each; a new one is a file and its name here, or an entry
point of "fibrostage.poolings"."""

from fibrostage.ground.registry import InFiles, Registry
from fibrostage.stats.poolings.spec import Pooling

FILES = ("pair_mean", "log_mean")
POOLINGS: Registry[Pooling] = Registry("pooling", InFiles(__name__, "POOLING", FILES), "fibrostage.poolings")
PAIR_MEAN = "pair_mean"
