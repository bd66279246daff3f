"""What can be added to a strategy, one file each; a new one is a file and a line here."""

from fibrostage.active.modifiers import clean, complete, diverse, gumbel, power
from fibrostage.active.modifiers.spec import Modifier
from fibrostage.ground.registry import Registry

MODIFIERS: Registry[Modifier] = Registry(
    "modifier", (power.MODIFIER, gumbel.MODIFIER, diverse.MODIFIER, clean.MODIFIER, complete.MODIFIER)
)
