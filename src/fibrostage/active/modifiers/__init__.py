"""What can be added to a strategy, one file each; a new one is a file and its name here, or an entry point of
"fibrostage.modifiers"."""

from fibrostage.active.modifiers.spec import Modifier
from fibrostage.ground.registry import InFiles, Registry

FILES = ("power", "gumbel", "diverse", "clean", "complete")
MODIFIERS: Registry[Modifier] = Registry("modifier", InFiles(__name__, "MODIFIER", FILES), "fibrostage.modifiers")
