"""The query strategies, one file each; a new one is a file and a line here."""

from fibrostage.active.strategies import entropy, esd, random
from fibrostage.active.strategies.spec import Strategy
from fibrostage.registry import Registry

STRATEGIES: Registry[Strategy] = Registry("strategy", (random.STRATEGY, entropy.STRATEGY, esd.STRATEGY))
