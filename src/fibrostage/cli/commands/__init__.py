"""The commands, one file each, in the order in which people use them; a new one is a file and its name here, or an
entry point of "fibrostage.commands"."""

from fibrostage.cli.commands.spec import Command
from fibrostage.ground.registry import InFiles, Registry

FILES = (
    "survey", "intake", "describe", "cohort", "weights", "recipes", "train", "package", "predict", "validate", "serve",
    "explain", "active", "ledger", "loop", "annotate", "doubts", "study", "markers", "compare", "readers", "precision",
    "report", "runs", "demo", "phantom", "bench", "doctor",
)  # fmt: skip
COMMANDS: Registry[Command] = Registry("command", InFiles(__name__, "COMMAND", FILES), "fibrostage.commands")
