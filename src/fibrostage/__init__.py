"""fibrostage: staging liver fibrosis from multi-modal ultrasound, and choosing which exam to label next."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("fibrostage")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

RESEARCH_USE = "Research use only: not a medical device, not for diagnosis."
SIMULATED = "SIMULATED"
