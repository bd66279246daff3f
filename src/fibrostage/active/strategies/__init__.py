"""The query strategies, one file each; a new one is a file and its name here, or an entry point of
"fibrostage.strategies"."""

from fibrostage.active.strategies.spec import BatchStrategy, Strategy
from fibrostage.ground.registry import InFiles, Registry

FILES = (
    "random", "entropy", "esd", "margin", "least_confidence", "bald", "ordinal_variance", "boundary", "coreset",
    "badge", "typiclust", "maxherding", "uherding", "typical_then_margin", "information", "ensemble", "spreading",
    "disagreement",
)  # fmt: skip
STRATEGIES: Registry[Strategy | BatchStrategy] = Registry(
    "strategy", InFiles(__name__, "STRATEGY", FILES), "fibrostage.strategies"
)
